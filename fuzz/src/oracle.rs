//! Another reader, hyper, and where it may be of another opinion.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::rt::{Read, ReadBufCursor, Write};
use lambwire::limits::HEADERS;
use lambwire::{Headers, ReceiveError, Reply, Request};

use crate::cuts::{Heard, Stop};

/// A whole message, as either reader has it.
#[derive(Debug)]
pub(crate) struct Said {
    /// Method of a request or status of a reply. Where it is `None`, it is one of several that mean the same here.
    first: Option<String>,
    /// Target of a request that is unknown here.
    target: Option<String>,
    /// Names in lower case, sorted; those of one name in the order in which they came.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

impl Said {
    pub(crate) fn reply(heard: &Heard<'_, Reply<'_>>) -> Option<Self> {
        let first = if let Reply::Rejected { status } = heard.head { Some(status.to_string()) } else { None };
        Self::whole(first, None, heard)
    }

    pub(crate) fn request(heard: &Heard<'_, Request<'_>>) -> Option<Self> {
        let (method, target) = match heard.head {
            Request::Other { method, target } => (method, Some(target.to_owned())),
            Request::Next | Request::RestoreNext | Request::ExtensionNext { .. } => ("GET", None),
            _ => ("POST", None),
        };
        Self::whole(Some(method.to_owned()), target, heard)
    }

    fn whole<H>(first: Option<String>, target: Option<String>, heard: &Heard<'_, H>) -> Option<Self> {
        let (headers, trailers) = (ours(heard.headers), ours(heard.trailers?));
        Some(Self { first, target, headers, body: heard.body.clone(), trailers })
    }
}

fn ours(headers: Headers<'_>) -> Vec<(String, Vec<u8>)> {
    sorted(headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec())).collect())
}

fn theirs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    sorted(headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect())
}

fn sorted(mut headers: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    headers
}

/// Checks that both readers took the same messages, but for what one of them does not take by intent.
#[track_caller]
pub(crate) fn check(ours: &[Said], stop: Result<Stop, ReceiveError>, theirs: &[Said], wire: &[u8]) {
    for (our, their) in ours.iter().zip(theirs) {
        assert!(our.first.is_none() || our.first == their.first, "{our:?} is not {their:?}");
        assert_eq!((&our.headers, &our.body), (&their.headers, &their.body));
        assert_eq!(our.trailers, their.trailers);
    }
    if theirs.len() > ours.len() {
        let error = stop.expect_err("hyper takes what is not whole here");
        assert!(is_stricter(error, wire), "hyper takes what is refused here: {error:?}");
    }
    if let Some(our) = ours.get(theirs.len()) {
        assert!(is_refused_by_hyper(our), "hyper refuses what is taken here: {our:?}");
    }
}

/// Where this crate is stricter: what hyper takes, it may refuse with these.
fn is_stricter(error: ReceiveError, wire: &[u8]) -> bool {
    use ReceiveError::*;
    match error {
        // hyper takes a line feed for the end of a line.
        BareLineFeed => true,
        // It takes two equal lengths, and passes over one beside chunks.
        TwoLengths => true,
        // It asks for no host.
        BadHost => true,
        // It takes equal lengths in one list.
        BadLength => true,
        // It looks at the last coding only, and for a reply at none.
        BadTransferEncoding => true,
        // It takes space around a chunk's size, and any byte in an extension.
        BadChunkLine => true,
        // It takes statuses up to 999.
        BadStatus(_) => true,
        TooManyInterims => true,
        // It takes trailers about framing.
        BadTrailer => true,
        // It knows nothing of the Runtime API.
        NoRequestId | BadRequestId | TwoRequestIds | NoExtensionId => true,
        // It passes over empty lines before a message.
        BadFirstLine => wire.windows(2).any(|window| window == b"\r\n" || window == b"\n\n"),
        // The bytes behind the first reply.
        Unsolicited => true,
        _ => false,
    }
}

/// Where hyper is stricter: it takes no target that is not a URI, while here it is an unknown path. A request to switch
/// protocols, or to be a tunnel, it hands to the service with the rest of the connection.
fn is_refused_by_hyper(our: &Said) -> bool {
    let is_switch = our.first.as_deref() == Some("CONNECT") || our.headers.iter().any(|(name, _)| name == "upgrade");
    is_switch || our.target.as_ref().is_some_and(|target| target.parse::<hyper::Uri>().is_err())
}

/// The requests that hyper takes.
pub(crate) fn requests(wire: &[u8]) -> Vec<Said> {
    let said = Rc::new(RefCell::new(Vec::new()));
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let said = Rc::clone(&said);
        async move {
            let (parts, body) = request.into_parts();
            if let Some(message) = collect(parts.method.to_string(), &parts.headers, body).await {
                said.borrow_mut().push(message);
            }
            let mut reply = hyper::Response::new(Empty::<Bytes>::new());
            *reply.status_mut() = hyper::StatusCode::ACCEPTED;
            Ok::<_, Infallible>(reply)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .max_headers(HEADERS)
        .serve_connection(Wire::new(wire, true), service);
    run(connection);
    said.take()
}

/// The first reply that hyper takes, if it takes one.
pub(crate) fn replies(wire: &[u8]) -> Vec<Said> {
    run(async {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(HEADERS)
            .handshake(Wire::new(wire, false))
            .await
            .ok()?;
        let request = hyper::Request::post("/").body(Empty::<Bytes>::new()).ok()?;
        let asking = async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            collect(parts.status.as_u16().to_string(), &parts.headers, body).await
        };
        let mut connection = pin!(connection);
        let mut asking = pin!(asking);
        std::future::poll_fn(|context| {
            let _ = connection.as_mut().poll(context);
            asking.as_mut().poll(context)
        })
        .await
    })
    .flatten()
    .into_iter()
    .collect()
}

async fn collect(first: String, headers: &HeaderMap, body: Incoming) -> Option<Said> {
    let headers = theirs(headers);
    let body = body.collect().await.ok()?;
    let trailers = body.trailers().map(theirs).unwrap_or_default();
    Some(Said { first: Some(first), target: None, headers, body: body.to_bytes().to_vec(), trailers })
}

/// Polls a future to its end; `None` if it waits for something that will not come.
fn run<F: Future>(future: F) -> Option<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
    }
    None
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection on which everything has arrived; to a client, as soon as it has asked.
struct Wire {
    input: VecDeque<u8>,
    is_open: bool,
}

impl Wire {
    fn new(wire: &[u8], is_open: bool) -> Self {
        Self { input: wire.to_vec().into(), is_open }
    }
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.is_open {
            return Poll::Pending;
        }
        let len = to.remaining().min(self.input.len());
        to.put_slice(&self.input.make_contiguous()[..len]);
        self.input.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_open {
            self.is_open = true;
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
