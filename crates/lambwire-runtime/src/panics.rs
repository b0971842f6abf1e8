//! Panics of a handler, as failures.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use lambwire::{Context, Endpoint, InvocationId, Pipelining, Request, RequestId, RequestKind, SendError};

use crate::conversation::unsendable;
use crate::{Conversation, Error, Exchange, Failure};

thread_local! {
    /// What the last panic on this thread said.
    static SAID: Cell<Option<Failure>> = const { Cell::new(None) };

    /// Where to report a panic that ends the process.
    static DUTY: RefCell<Option<Duty>> = const { RefCell::new(None) };
}

/// What is to be done about a panic that ends the process.
#[derive(Clone, Debug)]
pub struct Duty {
    endpoint: Endpoint,
    /// Both ids of the invocation that is being handled; `None` before the first.
    invocation: Option<(String, Option<Vec<u8>>)>,
    send: SendAlone,
}

/// Sends a request on a connection of its own, and waits for the reply.
pub type SendAlone = fn(Result<Exchange<'_, '_>, Error>) -> Result<(), Error>;

impl Duty {
    /// To report a panic in this invocation, or before the first, to the Runtime API at `endpoint`, on a connection of its
    /// own, since the other may be amid a message.
    pub fn new(endpoint: &Endpoint, context: Option<&Context<'_>>, send: SendAlone) -> Self {
        let nonce = |context: &Context<'_>| context.invocation_id.map(|id| id.as_bytes().to_vec());
        let invocation = context.map(|context| (context.request_id.to_string(), nonce(context)));
        Self { endpoint: endpoint.clone(), invocation, send }
    }

    fn report(&self, failure: &Failure) -> Result<(), Error> {
        let mut conversation = Conversation::at(self.endpoint.clone());
        (self.send)(match &self.invocation {
            None => conversation.report(&failure.report(), Request::InitError, Pipelining::Off),
            Some((request_id, nonce)) => {
                let context = context(request_id, nonce.as_deref()).map_err(unsendable(RequestKind::Error))?;
                conversation.fail(&context, &failure.report(), Pipelining::Off)
            }
        })
    }
}

/// The context of the invocation with these ids.
fn context<'a>(request_id: &'a str, nonce: Option<&'a [u8]>) -> Result<Context<'a>, SendError> {
    let mut context = Context::new(RequestId::new(request_id)?);
    context.invocation_id = nonce.map(InvocationId::new).transpose()?;
    Ok(context)
}

/// Does what `act` says, and takes a panic on the way for a failure.
///
/// A hook for panics, which calls the one before it, is set for the process. Where a panic ends the process
/// (`panic = "abort"`), the hook itself does what `duty` says, and exits with 101.
///
/// # Errors
///
/// [`Failure`] of `act`, or of a panic on the way.
pub fn catch<V>(duty: impl FnOnce() -> Duty, act: impl FnOnce() -> Result<V, Failure>) -> Result<V, Failure> {
    watch();
    if !cfg!(panic = "abort") {
        let unsaid = || Failure::new(PANIC, "panicked");
        return catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(SAID.take().unwrap_or_else(unsaid)));
    }
    DUTY.set(Some(duty()));
    let value = act();
    DUTY.set(None);
    value
}

/// Sets the hook that notes what a panic says, once.
fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            before(info);
            SAID.set(Some(failure(info)));
            if cfg!(panic = "abort") {
                report_and_exit();
            }
        }));
    });
}

/// Type of the report of a panic.
const PANIC: &str = "Function.Panic";

fn failure(info: &PanicHookInfo<'_>) -> Failure {
    let payload = info.payload();
    let formatted = || payload.downcast_ref().map(String::as_str);
    let message = payload.downcast_ref().copied().or_else(formatted).unwrap_or("(no text)");
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    Failure::new(PANIC, format!("panicked{place}: {message}"))
}

fn report_and_exit() {
    let (Some(failure), Some(duty)) = (SAID.take(), DUTY.take()) else { return };
    if let Err(error) = duty.report(&failure) {
        eprintln!("lambwire: {error:#}");
    }
    std::process::exit(101);
}
