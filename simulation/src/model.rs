//! What the API knows of its invocations, and what it holds against a runtime that has lost or mistaken one.

use std::fmt;

use lambwire::{Context, InvocationId, RequestId};

use crate::faults::{Faults, Harm};
use crate::function::{Answer, text};
use crate::stats::{Count, Stats};

/// Most invocations of a run.
const INVOCATIONS: usize = 4;

/// When the clock starts, in milliseconds since the Unix epoch.
const START_MS: u64 = 1_700_000_000_000;

/// Statuses with which an API may refuse an answer that is due.
const REFUSALS: [u16; 9] = [400, 403, 404, 408, 410, 413, 500, 502, 503];

/// All invocations of a run, of which the API gives one after the other.
pub(crate) struct Model {
    invocations: Vec<Invocation>,
    current: usize,
}

pub(crate) struct Invocation {
    pub(crate) id: String,
    nonce: Option<String>,
    pub(crate) event: Vec<u8>,
    /// When it is there to be asked for.
    due_ms: u64,
    timeout_ms: u64,
    /// When it times out, once it was handed out.
    deadline_ms: Option<u64>,
    pub(crate) state: State,
    /// What its answers were refused with.
    refusals: Vec<u16>,
    /// The runtime has received the event.
    is_received: bool,
    /// Since then its caller learned what became of the answer.
    is_reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Answered,
    TimedOut,
    /// An answer to it was refused, or came in part.
    Over,
}

/// What there is for who asks.
pub(crate) enum Due {
    Event(usize),
    /// Nothing before that time.
    NotBefore(u64),
    /// Nothing ever again.
    Over,
}

impl Model {
    pub(crate) fn new(faults: &mut Faults) -> Self {
        let mut due_ms = 0;
        let count = 1 + faults.up_to(INVOCATIONS - 1);
        let invocations = (0..count).map(|number| {
            due_ms += if faults.coin() { 0 } else { faults.up_to_ms(10_000) };
            Invocation {
                id: format!("{number}-{:x}", faults.rng().u32(..)),
                nonce: faults.coin().then(|| format!("nonce {:x}", faults.rng().u32(..))),
                event: text(faults.rng()),
                due_ms,
                timeout_ms: 1 + faults.up_to_ms(60_000),
                deadline_ms: None,
                state: State::Pending,
                refusals: Vec::new(),
                is_received: false,
                is_reported: false,
            }
        });
        Self { invocations: invocations.collect(), current: 0 }
    }

    /// What there is at this time, an invocation that was handed out before included, as long as it is not over.
    pub(crate) fn due(&mut self, now_ms: u64) -> Due {
        while let Some(invocation) = self.invocations.get_mut(self.current) {
            invocation.expire(now_ms);
            if invocation.state == State::Pending {
                let is_due = invocation.due_ms <= now_ms;
                return if is_due { Due::Event(self.current) } else { Due::NotBefore(invocation.due_ms) };
            }
            self.current += 1;
        }
        Due::Over
    }

    pub(crate) fn get(&self, number: usize) -> &Invocation {
        &self.invocations[number]
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> &mut Invocation {
        &mut self.invocations[number]
    }

    /// The number of the invocation of this id, which has been handed out.
    pub(crate) fn find(&self, id: &str) -> usize {
        let is_it = |invocation: &Invocation| invocation.id == id && invocation.deadline_ms.is_some();
        self.invocations.iter().position(is_it).expect("the id of an invocation that was handed out")
    }

    /// Hands an invocation out: its timeout runs from the first time.
    pub(crate) fn hand_out(&mut self, number: usize, now_ms: u64) {
        let invocation = &mut self.invocations[number];
        invocation.deadline_ms.get_or_insert(now_ms + invocation.timeout_ms);
    }

    /// Nothing will happen any more.
    pub(crate) fn judge_end(&mut self, now_ms: u64, stats: &mut Stats) {
        assert!(matches!(self.due(now_ms), Due::Over), "invocations are left");
        self.invocations.iter().for_each(|invocation| invocation.judge_end(stats));
    }
}

impl Invocation {
    pub(crate) fn context(&self) -> Context<'_> {
        let mut context = Context::new(RequestId::new(&self.id).expect("an id of letters and digits"));
        context.deadline_ms = self.deadline_ms.map(|deadline_ms| START_MS + deadline_ms);
        context.invoked_function_arn = Some("arn:aws:lambda:us-east-1:012345678912:function:simulated");
        context.invocation_id = self.nonce();
        context
    }

    fn nonce(&self) -> Option<InvocationId<'_>> {
        let nonce = self.nonce.as_ref()?;
        Some(InvocationId::new(nonce.as_bytes()).expect("a nonce of letters and digits"))
    }

    fn expire(&mut self, now_ms: u64) {
        if self.state == State::Pending && self.deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms) {
            self.state = State::TimedOut;
        }
    }

    /// The head of an answer has come: the status to refuse it with before the rest comes, if that is to be.
    pub(crate) fn begin_answer(&mut self, nonce: Option<InvocationId<'_>>, faults: &mut Faults) -> Option<u16> {
        assert!(nonce == self.nonce(), "{self}: the nonce does not come back");
        let is_refused = self.state == State::Pending && faults.does(Harm::EarlyRefusal);
        is_refused.then(|| self.refuse(faults))
    }

    /// A whole answer has come. It is taken, or the status says why not.
    pub(crate) fn take(&mut self, answer: &Answer, now_ms: u64, faults: &mut Faults) -> Result<(), u16> {
        self.expire(now_ms);
        let status = match self.state {
            State::TimedOut => 410,
            State::Answered | State::Over if faults.coin() => 400,
            State::Answered | State::Over => 403,
            State::Pending if faults.does(Harm::Refusal) => return Err(self.refuse(faults)),
            State::Pending => {
                let expected = Answer::to(&self.event).or_too_large();
                assert!(*answer == expected, "{self}: what arrives is {answer}, which is not {expected}");
                self.state = State::Answered;
                return Ok(());
            }
        };
        self.refusals.push(status);
        Err(status)
    }

    fn refuse(&mut self, faults: &mut Faults) -> u16 {
        let status = REFUSALS[faults.up_to(REFUSALS.len() - 1)];
        self.state = State::Over;
        self.refusals.push(status);
        status
    }

    /// An answer was cut off, of which the head had come.
    pub(crate) fn lose(&mut self, faults: &mut Faults) {
        if self.state == State::Pending && faults.coin() {
            self.state = State::Over;
        }
    }

    /// The runtime has received this event.
    pub(crate) fn judge_event(&mut self, context: &Context<'_>, event: &[u8]) {
        assert!(*context == self.context(), "{self}: what comes with the event has changed");
        assert!(event == self.event, "{self}: the event has changed");
        self.is_received = true;
        self.is_reported = false;
    }

    /// The runtime says that its answer was taken. If this was a repeat, it had to believe a 400 or 403.
    pub(crate) fn judge_success(&mut self, is_repeat: bool, stats: &mut Stats) {
        self.is_reported = true;
        if self.state != State::Answered {
            let is_assumed = is_repeat && self.refusals.iter().any(|status| matches!(status, 400 | 403));
            assert!(is_assumed, "{self}: reported as answered, and was refused with {:?}", self.refusals);
            stats[Count::Mistaken] += 1;
        }
    }

    /// The runtime says that its answer was refused.
    pub(crate) fn judge_refusal(&mut self, status: u16) {
        self.is_reported = true;
        let is_true = self.refusals.contains(&status);
        assert!(is_true, "{self}: reported as refused with {status}, and was with {:?}", self.refusals);
    }

    /// The runtime says that its answer was lost.
    pub(crate) fn judge_loss(&mut self) {
        self.is_reported = true;
    }

    /// Nothing will happen any more.
    fn judge_end(&self, stats: &mut Stats) {
        match self.state {
            State::Answered => stats[Count::Answered] += 1,
            State::TimedOut => stats[Count::TimedOut] += 1,
            State::Over => stats[Count::Over] += 1,
            State::Pending => unreachable!("{self} is left"),
        }
        assert!(self.is_reported || !self.is_received, "{self}: nothing was reported of it");
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {} bytes)", self.id, self.state, self.event.len())
    }
}
