//! The queue in which callers wait for the runtime.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lambwire::SendError;
use lambwire::limits::PAYLOAD_BYTES;
use smol::channel::{Receiver, Sender, bounded, unbounded};
use smol::lock::{Semaphore, SemaphoreGuardArc};
use uuid::Uuid;

use crate::answer::Answer;
use crate::arn;
use crate::event::{Event, Invocation};
use crate::limits;

/// An event was not taken, or nothing will come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvokeError {
    /// There are [`CALLERS`](limits::CALLERS) already.
    Throttled,
    /// The event is larger than [`PAYLOAD_BYTES`](lambwire::limits::PAYLOAD_BYTES).
    EventTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Something that comes along with the event cannot be sent to a runtime.
    InvalidValue(SendError),
    /// The emulator has ended.
    Stopped,
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => write!(f, "{} invocations are waiting or under way", limits::CALLERS),
            Self::EventTooLarge { bytes } => write!(f, "event of {bytes} bytes, {PAYLOAD_BYTES} is the most"),
            Self::InvalidValue(error) => error.fmt(f),
            Self::Stopped => f.write_str("the emulator has ended"),
        }
    }
}

impl Error for InvokeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidValue(error) => Some(error),
            _ => None,
        }
    }
}

/// Where callers put their events.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    queue: Sender<Job>,
    slots: Arc<Semaphore>,
    region: Arc<str>,
    function_arn: Arc<str>,
    /// Whether each invocation gets a nonce, as where a process has several at a time.
    has_nonces: bool,
}

/// An invocation, and who waits for what comes of it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) invocation: Invocation,
    pub(crate) caller: Sender<Answer>,
    /// Held until the invocation is over.
    pub(crate) slot: SemaphoreGuardArc,
}

/// An invocation that waits in the queue, or is under way.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) request_id: String,
    answer: Receiver<Answer>,
}

impl Submitted {
    pub(crate) async fn answer(self) -> Result<Answer, InvokeError> {
        self.answer.recv().await.map_err(|_| InvokeError::Stopped)
    }
}

impl Callers {
    /// A queue, and the end at which the invocations come out. Events that name no function go to `function`.
    pub(crate) fn new(region: &str, function: &str, has_nonces: bool) -> (Self, Receiver<Job>) {
        // The slots bound the queue.
        let (queue, jobs) = unbounded();
        let callers = Self {
            queue,
            slots: Arc::new(Semaphore::new(limits::CALLERS)),
            region: region.into(),
            function_arn: arn::of(region, function).into(),
            has_nonces,
        };
        (callers, jobs)
    }

    /// Puts an event into the queue. It is carried out even if nobody waits for the answer.
    pub(crate) fn submit(&self, event: Event) -> Result<Submitted, InvokeError> {
        let bytes = event.payload.len();
        if u64::try_from(bytes).is_ok_and(|bytes| bytes > PAYLOAD_BYTES) {
            return Err(InvokeError::EventTooLarge { bytes });
        }
        let nonce = self.has_nonces.then(|| Uuid::new_v4().to_string());
        let invocation =
            Invocation::new(event, &self.function_arn, now_ms(), nonce).map_err(InvokeError::InvalidValue)?;
        let request_id = invocation.id().to_owned();
        let slot = self.slots.try_acquire_arc().ok_or(InvokeError::Throttled)?;
        let (caller, answer) = bounded(1);
        let job = Job { invocation, caller, slot };
        self.queue.try_send(job).map_err(|_| InvokeError::Stopped)?;
        Ok(Submitted { request_id, answer })
    }

    /// The region in which functions are that are named without one.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Takes no more events. Those in the queue are still carried out.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// Waits until no more events are taken.
    pub(crate) async fn closed(&self) {
        self.queue.closed().await;
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
