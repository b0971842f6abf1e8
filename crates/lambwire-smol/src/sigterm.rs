//! The signal that comes before the end.

use async_signal::{Signal, Signals};
use lambwire::RequestKind;
use smol::stream::StreamExt;

use crate::socket::{drive, send};
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
    /// [`Error`]; it is [`Error::Transport`] if the signal cannot be had.
    pub async fn register(api: &str) -> Result<Self, Error> {
        let signals =
            Signals::new([Signal::Term]).map_err(|error| Error::Transport { request: RequestKind::Register, error })?;
        // Its connection is good for nothing else.
        let mut runtime = Runtime::connect(api).await?;
        let mut buf = Vec::new();
        let mut exchange = runtime.conversation.register(&mut buf)?;
        drive(&mut runtime.socket, &mut exchange).await;
        match exchange.reply() {
            Err(Error::Rejected(_)) => {}
            registered => send(&mut runtime.socket, runtime.conversation.extension_next(&registered?)).await?,
        }
        Ok(Self { signals, _runtime: runtime })
    }

    /// Waits for the signal. The process has to end by itself then, within half a second.
    pub async fn received(&mut self) {
        self.signals.next().await;
    }
}
