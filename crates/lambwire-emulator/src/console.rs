//! Where lines for people go: START, END and REPORT, and what the program prints.

use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use crate::answer::Failure;

/// Where the lines START, END and REPORT go, and with them what the program writes to its standard output. What it
/// writes to standard error goes to that of this process in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Console {
    /// To standard output.
    Stdout,
    /// To standard error.
    #[default]
    Stderr,
    /// Nowhere.
    Silent,
}

/// What is known of an invocation that is over.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) request_id: String,
    /// How long the program took to start, if this is its first invocation.
    pub(crate) init: Option<Duration>,
    /// How long the runtime had the invocation.
    pub(crate) duration: Duration,
    pub(crate) memory_mb: u32,
    /// Left out if unknown.
    pub(crate) max_memory_mb: Option<u64>,
    pub(crate) status: Status,
}

/// How the platform finds an invocation to have gone. An error that the function reports is none of its concern.
#[derive(Debug, Default)]
pub(crate) enum Status {
    #[default]
    Success,
    Timeout,
    /// The platform has made the report, of this type.
    Error(String),
}

impl From<&Failure> for Status {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::TimedOut(_) => Self::Timeout,
            failure => Self::Error(failure.error_type().to_owned()),
        }
    }
}

impl Console {
    /// Tells that an invocation begins.
    pub(crate) fn start(self, request_id: &str) {
        self.print(&format!("START RequestId: {request_id} Version: $LATEST\n"));
    }

    /// Tells that an invocation is over.
    pub(crate) fn report(self, record: &Record) {
        self.print(&format!("END RequestId: {}\n{}\n", record.request_id, record.report()));
    }

    /// Where the program's standard output leads to.
    pub(crate) fn program_output(self) -> Stdio {
        match self {
            Self::Stdout => Stdio::inherit(),
            Self::Stderr => io::stderr().into(),
            Self::Silent => Stdio::null(),
        }
    }

    fn print(self, lines: &str) {
        // Whoever has closed the other end does not want to read.
        let _ = match self {
            Self::Stdout => io::stdout().write_all(lines.as_bytes()),
            Self::Stderr => io::stderr().write_all(lines.as_bytes()),
            Self::Silent => Ok(()),
        };
    }
}

impl Record {
    /// The line of AWS's emulator. What is unknown is left out of it, and a failure is named behind it as on AWS.
    fn report(&self) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut line = format!("REPORT RequestId: {}\t", self.request_id);
        if let Some(init) = self.init {
            line += &format!("Init Duration: {:.2} ms\t", ms(init));
        }
        // AWS has billed the start, too, since August 2025.
        let billed = ms(self.duration + self.init.unwrap_or_default()).ceil();
        line += &format!("Duration: {:.2} ms\tBilled Duration: {billed:.0} ms\t", ms(self.duration));
        line += &format!("Memory Size: {} MB\t", self.memory_mb);
        if let Some(max_memory_mb) = self.max_memory_mb {
            line += &format!("Max Memory Used: {max_memory_mb} MB\t");
        }
        match &self.status {
            Status::Success => {}
            Status::Timeout => line += "Status: timeout\t",
            Status::Error(error_type) => line += &format!("Status: error\tError Type: {error_type}\t"),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_that_of_aws() {
        let mut record = Record {
            request_id: "i".to_owned(),
            init: Some(Duration::from_micros(1500)),
            duration: Duration::from_micros(2004),
            memory_mb: 128,
            max_memory_mb: Some(7),
            status: Status::Success,
        };
        assert_eq!(
            record.report(),
            "REPORT RequestId: i\tInit Duration: 1.50 ms\tDuration: 2.00 ms\tBilled Duration: 4 ms\tMemory Size: 128 \
             MB\tMax Memory Used: 7 MB\t"
        );
        record.init = None;
        record.max_memory_mb = None;
        record.status = Status::Error("Runtime.ExitError".to_owned());
        assert_eq!(
            record.report(),
            "REPORT RequestId: i\tDuration: 2.00 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tStatus: error\tError \
             Type: Runtime.ExitError\t"
        );
    }
}
