//! A process: the loop around the function, and whether what is reported to it is true.

use std::time::Duration;

use lambwire::{Context, ErrorHeaders, Mode, Pipelining, Reply, Request, SendError, limits};

use crate::api::Said;
use crate::faults::Harm;
use crate::function::{Answer, CONTENT_TYPE, ERROR_TYPE};
use crate::runtime::{Ended, Runtime};
use crate::stats::Count;
use crate::world::World;

/// Asks and answers until there is nothing more to be asked for, which gives true, or an error ends it.
pub(crate) fn serve(world: &mut World) -> bool {
    let mut runtime = Runtime::new(world);
    let mut buf = Vec::new();
    loop {
        let message = match runtime.ask(&mut buf) {
            Ok(message) => message,
            Err(Ended::Refused { .. }) => {
                assert_eq!(runtime.said(), Said::End, "refused without a reason");
                runtime.judge_tidiness();
                return true;
            }
            Err(_) => return false,
        };
        let Reply::Invocation(context) = message.head else { unreachable!("{message:?}") };
        let number = runtime.world.scene.model.find(context.request_id.as_str());
        assert_eq!(runtime.said(), Said::Event(number), "an event that is not of this reply");
        runtime.judge_tidiness();
        runtime.world.scene.model.get_mut(number).judge_event(&context, message.body);
        if handle(&mut runtime, number, &context, message.body) {
            return false;
        }
    }
}

/// Answers an invocation, and says whether the process has to end.
fn handle(runtime: &mut Runtime<'_>, number: usize, context: &Context<'_>, event: &[u8]) -> bool {
    if runtime.world.scene.faults.does(Harm::SlowFunction) {
        let slowness = runtime.world.scene.faults.up_to_ms(SLOWEST_MS);
        runtime.world.sleep(Duration::from_millis(slowness));
    }
    let wanted = if runtime.world.scene.faults.coin() { Pipelining::Next } else { Pipelining::Off };
    let (ended, pipelining) = match Answer::to(event) {
        Answer::Whole(body) => (respond(runtime, context, body, wanted), wanted),
        Answer::Failed(report) => (fail(runtime, context, &report, wanted), wanted),
        Answer::Streamed { body, failure } => (stream(runtime, context, &body, failure.as_deref()), Pipelining::Off),
    };
    if pipelining == Pipelining::Off {
        runtime.judge_tidiness();
    }
    judge(runtime, number, ended)
}

fn respond(runtime: &mut Runtime<'_>, context: &Context<'_>, body: Vec<u8>, pipelining: Pipelining) -> Ended {
    let request = Request::response(context, CONTENT_TYPE, Mode::Buffered);
    let ended = runtime.answer(&request, &body, pipelining);
    let is_too_large = body.len() as u64 > limits::PAYLOAD_BYTES;
    assert_eq!(matches!(ended, Err(SendError::PayloadTooLarge { .. })), is_too_large);
    match Answer::Whole(body).or_too_large() {
        Answer::Failed(report) => fail(runtime, context, &report, pipelining),
        _ => ended.expect("a response that fits"),
    }
}

fn fail(runtime: &mut Runtime<'_>, context: &Context<'_>, report: &[u8], pipelining: Pipelining) -> Ended {
    let fault = ErrorHeaders { error_type: Some(ERROR_TYPE), xray_cause: None };
    runtime.answer(&Request::error(context, fault), report, pipelining).expect("a report that fits")
}

fn stream(runtime: &mut Runtime<'_>, context: &Context<'_>, body: &[u8], failure: Option<&[u8]>) -> Ended {
    let request = Request::response(context, CONTENT_TYPE, Mode::Streaming);
    let faults = &mut runtime.world.scene.faults;
    if faults.does(Harm::DroppedStream) {
        let sent = faults.up_to(body.len());
        return runtime.stream(&request, &body[..sent], None);
    }
    runtime.stream(&request, body, Some(failure.map(|report| (ERROR_TYPE, report))))
}

/// Compares what is reported to the runtime of its answer with what the API knows.
fn judge(runtime: &mut Runtime<'_>, number: usize, ended: Ended) -> bool {
    let scene = &mut runtime.world.scene;
    scene.log(|| format!("runtime: learns {ended:?}"));
    let invocation = scene.model.get_mut(number);
    match ended {
        Ended::Done { is_repeat, body } => {
            match body {
                Some(body) => assert_eq!(body, invocation.id.as_bytes(), "a reply to another"),
                None => assert!(is_repeat, "a refusal is taken for success"),
            }
            scene.stats[Count::ReportedAccepted] += 1;
            invocation.judge_success(is_repeat, &mut scene.stats);
            false
        }
        Ended::Refused { status, is_fatal } => {
            invocation.judge_refusal(status);
            scene.stats[Count::ReportedRejected] += 1;
            is_fatal
        }
        Ended::Lost => {
            invocation.judge_loss();
            scene.stats[Count::ReportedLost] += 1;
            false
        }
    }
}

/// The slowest function, in milliseconds: twice as slow as the longest time-out.
const SLOWEST_MS: u64 = 120_000;
