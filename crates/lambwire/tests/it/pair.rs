//! Both ends back to back: what one sends, the other receives as the same value.

use lambwire::{Body, Client, Reply, RequestKind, Server, StreamError};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cuts::{Accepting, Stop, Transcript, feed, hear_cut};
use crate::strategies::{Answer, Asked, answer, asked, config, cuts, ends};

/// The two ends of one connection.
struct Pair {
    client: Client,
    server: Server,
}

impl Pair {
    fn new(prefix: &str) -> Self {
        let api = format!("http://127.0.0.1:9001{prefix}");
        Self { client: Client::new(&api).unwrap(), server: Server::at(&api).unwrap() }
    }

    /// One exchange, from a request that is sent to a reply that is received.
    #[track_caller]
    fn exchange(&mut self, asked: &Asked, answer: &Answer, cuts: &[Index]) {
        let mut wire = Vec::new();
        asked.send(&mut self.client, &mut wire);
        check_request(asked, &feed(&mut self.server, &wire, ends(cuts, wire.len())));
        let kind = asked.request().kind();
        assert_eq!(self.client.in_flight(), Some(kind));
        self.answer(kind, answer, cuts);
    }

    #[track_caller]
    fn answer(&mut self, kind: RequestKind, answer: &Answer, cuts: &[Index]) {
        let mut wire = Vec::new();
        answer.send(kind, &mut self.server, &mut wire);
        let mut heard = feed(&mut self.client, &wire, ends(cuts, wire.len()));
        if answer.framing(kind) == Body::UntilClose {
            assert_eq!(heard.stop, Ok(Stop::NeedInput));
            self.client.receive_eof().unwrap();
            let end = self.client.receive(b"").unwrap();
            let lambwire::Event::End { trailers } = end.event else { panic!("no end but {end:?}") };
            if let Some(message) = heard.messages.last_mut() {
                message.trailers = Some(trailers);
            }
            heard.stop = Ok(Stop::Paused);
        }
        check_reply(kind, answer, &heard);
    }
}

#[track_caller]
fn check_request(asked: &Asked, heard: &Transcript<'_, lambwire::Request<'_>>) {
    assert_eq!((heard.stop, heard.left, heard.interims), (Ok(Stop::Paused), 0, 0));
    let [request] = &heard.messages[..] else { panic!("{} requests", heard.messages.len()) };
    assert_eq!(request.head, asked.request());
    assert_eq!(request.framing, asked.framing());
    assert_eq!(request.body, asked.body());
    let mut out = [0; 1024];
    let error = StreamError::find(request.trailers.unwrap());
    let error = error.as_ref().map(|error| (error.error_type, error.report(&mut out).unwrap()));
    assert_eq!(error, asked.failure());
}

#[track_caller]
fn check_reply(kind: RequestKind, answer: &Answer, heard: &Transcript<'_, Reply<'_>>) {
    assert_eq!((heard.stop, heard.left, heard.interims), (Ok(Stop::Paused), 0, 0));
    let [reply] = &heard.messages[..] else { panic!("{} replies", heard.messages.len()) };
    assert_eq!(reply.head, answer.reply(kind));
    assert_eq!(reply.framing, answer.framing(kind));
    assert_eq!(reply.body, answer.body(kind));
    assert!(reply.trailers.is_some_and(|trailers| trailers.is_empty()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_one_end_sends_the_other_receives(
        exchanges in prop::collection::vec((asked(), answer(), cuts()), 1..5),
        prefix in prop::sample::select(&["", "/.rt", "/.rt/fn"][..]),
    ) {
        let mut pair = Pair::new(prefix);
        for (asked, answer, cuts) in &exchanges {
            pair.exchange(asked, answer, cuts);
            let survives = answer.framing(asked.request().kind()) != Body::UntilClose;
            prop_assert_eq!(pair.client.is_ready(), survives);
            prop_assert_eq!(pair.server.is_open(), survives);
            if !survives {
                pair = Pair::new(prefix);
            }
        }
    }

    #[test]
    fn next_is_asked_for_behind_an_answer_and_replies_come_in_order(
        first in asked().prop_filter("is no answer", |asked| matches!(asked.request().kind(), RequestKind::Response | RequestKind::Error)),
        replies in (answer(), answer()),
        cuts in cuts(),
    ) {
        prop_assume!(replies.0.framing(first.request().kind()) != Body::UntilClose);
        let Pair { mut client, server } = Pair::new("");
        let mut server = Accepting { server };
        let mut requests = Vec::new();
        first.send(&mut client, &mut requests);
        let first_len = requests.len();
        let mut out = [0; 512];
        let len = client.send(&lambwire::Request::Next, Body::Exact(0), &mut out).unwrap();
        requests.extend_from_slice(&out[..len]);

        // The second request waits in the input until the first is answered.
        let heard = feed(&mut server.server, &requests, ends(&cuts, requests.len()));
        prop_assert_eq!(heard.left, requests.len() - first_len);
        check_request(&first, &Transcript { left: 0, ..heard });
        let mut wire = Vec::new();
        replies.0.send(first.request().kind(), &mut server.server, &mut wire);
        let heard = feed(&mut server.server, &requests[first_len..], [len]);
        prop_assert_eq!(heard.messages[0].head, lambwire::Request::Next);
        let at = wire.len();
        replies.1.send(RequestKind::Next, &mut server.server, &mut wire);

        let heard = feed(&mut client, &wire[..at], ends(&cuts, at));
        prop_assert_eq!(client.in_flight(), Some(RequestKind::Next));
        check_reply(first.request().kind(), &replies.0, &Transcript { stop: Ok(Stop::Paused), ..heard });
        if replies.1.framing(RequestKind::Next) != Body::UntilClose {
            check_reply(RequestKind::Next, &replies.1, &feed(&mut client, &wire[at..], ends(&cuts, wire.len() - at)));
            prop_assert!(client.is_ready());
        }
    }

    #[test]
    fn what_is_sent_says_the_same_however_it_is_cut(mut asked in asked()) {
        // Every place in a long message takes a while; those are cut at random above.
        asked.pieces.iter_mut().for_each(|piece| piece.truncate(40));
        let mut wire = Vec::new();
        asked.send(&mut Pair::new("").client, &mut wire);
        let heard = hear_cut(&Accepting::default(), &wire);
        check_request(&asked, &Transcript { stop: Ok(Stop::Paused), ..heard });
    }
}
