//! Connections of callers: who is let in, served, and sent away.

use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::sleep;

use super::body::RequestBody;
use super::head_timer::HeadTimer;
use super::rie::InFlight;
use super::socket::Socket;
use super::{Face, Options, Service};
use crate::fleet::Fleet;
use crate::limits;
use crate::queue::Callers;
use crate::running::Phase;

/// Takes connections from callers until no more events are taken, and waits for the connections to end.
pub(crate) async fn listen(
    listener: TcpListener,
    callers: Callers,
    fleet: Rc<Fleet>,
    face: Face,
    options: Rc<Options>,
    mut phases: watch::Receiver<Phase>,
) {
    let service = Rc::new(Service { callers, fleet, face, options, in_flight: InFlight::default() });
    let mut connections = JoinSet::new();
    let mut guests = Guests::default();
    loop {
        if connections.len() >= limits::CALLER_CONNECTIONS {
            guests.send_away();
        }
        let accepted = tokio::select! {
            biased;
            () = Phase::finishing(&mut phases) => break,
            _ = connections.join_next(), if connections.len() >= limits::CALLER_CONNECTIONS => continue,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, caller)) => {
                let (guest, service, phases) = (Rc::<Guest>::default(), Rc::clone(&service), phases.clone());
                let task = connections.spawn_local(serve(stream, caller.ip(), Rc::clone(&guest), service, phases));
                guests.welcome(&guest, task);
            }
            // There are no more descriptors, perhaps.
            Err(_) if guests.send_away() => yield_now().await,
            Err(error) => {
                log::warn!("a caller cannot connect: {error}");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Connections on which nobody has asked for anything: they have to go when there is no room for others.
#[derive(Default)]
struct Guests(VecDeque<Weak<Guest>>);

#[derive(Default)]
pub(super) struct Guest {
    has_spoken: Cell<bool>,
    /// There may be more to come of what it has begun to send.
    pub(super) is_midway: Cell<bool>,
    /// What serves it.
    task: OnceCell<AbortHandle>,
}

impl Guests {
    fn welcome(&mut self, guest: &Rc<Guest>, task: AbortHandle) {
        // Those who have spoken, or gone, are none any more.
        let is_silent = |guest: &Weak<Guest>| guest.upgrade().is_some_and(|guest| !guest.has_spoken.get());
        while self.0.front().is_some_and(|guest| !is_silent(guest)) {
            self.0.pop_front();
        }
        guest.task.get_or_init(|| task);
        self.0.push_back(Rc::downgrade(guest));
    }

    /// Sends away the one who has been silent for longest. Returns whether there was one.
    fn send_away(&mut self) -> bool {
        let silent = std::iter::from_fn(|| self.0.pop_front()).filter_map(|guest| guest.upgrade());
        let silent = silent.into_iter().find(|guest| !guest.has_spoken.get());
        silent.inspect(|guest| guest.task.get().into_iter().for_each(AbortHandle::abort)).is_some()
    }
}

async fn serve(
    stream: TcpStream,
    caller: IpAddr,
    guest: Rc<Guest>,
    service: Rc<Service>,
    mut phases: watch::Receiver<Phase>,
) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let answering = service_fn(|request: Request<Incoming>| {
        guest.has_spoken.set(true);
        let (service, guest) = (Rc::clone(&service), Rc::clone(&guest));
        async move {
            let (mut head, incoming) = request.into_parts();
            let mut body = RequestBody::new(incoming, &head.headers);
            let mut reply = service.reply(&mut head, &mut body, caller).await;
            if body.finish().await {
                guest.is_midway.set(false);
            } else {
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(reply)
        }
    });
    // A caller who has nothing more to say may close that half, and still waits for the answer.
    let connection = http1::Builder::new()
        .half_close(true)
        .timer(HeadTimer::new())
        .header_read_timeout(limits::HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(Socket::new(stream, Rc::clone(&guest))), answering);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        // The reply that is due is the last.
        () = Phase::finishing(&mut phases) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match result {
        // hyper has refused it itself, with 400 or 431 and without a text.
        Err(error) if error.is_parse() => log::warn!("a caller sends what is no request of HTTP/1.1: {error}"),
        Err(error) => log::debug!("a connection of a caller is lost: {error}"),
        Ok(()) => {}
    }
}
