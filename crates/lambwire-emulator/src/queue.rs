//! Where callers put their events: what is taken, and who waits for what comes of it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use lambwire::SendError;
use lambwire::limits::PAYLOAD_BYTES;
use tokio::sync::{mpsc, oneshot};

use crate::answer::{Answer, Outcome};
use crate::arn;
use crate::event::{Event, Invocation};
use crate::limits;

/// An event was not taken, or nothing will come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvokeError {
    /// There are [`CALLERS`](limits::CALLERS) already, or as many as the function's
    /// [reserved concurrency](crate::Emulator::reserved_concurrency) allows, or their events have
    /// [`CALLERS_BYTES`](limits::CALLERS_BYTES).
    Throttled,
    /// The event is larger than [`PAYLOAD_BYTES`](lambwire::limits::PAYLOAD_BYTES).
    EventTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Something that comes along with the event cannot be sent to a runtime.
    InvalidValue(SendError),
    /// The emulator has ended.
    Stopped,
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => f.write_str("as many invocations are waiting or under way as may be"),
            Self::EventTooLarge { bytes } => write!(f, "event of {bytes} bytes, limit is {PAYLOAD_BYTES}"),
            Self::InvalidValue(error) => error.fmt(f),
            Self::Stopped => f.write_str("the emulator has ended"),
        }
    }
}

impl Error for InvokeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidValue(error) => Some(error),
            _ => None,
        }
    }
}

/// What becomes of events that are handed in: those of the library come in by a channel, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    jobs: mpsc::UnboundedSender<Job>,
    taken: Arc<Taken>,
    region: Arc<str>,
    /// The version of the function.
    version: Arc<str>,
    function: Arc<str>,
    function_arn: Arc<str>,
    /// Most invocations whose callers wait.
    reserved: Option<usize>,
}

/// An invocation, and who waits for what comes of it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) caller: Caller,
    /// Held until the invocation is answered; an event that is retried has none.
    pub(crate) place: Option<Place>,
}

/// Who gets what comes of an invocation.
#[derive(Debug)]
pub(crate) enum Caller {
    /// Somebody who waits.
    Waits(oneshot::Sender<Answer>),
    /// Somebody who gets the body of a response as it comes, and then the rest.
    Streams(mpsc::Sender<Piece>, oneshot::Sender<Answer>),
    /// Nobody: the event is retried if it fails, and this is the try.
    Nobody {
        /// Which try it is, the first being 0.
        tries: usize,
    },
}

/// What of a streamed response goes to its caller.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Its media type, first, if the function says one.
    Type(String),
    Data(Bytes),
}

/// Where the body of a response goes that its caller gets as it comes.
#[derive(Debug)]
pub(crate) struct Outlet {
    pieces: mpsc::Sender<Piece>,
    /// Ends when the invocation is over, maybe before the response is.
    over: oneshot::Receiver<()>,
    is_over: bool,
}

impl Outlet {
    pub(crate) fn new(pieces: mpsc::Sender<Piece>, over: oneshot::Receiver<()>) -> Self {
        Self { pieces, over, is_over: false }
    }

    /// Hands on a piece as soon as the caller has room for it. It is thrown away if he has gone, or the invocation is over
    /// by then.
    pub(crate) async fn send(&mut self, piece: Piece) {
        if self.is_over {
            return;
        }
        tokio::select! {
            biased;
            _ = &mut self.over => self.is_over = true,
            _ = self.pieces.send(piece) => {}
        }
    }
}

/// The places that are taken, and how many bytes the events have that took them.
#[derive(Debug, Default)]
struct Taken {
    places: AtomicUsize,
    bytes: AtomicUsize,
}

/// One of so many places that are there for callers.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Taken>,
    bytes: usize,
}

impl Place {
    /// Takes one for an event of so many bytes, if there are not yet so many.
    fn take(taken: &Arc<Taken>, most: usize, bytes: usize) -> Option<Self> {
        let place = Self { taken: Arc::clone(taken), bytes };
        let places = taken.places.fetch_add(1, Ordering::Relaxed);
        let others = taken.bytes.fetch_add(bytes, Ordering::Relaxed);
        (places < most && others.saturating_add(bytes) <= limits::CALLERS_BYTES).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.places.fetch_sub(1, Ordering::Relaxed);
        self.taken.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An invocation that waits in the queue, or is under way.
#[derive(Debug)]
pub(crate) struct Submitted {
    answer: oneshot::Receiver<Answer>,
}

impl Submitted {
    pub(crate) async fn answer(self) -> Result<Answer, InvokeError> {
        self.answer.await.map_err(|_| InvokeError::Stopped)
    }

    pub(crate) fn answer_blocking(self) -> Result<Answer, InvokeError> {
        self.answer.blocking_recv().map_err(|_| InvokeError::Stopped)
    }
}

impl Callers {
    /// A way in, and the end at which the invocations come out. Events that name no function go to `function`.
    pub(crate) fn new(
        region: &str,
        function: &str,
        version: &str,
        reserved: Option<usize>,
    ) -> (Self, mpsc::UnboundedReceiver<Job>) {
        // The places bound it.
        let (jobs, received) = mpsc::unbounded_channel();
        let taken = Arc::default();
        let function_arn = arn::of(region, function).into();
        let (region, version, function) = (region.into(), version.into(), function.into());
        (Self { jobs, taken, region, version, function, function_arn, reserved }, received)
    }

    /// Makes a job of an event, if there is a place for it.
    pub(crate) fn job(&self, event: Event) -> Result<(Job, Submitted), InvokeError> {
        let (caller, answer) = oneshot::channel();
        let job = self.job_of(event, Caller::Waits(caller))?;
        Ok((job, Submitted { answer }))
    }

    /// The same for a caller who wants the response as it comes.
    pub(crate) fn streaming_job(&self, event: Event) -> Result<(Job, ResponseStream), InvokeError> {
        let (caller, answer) = oneshot::channel();
        let (sender, pieces) = mpsc::channel(limits::STREAM_PIECES);
        let job = self.job_of(event, Caller::Streams(sender, caller))?;
        let request_id = job.invocation.id().to_string();
        Ok((job, ResponseStream { request_id, pieces, content_type: None, answer, ended: None }))
    }

    /// The same for an event whose caller does not wait.
    pub(crate) fn event_job(&self, event: Event) -> Result<Job, InvokeError> {
        self.job_of(event, Caller::Nobody { tries: 0 })
    }

    fn job_of(&self, event: Event, caller: Caller) -> Result<Job, InvokeError> {
        let bytes = event.payload.len();
        if u64::try_from(bytes).is_ok_and(|bytes| bytes > PAYLOAD_BYTES) {
            return Err(InvokeError::EventTooLarge { bytes });
        }
        let version = Arc::clone(&self.version);
        let invocation = Invocation::new(event, &self.function_arn, version, now_ms());
        let invocation = Arc::new(invocation.map_err(InvokeError::InvalidValue)?);
        // An event may wait for reserved concurrency; a caller may not.
        let reserved = self.reserved.filter(|_| !matches!(caller, Caller::Nobody { .. }));
        let most = reserved.map_or(limits::CALLERS, |reserved| reserved.min(limits::CALLERS));
        let place = Place::take(&self.taken, most, bytes).ok_or(InvokeError::Throttled)?;
        Ok(Job { invocation, caller, place: Some(place) })
    }

    /// Hands in a job from whichever thread.
    pub(crate) fn send(&self, job: Job) -> Result<(), InvokeError> {
        self.jobs.send(job).map_err(|_| InvokeError::Stopped)
    }

    /// Hands in an event from whichever thread. It is carried out even if nobody waits for the answer.
    pub(crate) fn submit(&self, event: Event) -> Result<Submitted, InvokeError> {
        let (job, submitted) = self.job(event)?;
        self.send(job)?;
        Ok(submitted)
    }

    /// The same for a caller who wants the response as it comes.
    pub(crate) fn submit_streaming(&self, event: Event) -> Result<ResponseStream, InvokeError> {
        let (job, stream) = self.streaming_job(event)?;
        self.send(job)?;
        Ok(stream)
    }

    /// Whether it is reserved concurrency that throttles.
    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.is_some()
    }

    /// The name of the function for one in a path: AWS's emulator calls every function `function`.
    pub(crate) fn name_of<'n>(&'n self, function: Cow<'n, str>) -> Cow<'n, str> {
        if function == "function" { Cow::Borrowed(&*self.function) } else { function }
    }

    /// The name of the function.
    pub(crate) fn function(&self) -> &str {
        &self.function
    }

    /// The version of the function.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The region in which functions are that are named without one.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }
}

/// A response that is received as the function sends it.
#[derive(Debug)]
pub struct ResponseStream {
    request_id: String,
    pieces: mpsc::Receiver<Piece>,
    content_type: Option<String>,
    answer: oneshot::Receiver<Answer>,
    ended: Option<Answer>,
}

impl ResponseStream {
    /// The id that the invocation has.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The media type of the body, if the function has said one; known when the first piece has come.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next piece of the body; `None` at its end. The function waits for whoever does not ask.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        self.next_piece().await.map(|piece| piece.to_vec())
    }

    pub(crate) async fn next_piece(&mut self) -> Option<Bytes> {
        poll_fn(|context| self.poll_piece(context)).await
    }

    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while let Poll::Ready(Some(piece)) = self.pieces.poll_recv(context) {
            match piece {
                Piece::Type(content_type) => self.content_type = Some(content_type),
                Piece::Data(data) => return Poll::Ready(Some(data)),
            }
        }
        if self.ended.is_none() {
            match Pin::new(&mut self.answer).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => self.ended = answer.ok(),
            }
        }
        // All of it was sent before the answer was.
        Poll::Ready(loop {
            match self.pieces.try_recv() {
                Ok(Piece::Type(content_type)) => self.content_type = Some(content_type),
                Ok(Piece::Data(data)) => break Some(data),
                Err(_) => break None,
            }
        })
    }

    /// What else came of the invocation, after the body: its own is empty, but for the report of a failure. Pieces that
    /// have not been asked for are lost.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Stopped`]
    pub async fn answer(mut self) -> Result<Answer, InvokeError> {
        while self.next_piece().await.is_some() {}
        self.ended.ok_or(InvokeError::Stopped)
    }

    /// How the invocation went, once the body has ended; `None` if the emulator has ended before.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().map(|answer| answer.outcome)
    }

    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.ended.take()
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_wait_have_so_many_bytes_at_most() {
        let taken = Arc::default();
        let first = Place::take(&taken, 3, limits::CALLERS_BYTES - 2);
        assert!(first.is_some());
        for (bytes, is_taken) in [(1, true), (2, true), (3, false)] {
            assert_eq!(Place::take(&taken, 3, bytes).is_some(), is_taken, "{bytes}");
        }
        drop(first);
        assert!(Place::take(&taken, 3, limits::CALLERS_BYTES).is_some());
        assert!(Place::take(&taken, 3, limits::CALLERS_BYTES + 1).is_none());
    }
}
