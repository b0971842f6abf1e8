//! Many invocations at a time, on one thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lambwire_smol::lambwire::{ApiError, Context};
use lambwire_smol::{Error, Failure, Response, serve_concurrent};
use smol::lock::Barrier;
use smol::{block_on, channel, stream};

use crate::peer::{ID, Peer, with_script};

#[test]
fn four_invocations_run_at_a_time_and_each_has_its_own_answer() {
    const ROUNDS: usize = 3;
    let events = |round| [0, 1, 2, 3].map(|number| format!("event {round}.{number}").into_bytes());
    let (api, peer) = with_script(move |listener| {
        let mut peers = [(); 4].map(|()| Peer::accept(listener));
        let answers: Vec<Vec<_>> = (0..ROUNDS)
            .map(|round| {
                for (peer, event) in peers.iter_mut().zip(events(round)) {
                    peer.invoke(&event);
                }
                // The last that was asked is the first to be answered.
                let mut answers: Vec<_> = peers.iter_mut().rev().map(|peer| peer.take_answer().1).collect();
                answers.reverse();
                answers
            })
            .collect();
        let [first, others @ ..] = &mut peers;
        first.refuse(ApiError::InternalServerError);
        others.iter_mut().for_each(|peer| assert_eq!(peer.request().0, "next"));
        peers.into_iter().for_each(Peer::closed);
        answers
    });
    let (barrier, running, most) = (Barrier::new(4), Cell::new(0), Cell::new(0));
    let error = block_on(serve_concurrent(
        &api,
        4,
        async |event, context| {
            running.set(running.get() + 1);
            most.set(running.get().max(most.get()));
            // No handler goes on before all four have begun.
            barrier.wait().await;
            running.set(running.get() - 1);
            Ok([event, b" of ", context.request_id.as_str().as_bytes()].concat().into())
        },
        |_, error| panic!("{error}"),
    ));
    assert!(error.to_string().starts_with("next refused with status 500"), "{error}");
    assert_eq!((running.get(), most.get()), (0, 4));
    let answers = peer.join().unwrap();
    for (round, answers) in answers.into_iter().enumerate() {
        assert_eq!(answers, events(round).map(|event| [&event, &b" of "[..], ID.as_bytes()].concat()));
    }
}

#[test]
fn failures_are_reported_and_refusals_observed_as_the_loop_goes_on() {
    let (api, peer) = with_script(|listener| {
        let mut peer = Peer::accept(listener);
        let failures = ["named", "of another kind"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer()
        });
        peer.invoke(b"refused");
        peer.refuse(ApiError::InvokeTimeout);
        peer.invoke(b"fatal");
        peer.refuse(ApiError::InternalServerError);
        peer.closed();
        failures
    });
    let observed = Cell::new(0);
    let observe = |context: &Context<'_>, error: &Error| {
        assert_eq!(context.request_id.as_str(), ID);
        assert!(error.to_string().starts_with("response refused with status 410"), "{error}");
        observed.set(observed.get() + 1);
    };
    let error = block_on(serve_concurrent(
        &api,
        0,
        async |event, _| match event {
            b"named" => Err(Failure::new("Function.Named", "m")),
            b"of another kind" => Err("x".parse::<u8>().unwrap_err().into()),
            event => Ok(event.into()),
        },
        observe,
    ));
    assert!(error.to_string().starts_with("response refused with status 500"), "{error}");
    assert_eq!(observed.get(), 1);
    let [named, other] = peer.join().unwrap();
    assert_eq!(named, ("error Function.Named".into(), br#"{"errorMessage":"m","errorType":"Function.Named"}"#.into()));
    assert_eq!(other.0, "error Function.HandlerError");
}

#[test]
fn a_fatal_error_of_one_loop_leaves_the_others_time_to_answer_and_no_more() {
    for event in [&b"whole"[..], b"streamed"] {
        let (release, released) = channel::bounded(1);
        let (api, peer) = with_script(move |listener| {
            let [mut busy, mut refused, mut idle] = [(); 3].map(|()| Peer::accept(listener));
            busy.invoke(event);
            assert_eq!(idle.request().0, "next");
            refused.refuse(ApiError::InternalServerError);
            refused.closed();
            idle.closed();
            release.send_blocking(()).unwrap();
            let answer = busy.take_answer();
            assert_eq!(busy.read_rest(), 0, "nothing is asked for that will not be handled");
            answer
        });
        let error = block_on(serve_concurrent(
            &api,
            3,
            async |event, _| {
                released.recv().await.unwrap();
                Ok(match event {
                    b"streamed" => Response::stream("text/plain", Box::pin(stream::once(Ok(event.to_vec())))),
                    event => event.into(),
                })
            },
            |_, error| panic!("{error}"),
        ));
        assert!(error.is_fatal());
        assert_eq!(peer.join().unwrap().1, event);
    }
}

#[test]
fn a_panic_of_the_observer_ends_all_loops() {
    let (api, peer) = with_script(|listener| {
        // The loop whose end is waited for first is the idle one.
        let [idle, mut observed] = [(); 2].map(|()| Peer::accept(listener));
        observed.invoke(b"{}");
        observed.refuse(ApiError::InvokeTimeout);
        idle.read_rest();
        observed.read_rest();
    });
    let served = serve_concurrent(&api, 2, async |event, _| Ok(event.into()), |_, error| panic!("{error}"));
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(served))).unwrap_err();
    assert!(panic.downcast::<String>().unwrap().starts_with("response refused with status 410"));
    peer.join().unwrap();
}
