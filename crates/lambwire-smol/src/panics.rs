//! Panics of a handler, as failures.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, set_hook, take_hook};
use std::pin::pin;
use std::sync::Once;

use lambwire::{Context, InvocationId, Link, Request, RequestId};
use smol::future::FutureExt;

use crate::runtime::Ahead;
use crate::{Error, Failure, Runtime};

thread_local! {
    /// What the last panic on this thread said.
    static SAID: Cell<Option<Failure>> = const { Cell::new(None) };

    /// Whom to tell of a panic that ends the process.
    static DUTY: RefCell<Option<Duty>> = const { RefCell::new(None) };
}

struct Duty {
    link: Link,
    /// The invocation that is being handled, by both its ids; `None` before the first.
    invocation: Option<(String, Option<Vec<u8>>)>,
}

/// Awaits what `act` says, and takes a panic on the way for a failure: of this invocation, or of the start.
pub(crate) async fn caught<T>(
    link: &Link,
    context: Option<&Context<'_>>,
    act: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
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
    if !cfg!(panic = "abort") {
        let unsaid = || Failure { error_type: PANIC.into(), message: "panicked".into() };
        let caught = AssertUnwindSafe(act).catch_unwind().await;
        return caught.unwrap_or_else(|_| Err(SAID.take().unwrap_or_else(unsaid)));
    }
    let mut act = pin!(act);
    // Other invocations have their turns on this thread between two polls.
    poll_fn(|cx| {
        DUTY.set(Some(Duty {
            link: link.clone(),
            invocation: context.map(|context| {
                let nonce = context.invocation_id.map(|id| id.as_bytes().to_vec());
                (context.request_id.as_str().to_owned(), nonce)
            }),
        }));
        let polled = act.as_mut().poll(cx);
        DUTY.set(None);
        polled
    })
    .await
}

/// Type of the report of a panic.
const PANIC: &str = "Function.Panic";

fn failure(info: &PanicHookInfo<'_>) -> Failure {
    let message = info.payload_as_str().unwrap_or("(no text)");
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    Failure { error_type: PANIC.into(), message: format!("panicked{place}: {message}") }
}

/// Tells of the panic on a connection of its own, since the other may be amid a message.
fn report_and_exit() {
    let (Some(failure), Some(duty)) = (SAID.take(), DUTY.take()) else { return };
    if let Err(error) = smol::block_on(report(&failure, duty)) {
        eprintln!("lambwire: {error}");
    }
    std::process::exit(101);
}

async fn report(failure: &Failure, Duty { link, invocation }: Duty) -> Result<(), Error> {
    let mut runtime = Runtime::open(link).await?;
    let Some((id, nonce)) = &invocation else {
        return runtime.report(&failure.report(), Request::InitError, Ahead::Nothing).await;
    };
    let mut context = Context::new(RequestId::new(id)?);
    context.invocation_id = nonce.as_deref().map(InvocationId::new).transpose()?;
    runtime.fail(&context, &failure.report(), Ahead::Nothing).await
}
