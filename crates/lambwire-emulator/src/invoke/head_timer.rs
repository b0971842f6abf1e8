//! The timer for the heads of a caller's requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// A timer of which one sleep is awaited at a time. hyper asks for another sleep with each request; this one is kept, since to
/// put it off takes a fraction of what it takes to arm one and to disarm it again.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer(Arc<Mutex<Pin<Box<time::Sleep>>>>);

impl HeadTimer {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::pin(time::sleep(Duration::ZERO)))))
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut time::Sleep>) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.with(|sleep| sleep.reset(deadline.into()));
        Box::pin(self.clone())
    }
}

impl Sleep for HeadTimer {}

impl Future for HeadTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.with(|sleep| sleep.poll(context))
    }
}
