//! How a process ended, in words.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::shutdown;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(ExitStatus);

impl Exit {
    /// From a status as `wait` gives it.
    pub(crate) fn from_wait(status: i32) -> Self {
        Self(ExitStatus::from_raw(status))
    }

    pub(crate) fn is_success(self) -> bool {
        self.0.success()
    }

    /// The status that it has exited with; `None` if it was killed.
    pub(crate) fn code(self) -> Option<u8> {
        self.0.code().and_then(|code| u8::try_from(code).ok())
    }

    /// The signal that has killed it, if one has.
    pub(crate) fn signal(self) -> Option<i32> {
        self.0.signal()
    }

    /// Whether the status is that of a dynamic loader which has not found a library. A shell that has not found a
    /// program ends with it, too.
    pub(crate) fn is_not_found(self) -> bool {
        self.0.code() == Some(127)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.0.signal() else {
            return write!(f, "exited with status {}", self.0.code().unwrap_or_default());
        };
        write!(f, "was killed by signal {number}")?;
        match signal_name(number) {
            // At the end, it is this process that sends it.
            Some("SIGKILL") if !shutdown::is_ending() => {
                f.write_str(" (SIGKILL, which the kernel sends when memory runs out)")
            }
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// The numbers are those that POSIX has fixed, and some of Linux.
pub(crate) fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_said_in_words() {
        for (status, expected) in [
            (0, "exited with status 0"),
            (0x0300, "exited with status 3"),
            (9, "was killed by signal 9 (SIGKILL, which the kernel sends when memory runs out)"),
            (0x80 | 11, "was killed by signal 11 (SIGSEGV)"),
            (40, "was killed by signal 40"),
        ] {
            assert_eq!(Exit::from_wait(status).to_string(), expected);
        }
        assert!(Exit::from_wait(0).is_success() && !Exit::from_wait(9).is_success());
        assert!(Exit::from_wait(127 << 8).is_not_found() && !Exit::from_wait(127).is_not_found());
    }
}
