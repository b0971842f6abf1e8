//! The page for eyes, and what it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::Service;
use super::reply::{self, Exception, Reply, ReplyBody};
use crate::limits;
use crate::page::{Feed, HTML};

/// Only what is written into the page is run, and it speaks to nobody else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

/// The reply to a request for the page; `None` if it is for something else.
pub(super) fn answer(head: &Parts, service: &Service) -> Option<Result<Reply, Exception>> {
    let path = head.uri.path();
    if head.method != Method::GET || !matches!(path, "/" | "/page/invocations") {
        return None;
    }
    // A name that leads here does not make it the page of somebody else.
    let allowed = service.options.gate.check_page(&head.headers);
    Some(allowed.map(|()| if path == "/" { html() } else { invocations(&service.options.feeds) }))
}

fn html() -> Reply {
    let mut reply = reply::reply(StatusCode::OK, HTML.as_bytes().to_vec());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Events of what happens, as browsers take them (WHATWG, "Server-sent events").
fn invocations(feeds: &[Arc<Feed>]) -> Reply {
    let (sender, receiver) = mpsc::channel(limits::PAGE_MESSAGES);
    for feed in feeds {
        let (recent, mut following) = feed.look();
        let sender = sender.clone();
        spawn_local(async move {
            for shown in recent {
                if sender.send(message(&shown)).await.is_err() {
                    return;
                }
            }
            loop {
                let shown = tokio::select! {
                    shown = following.recv() => shown,
                    () = sender.closed() => return,
                };
                match shown {
                    Ok(shown) => {
                        if sender.send(message(&shown)).await.is_err() {
                            return;
                        }
                    }
                    // Who does not keep up misses some.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
    let mut reply = Response::new(ReplyBody::Page(Messages(receiver)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn message(shown: &str) -> Bytes {
    format!("data: {shown}\n\n").into()
}

/// What is sent of invocations, for as long as somebody looks.
pub(super) struct Messages(mpsc::Receiver<Bytes>);

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}
