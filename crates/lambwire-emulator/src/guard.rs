//! What ends the processes of an emulator that has no time to do so, as it is killed: another process, which waits for the
//! end of a pipe. Where there is no `/proc` to find them by, nobody does.

use std::env;
use std::io::{self, Read, stdin};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::process;

/// Makes a process the guard: how the marks begin of those that it is to end. Programs do not see it.
const VARIABLE: &str = "_LAMBWIRE_GUARD";

/// A process that ends what this one has started, when this one has ended.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Is the guard, if this process was started as one, until the other has ended. Whether it was.
    pub fn run() -> bool {
        let Ok(family) = env::var(VARIABLE) else { return false };
        // Whatever the reason, there is nobody at the other end.
        let _ = stdin().read_to_end(&mut Vec::new());
        process::kill_family(&family);
        true
    }

    /// Starts this program again as the guard.
    ///
    /// # Errors
    ///
    /// Those of starting it, as where there is no `/proc`.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("lambwire-emulator").env(VARIABLE, process::family_mark());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Signals of the terminal are not for it.
        command.process_group(0).spawn().map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error if it has been waited for already, as orphans are: its number may be another's.
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
