//! The signal that comes before the end.

use std::process::exit;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::{Error, Runtime};
use lambwire::RequestKind;

/// Has SIGTERM sent to this process before it is ended, which Lambda does for those that register as an extension, and
/// runs `finish` when it comes, on a thread of its own; then the process exits with 0. Lambda leaves it half a second.
///
/// To be called before the first event is asked for. Where the Runtime API at `api` has no extensions, as in some
/// emulators, the signal is waited for all the same.
///
/// # Errors
///
/// Those of [`Invocation::respond`](crate::Invocation::respond), and [`Error::Transport`] if the signal cannot be had.
pub fn on_sigterm(api: &str, finish: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let mut signals =
        Signals::new([SIGTERM]).map_err(|error| Error::Transport { request: RequestKind::Register, error })?;
    let mut runtime = Runtime::connect(api)?;
    runtime.register()?;
    std::thread::spawn(move || {
        signals.forever().next();
        finish();
        // The request for an event, which gets no reply, has to stand till here.
        drop(runtime);
        exit(0)
    });
    Ok(())
}
