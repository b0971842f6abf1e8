//! What events say, and what the function answers to each: the same whenever it is asked.

use std::fmt;

use fastrand::Rng;
use lambwire::limits::PAYLOAD_BYTES;

/// Media type of every response.
pub(crate) const CONTENT_TYPE: &str = "application/x-simulated";

/// Type of every failure.
pub(crate) const ERROR_TYPE: &str = "Function.Simulated";

/// Of so many texts, one is as large as can be.
const LARGEST_ONE_OF: u32 = 1 << 17;

/// An answer, as the function gives it and as the API receives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Whole(Vec<u8>),
    /// With this report.
    Failed(Vec<u8>),
    Streamed {
        body: Vec<u8>,
        /// The report of what went wrong on the way.
        failure: Option<Vec<u8>>,
    },
}

impl Answer {
    /// The answer to an event, which depends on every byte of it.
    pub(crate) fn to(event: &[u8]) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let hash = event.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        let mut rng = Rng::with_seed(hash);
        match rng.u32(..8) {
            0..4 => Self::Whole(text(&mut rng)),
            4 => Self::Failed(report(&format!("failed {hash:x}"))),
            5..7 => Self::Streamed { body: text(&mut rng), failure: None },
            _ => Self::Streamed { body: text(&mut rng), failure: Some(report(&format!("broken {hash:x}"))) },
        }
    }

    /// What is answered in place of what is too large to be sent.
    pub(crate) fn or_too_large(self) -> Self {
        match self {
            Self::Whole(body) if body.len() as u64 > PAYLOAD_BYTES => Self::Failed(report("too large")),
            fits => fits,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, body) = match self {
            Self::Whole(body) => ("a response", body),
            Self::Failed(report) => ("a report", report),
            Self::Streamed { body, failure: None } => ("a stream", body),
            Self::Streamed { body, failure: Some(_) } => ("a stream that failed", body),
        };
        write!(f, "{how} of {} bytes", body.len())
    }
}

fn report(message: &str) -> Vec<u8> {
    format!(r#"{{"errorMessage":"{message}","errorType":"{ERROR_TYPE}"}}"#).into_bytes()
}

/// Bytes at random, so many that an edge may be near.
pub(crate) fn text(rng: &mut Rng) -> Vec<u8> {
    const EDGES: [usize; 6] = [1, 16, 256, 4096, 8192, 16_384];
    let len = match rng.u32(..32) {
        0..18 => rng.usize(..48),
        18..28 => rng.usize(..1000),
        28 => 0,
        29 => EDGES[rng.usize(..EDGES.len())] - 1 + rng.usize(..3),
        // With its head, it may just fill the first buffer.
        30 => rng.usize(7600..8200),
        _ => rng.usize(..10_000),
    };
    let is_largest = rng.u32(..LARGEST_ONE_OF) == 0;
    let largest = usize::try_from(PAYLOAD_BYTES).expect("6 MiB") - 1 + rng.usize(..3);
    let len = if is_largest { largest } else { len };
    let mut text = vec![0; len];
    rng.fill(&mut text);
    text
}
