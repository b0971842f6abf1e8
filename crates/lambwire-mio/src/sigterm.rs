//! The signal that comes before the end.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::thread;

use lambwire::RequestKind;
use signal_hook::consts::SIGTERM;
use signal_hook::low_level;

use crate::socket::{drive, send};
use crate::{Error, Runtime};

/// Has SIGTERM sent to this process before it is ended, which Lambda does for those that register as an extension, and
/// runs `finish` when it comes, on a thread of its own; then the process exits with 0. Lambda leaves it half a second.
///
/// To be called before the first event is asked for. Where the Runtime API at `api` has no extensions, as in some
/// emulators, the signal is waited for all the same.
///
/// # Errors
///
/// [`Error`]; it is [`Error::Transport`] if the signal cannot be had.
pub fn on_sigterm(api: &str, finish: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let cannot = |error| Error::Transport { request: RequestKind::Register, error };
    let (mut heard, bell) = UnixStream::pair().map_err(cannot)?;
    low_level::pipe::register(SIGTERM, bell).map_err(cannot)?;
    // Its connection is good for nothing else.
    let mut runtime = Runtime::connect(api)?;
    let mut buf = Vec::new();
    let mut exchange = runtime.conversation.register(&mut buf)?;
    drive(&mut runtime.socket, &mut exchange, |_| ());
    match exchange.reply() {
        Err(Error::Rejected(_)) => {}
        registered => send(&mut runtime.socket, runtime.conversation.extension_next(&registered?))?,
    }
    let wait = move || {
        // The signal writes a byte. The other end stays open.
        let _ = heard.read_exact(&mut [0]);
        finish();
        // The request for an event, which gets no reply, has to stand till here.
        drop(runtime);
        exit(0)
    };
    thread::Builder::new().spawn(wait).map_err(cannot)?;
    Ok(())
}
