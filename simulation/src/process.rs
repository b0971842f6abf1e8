//! A process: the loop around the function, and whether what it is told is true.

use std::time::Duration;

use lambwire::{Context, Fault, Mode, Reply, Request, SendError, limits};

use crate::api::Said;
use crate::fate::Harm;
use crate::function::{Answer, CONTENT_TYPE, ERROR_TYPE};
use crate::runtime::{Ended, Runtime};
use crate::tally::Count;
use crate::world::World;

/// Asks and answers until there is nothing more to be asked for, which gives true, or an error ends it.
pub(crate) fn serve(world: &mut World) -> bool {
    let mut runtime = Runtime::new(world);
    let mut buf = Vec::new();
    loop {
        match runtime.ask(&mut buf) {
            Ended::Lost => return false,
            Ended::Refused => {
                assert_eq!(runtime.said(), Said::End, "refused without a reason");
                runtime.judge_tidiness();
                return true;
            }
            Ended::Done { .. } => {}
        }
        let message = runtime.link.reply().read(&buf).expect("an invocation");
        let Reply::Invocation(context) = message.head else { unreachable!("{message:?}") };
        let number = runtime.world.scene.ledger.find(context.request_id.as_str());
        assert_eq!(runtime.said(), Said::Event(number), "an event that is not of this reply");
        runtime.judge_tidiness();
        runtime.world.scene.ledger.get_mut(number).judge_event(&context, message.body);
        if handle(&mut runtime, number, &context, message.body) {
            return false;
        }
    }
}

/// Answers an invocation, and says whether the process has to end.
fn handle(runtime: &mut Runtime<'_>, number: usize, context: &Context<'_>, event: &[u8]) -> bool {
    if runtime.world.scene.fate.does(Harm::SlowFunction) {
        let slowness = runtime.world.scene.fate.up_to_ms(SLOWEST_MS);
        runtime.world.sleep(Duration::from_millis(slowness));
    }
    let is_ahead = runtime.world.scene.fate.coin();
    let (ended, is_ahead) = match Answer::to(event) {
        Answer::Whole(body) => (respond(runtime, context, body, is_ahead), is_ahead),
        Answer::Failed(report) => (fail(runtime, context, &report, is_ahead), is_ahead),
        Answer::Streamed { body, failure } => (stream(runtime, context, &body, failure.as_deref()), false),
    };
    if !is_ahead {
        runtime.judge_tidiness();
    }
    judge(runtime, number, ended)
}

fn respond(runtime: &mut Runtime<'_>, context: &Context<'_>, body: Vec<u8>, is_ahead: bool) -> Ended {
    let request = Request::response(context, CONTENT_TYPE, Mode::Buffered);
    let ended = runtime.answer(&request, &body, is_ahead);
    let is_too_large = body.len() as u64 > limits::PAYLOAD_BYTES;
    assert_eq!(matches!(ended, Err(SendError::PayloadTooLarge { .. })), is_too_large);
    match Answer::Whole(body).or_too_large() {
        Answer::Failed(report) => fail(runtime, context, &report, is_ahead),
        _ => ended.expect("a response that fits"),
    }
}

fn fail(runtime: &mut Runtime<'_>, context: &Context<'_>, report: &[u8], is_ahead: bool) -> Ended {
    let fault = Fault { error_type: Some(ERROR_TYPE), xray_cause: None };
    runtime.answer(&Request::error(context, fault), report, is_ahead).expect("a report that fits")
}

fn stream(runtime: &mut Runtime<'_>, context: &Context<'_>, body: &[u8], failure: Option<&[u8]>) -> Ended {
    let request = Request::response(context, CONTENT_TYPE, Mode::Streaming);
    let fate = &mut runtime.world.scene.fate;
    if fate.does(Harm::DroppedStream) {
        let sent = fate.up_to(body.len());
        return runtime.stream(&request, &body[..sent], None);
    }
    runtime.stream(
        &request,
        body,
        Some(&|client, end| match failure {
            None => client.finish(end),
            Some(report) => client.finish_with_error(ERROR_TYPE, report, end),
        }),
    )
}

/// Compares what the runtime is told of its answer with what the API knows.
fn judge(runtime: &mut Runtime<'_>, number: usize, ended: Ended) -> bool {
    let (link, scene) = (&runtime.link, &mut runtime.world.scene);
    scene.log(|| format!("runtime: is told {ended:?}"));
    let invocation = scene.ledger.get_mut(number);
    match ended {
        Ended::Done { is_repeat } => {
            let message = link.reply().read(&runtime.reply).expect("a verdict");
            match message.head {
                Reply::Accepted => assert_eq!(message.body, invocation.id.as_bytes(), "a reply to another"),
                Reply::Refused { .. } => assert!(is_repeat, "a refusal is taken for success"),
                other => unreachable!("{other:?}"),
            }
            scene.tally[Count::ToldAnswered] += 1;
            invocation.judge_success(is_repeat, &mut scene.tally);
            false
        }
        Ended::Refused => {
            let refusal = link.reply().refusal(&runtime.reply).expect("a refusal");
            invocation.judge_refusal(refusal.status());
            scene.tally[Count::ToldRefused] += 1;
            refusal.is_fatal()
        }
        Ended::Lost => {
            invocation.judge_loss();
            scene.tally[Count::ToldLost] += 1;
            false
        }
    }
}

/// The slowest function, in milliseconds: twice as slow as the longest time-out.
const SLOWEST_MS: u64 = 120_000;
