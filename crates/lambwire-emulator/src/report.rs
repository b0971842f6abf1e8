//! The lines of the platform: START, END and REPORT, and of starts that are special.

use std::time::Duration;

use crate::answer::Failure;
use crate::environment::Status;

/// What is known of an invocation that is over.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a str,
    /// How long the program took to start, if this is its first invocation.
    pub(crate) init: Option<Duration>,
    /// How long the program took to go on after it was restored, if this is its first invocation.
    pub(crate) restore: Option<Duration>,
    /// How long the runtime had the invocation.
    pub(crate) duration: Duration,
    pub(crate) memory_mb: u32,
    /// Left out if unknown.
    pub(crate) max_memory_mb: Option<u64>,
    pub(crate) status: &'a Status,
}

/// Adds the line that tells that an invocation begins.
pub(crate) fn start(lines: &mut String, request_id: &str, version: &str) {
    lines.extend(["START RequestId: ", request_id, " Version: ", version, "\n"]);
}

/// The line about a start that has failed, or whose result is a snapshot.
pub(crate) fn init(duration: Duration, error_type: Option<&str>) -> String {
    let mut line = String::new();
    push_ms(&mut line, "INIT_REPORT Init Duration: ", duration, " ms\tPhase: init");
    line + &status(error_type) + "\n"
}

fn status(error_type: Option<&str>) -> String {
    match error_type {
        None => String::new(),
        Some(TIMED_OUT | RESTORE_TIMED_OUT) => "\tStatus: timeout".to_owned(),
        Some(error_type) => format!("\tStatus: error\tError Type: {error_type}"),
    }
}

/// The type of a failure that is a time-out.
pub(crate) const TIMED_OUT: &str = "Sandbox.Timedout";

/// That of one that is a time-out after a snapshot was restored (RIE, `interop/model.go`).
pub(crate) const RESTORE_TIMED_OUT: &str = "Runtime.RestoreHookUserTimeout";

/// The line about a program that has gone on from its snapshot, or has failed to.
pub(crate) fn restore(duration: Duration, error_type: Option<&str>) -> String {
    let mut line = String::new();
    push_ms(&mut line, "RESTORE_REPORT Restore Duration: ", duration, " ms");
    line + &status(error_type) + "\n"
}

impl Report<'_> {
    /// Milliseconds that are billed. AWS has billed the start, too, since August 2025.
    pub(crate) fn billed_ms(&self) -> u64 {
        begun_ms(self.duration + self.init.or(self.restore).unwrap_or_default())
    }

    /// Adds the lines END and REPORT, the latter as that of AWS's emulator. What is unknown is left out of it, and a failure
    /// is named behind it as on AWS. An error that the function reports is none of the platform's concern.
    pub(crate) fn write(&self, line: &mut String) {
        let id = self.request_id;
        line.reserve(LINES_BYTES);
        line.extend(["END RequestId: ", id, "\nREPORT RequestId: ", id, "\t"]);
        if let Some(init) = self.init {
            push_ms(line, "Init Duration: ", init, " ms\t");
        }
        push_ms(line, "Duration: ", self.duration, " ms\t");
        push(line, "Billed Duration: ", self.billed_ms(), " ms\t");
        push(line, "Memory Size: ", self.memory_mb.into(), " MB\t");
        if let Some(max_memory_mb) = self.max_memory_mb {
            push(line, "Max Memory Used: ", max_memory_mb, " MB\t");
        }
        if let Some(restore) = self.restore {
            push_ms(line, "Restore Duration: ", restore, " ms\t");
            push(line, "Billed Restore Duration: ", begun_ms(restore), " ms\t");
        }
        match self.status {
            Status::Success | Status::Reported(_) => {}
            Status::Failed(Failure::TimedOut(_)) => line.push_str("Status: timeout\t"),
            Status::Failed(failure) => line.extend(["Status: error\tError Type: ", failure.error_type(), "\t"]),
        }
        line.push('\n');
    }
}

/// Room for the lines END and REPORT, in bytes: those of a first invocation have 260.
const LINES_BYTES: usize = 320;

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Milliseconds, of which the last has begun.
fn begun_ms(duration: Duration) -> u64 {
    duration.as_secs() * 1_000 + u64::from(duration.subsec_nanos().div_ceil(1_000_000))
}

/// Adds milliseconds with two digits behind the point between two texts, without the detour by way of a float.
fn push_ms(line: &mut String, before: &str, duration: Duration, after: &str) {
    let hundredths = duration.as_secs() * 100_000 + u64::from((duration.subsec_nanos() + 5_000) / 10_000);
    let point = if hundredths % 100 < 10 { ".0" } else { "." };
    push(line, before, hundredths / 100, point);
    push(line, "", hundredths % 100, after);
}

/// Adds a number between two texts. Every invocation has five, for which `write!` takes four times as long.
fn push(line: &mut String, before: &str, number: u64, after: &str) {
    line.extend([before, itoa::Buffer::new().format(number), after]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn lines(report: &Report<'_>) -> String {
        let mut lines = String::new();
        report.write(&mut lines);
        lines
    }

    #[test]
    fn a_report_reads_as_that_of_aws() {
        let mut report = Report {
            request_id: "i",
            init: Some(Duration::from_micros(1500)),
            restore: None,
            duration: Duration::from_micros(2004),
            memory_mb: 128,
            max_memory_mb: Some(7),
            status: &Status::Success,
        };
        assert_eq!(
            lines(&report),
            "END RequestId: i\nREPORT RequestId: i\tInit Duration: 1.50 ms\tDuration: 2.00 ms\tBilled Duration: 4 \
             ms\tMemory Size: 128 MB\tMax Memory Used: 7 MB\t\n"
        );
        report = Report { init: None, restore: Some(Duration::from_micros(2500)), max_memory_mb: None, ..report };
        let restored = lines(&report);
        let end =
            "Billed Duration: 5 ms\tMemory Size: 128 MB\tRestore Duration: 2.50 ms\tBilled Restore Duration: 3 ms\t\n";
        assert!(restored.ends_with(end), "{restored}");
        report.restore = None;
        let failed = Status::Failed(Failure::Exited(Exit::Code(1)));
        report = Report { status: &failed, ..report };
        assert_eq!(
            lines(&report),
            "END RequestId: i\nREPORT RequestId: i\tDuration: 2.00 ms\tBilled Duration: 3 ms\tMemory Size: 128 \
             MB\tStatus: error\tError Type: Runtime.ExitError\t\n"
        );
    }

    #[test]
    fn milliseconds_have_two_digits_behind_the_point_and_are_rounded() {
        for (nanoseconds, expected) in [
            (0, "0.00"),
            (4_999, "0.00"),
            (5_000, "0.01"),
            (1_994_999, "1.99"),
            (1_995_000, "2.00"),
            (3_000_050_000_000, "3000050.00"),
        ] {
            let mut line = String::new();
            push_ms(&mut line, "", Duration::from_nanos(nanoseconds), " ms");
            assert_eq!(line, format!("{expected} ms"));
        }
    }

    #[test]
    fn a_start_that_failed_is_reported_with_what_was_wrong() {
        let duration = Duration::from_micros(1250);
        assert_eq!(init(duration, None), "INIT_REPORT Init Duration: 1.25 ms\tPhase: init\n");
        assert!(init(duration, Some(TIMED_OUT)).ends_with("\tPhase: init\tStatus: timeout\n"));
        let crashed = init(duration, Some("Runtime.ExitError"));
        assert!(crashed.ends_with("\tStatus: error\tError Type: Runtime.ExitError\n"), "{crashed}");
        assert_eq!(restore(duration, None), "RESTORE_REPORT Restore Duration: 1.25 ms\n");
        assert!(restore(duration, Some(RESTORE_TIMED_OUT)).ends_with(" 1.25 ms\tStatus: timeout\n"));
        let failed = restore(duration, Some("Runtime.AfterRestoreError"));
        assert!(failed.ends_with("\tStatus: error\tError Type: Runtime.AfterRestoreError\n"), "{failed}");
    }
}
