//! The lines START, END and REPORT.

use std::time::Duration;

use crate::answer::Failure;
use crate::environment::Status;

/// What is known of an invocation that is over.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a str,
    /// How long the program took to start, if this is its first invocation.
    pub(crate) init: Option<Duration>,
    /// How long the runtime had the invocation.
    pub(crate) duration: Duration,
    pub(crate) memory_mb: u32,
    /// Left out if unknown.
    pub(crate) max_memory_mb: Option<u64>,
    pub(crate) status: &'a Status,
}

/// The line that tells that an invocation begins.
pub(crate) fn start(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: $LATEST\n")
}

impl Report<'_> {
    /// Milliseconds that are billed. AWS has billed the start, too, since August 2025.
    pub(crate) fn billed_ms(&self) -> f64 {
        ms(self.duration + self.init.unwrap_or_default()).ceil()
    }

    /// The lines END and REPORT, the latter as that of AWS's emulator. What is unknown is left out of it, and a failure
    /// is named behind it as on AWS. An error that the function reports is none of the platform's concern.
    pub(crate) fn lines(&self) -> String {
        use std::fmt::Write;

        let id = self.request_id;
        let mut line = format!("END RequestId: {id}\nREPORT RequestId: {id}\t");
        // Writing to a string does not fail.
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {:.2} ms\t", ms(init));
        }
        let _ = write!(line, "Duration: {:.2} ms\tBilled Duration: {:.0} ms\t", ms(self.duration), self.billed_ms());
        let _ = write!(line, "Memory Size: {} MB\t", self.memory_mb);
        if let Some(max_memory_mb) = self.max_memory_mb {
            let _ = write!(line, "Max Memory Used: {max_memory_mb} MB\t");
        }
        match self.status {
            Status::Success | Status::Reported(_) => {}
            Status::Failed(Failure::TimedOut(_)) => line += "Status: timeout\t",
            Status::Failed(failure) => {
                let _ = write!(line, "Status: error\tError Type: {}\t", failure.error_type());
            }
        }
        line.push('\n');
        line
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_report_reads_as_that_of_aws() {
        let mut report = Report {
            request_id: "i",
            init: Some(Duration::from_micros(1500)),
            duration: Duration::from_micros(2004),
            memory_mb: 128,
            max_memory_mb: Some(7),
            status: &Status::Success,
        };
        assert_eq!(
            report.lines(),
            "END RequestId: i\nREPORT RequestId: i\tInit Duration: 1.50 ms\tDuration: 2.00 ms\tBilled Duration: 4 \
             ms\tMemory Size: 128 MB\tMax Memory Used: 7 MB\t\n"
        );
        let failed = Status::Failed(Failure::Exited(Exit::Code(1)));
        report = Report { init: None, max_memory_mb: None, status: &failed, ..report };
        assert_eq!(
            report.lines(),
            "END RequestId: i\nREPORT RequestId: i\tDuration: 2.00 ms\tBilled Duration: 3 ms\tMemory Size: 128 \
             MB\tStatus: error\tError Type: Runtime.ExitError\t\n"
        );
    }
}
