//! How a process ended, in the words of AWS.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By a signal.
    Signal { number: i32, core_dumped: bool },
    /// Its status is lost.
    Unknown,
}

impl Exit {
    /// The status alone.
    pub(crate) fn status(self) -> String {
        match self {
            Self::Code(0) | Self::Unknown => "exit status 0".to_owned(),
            exit => exit.to_string().trim_start_matches("Runtime exited with error: ").to_owned(),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(number)) => Self::Signal { number, core_dumped: status.core_dumped() },
            (None, None) => Self::Unknown,
        }
    }
}

/// The sentence of AWS's emulator, which has the words for the status from Go's `os.ProcessState`.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(0) | Self::Unknown => f.write_str("Runtime exited without providing a reason"),
            Self::Code(code) => write!(f, "Runtime exited with error: exit status {code}"),
            Self::Signal { number, core_dumped } => {
                f.write_str("Runtime exited with error: signal: ")?;
                match signal_name(number) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "signal {number}")?,
                }
                f.write_str(if core_dumped { " (core dumped)" } else { "" })
            }
        }
    }
}

/// What Go calls a signal. The numbers are those that POSIX has fixed, and SIGBUS of Linux.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_said_in_the_words_of_aws() {
        for (wait_status, expected) in [
            (0, "Runtime exited without providing a reason"),
            (0x0300, "Runtime exited with error: exit status 3"),
            (9, "Runtime exited with error: signal: killed"),
            (0x80 | 11, "Runtime exited with error: signal: segmentation fault (core dumped)"),
            (40, "Runtime exited with error: signal: signal 40"),
        ] {
            assert_eq!(Exit::from(ExitStatus::from_raw(wait_status)).to_string(), expected);
        }
    }
}
