//! The signal that comes before the end.

use async_signal::{Signal, Signals};
use lambwire::RequestKind;
use smol::stream::StreamExt;

use crate::{Error, Runtime};

/// Has SIGTERM sent to this process before it is ended, which Lambda does for those that register as an extension.
///
/// To be had before the first event is asked for, and kept until the end.
#[derive(Debug)]
pub struct Sigterm {
    signals: Signals,
    /// Here stands the request for an event, which gets no reply.
    _runtime: Runtime,
}

impl Sigterm {
    /// Registers with the Runtime API at `api`. Where that has no extensions, as in some emulators, the signal can be
    /// waited for all the same.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::respond`](crate::Invocation::respond), and [`Error::Transport`] if the signal cannot be had.
    pub async fn register(api: &str) -> Result<Self, Error> {
        let signals =
            Signals::new([Signal::Term]).map_err(|error| Error::Transport { request: RequestKind::Register, error })?;
        let mut runtime = Runtime::connect(api).await?;
        runtime.register().await?;
        Ok(Self { signals, _runtime: runtime })
    }

    /// Waits for the signal. The process has to end by itself then, within half a second.
    pub async fn received(&mut self) {
        self.signals.next().await;
    }
}
