//! Panics of a handler, as failures.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

use lambwire::{Context, InvocationId, Link, RequestId};

use crate::line::Ahead;
use crate::{Error, Failure, Runtime, Transport};

thread_local! {
    /// What the last panic on this thread said.
    static SAID: Cell<Option<Failure>> = const { Cell::new(None) };

    /// Whom to tell of a panic that ends the process.
    static DUTY: RefCell<Option<Duty>> = const { RefCell::new(None) };
}

struct Duty {
    report: fn(&Failure, Self) -> Result<(), Error>,
    link: Link,
    /// The invocation that is being handled, by both its ids; `None` before the first.
    invocation: Option<(String, Option<Vec<u8>>)>,
}

impl<T: Transport> Runtime<T> {
    /// Awaits what `act` says, and takes a panic on the way for a failure: of this invocation, or of the start.
    pub(crate) async fn caught<V>(
        &self,
        context: Option<&Context<'_>>,
        act: impl Future<Output = Result<V, Failure>>,
    ) -> Result<V, Failure> {
        watch();
        let mut act = pin!(act);
        // Other invocations have their turns on this thread between two polls.
        poll_fn(|cx| {
            if !cfg!(panic = "abort") {
                let unsaid = || Failure { error_type: PANIC.into(), message: "panicked".into() };
                return catch_unwind(AssertUnwindSafe(|| act.as_mut().poll(cx)))
                    .unwrap_or_else(|_| Poll::Ready(Err(SAID.take().unwrap_or_else(unsaid))));
            }
            DUTY.set(Some(self.duty(context)));
            let polled = act.as_mut().poll(cx);
            DUTY.set(None);
            polled
        })
        .await
    }

    fn duty(&self, context: Option<&Context<'_>>) -> Duty {
        let invocation = context.map(|context| {
            let nonce = context.invocation_id.map(|id| id.as_bytes().to_vec());
            (context.request_id.as_str().to_owned(), nonce)
        });
        Duty {
            report: |failure, duty| T::block_on(report::<T>(failure, duty)),
            link: self.line.link.clone(),
            invocation,
        }
    }
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
    let message = info.payload_as_str().unwrap_or("(no text)");
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    Failure { error_type: PANIC.into(), message: format!("panicked{place}: {message}") }
}

/// Tells of the panic on a connection of its own, since the other may be amid a message.
fn report_and_exit() {
    let (Some(failure), Some(duty)) = (SAID.take(), DUTY.take()) else { return };
    if let Err(error) = (duty.report)(&failure, duty) {
        eprintln!("lambwire: {error}");
    }
    std::process::exit(101);
}

async fn report<T: Transport>(failure: &Failure, Duty { link, invocation, .. }: Duty) -> Result<(), Error> {
    let mut runtime = Runtime::<T>::open(link).await?;
    let Some((id, nonce)) = &invocation else {
        return runtime.init_error(&failure.report()).await;
    };
    let mut context = Context::new(RequestId::new(id)?);
    context.invocation_id = nonce.as_deref().map(InvocationId::new).transpose()?;
    let told = runtime.fail(&context, &failure.report(), Ahead::Nothing).await;
    runtime.told(told)
}
