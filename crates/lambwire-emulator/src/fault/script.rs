//! What a server is to do wrong, as data.

use std::time::Duration;

/// What becomes of a runtime's requests, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// How long nobody listens at first: connections are refused.
    pub refusing: Duration,
    /// What becomes of each request for an invocation. Those behind the last plan wait.
    pub to_next: Vec<Plan>,
    /// What becomes of each answer and each report of a failed start. Those behind the last plan are accepted.
    pub to_answers: Vec<Plan>,
}

/// What becomes of one request. Unless an act ends it, the connection goes on behind the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How much of the request is received before.
    pub trigger: Trigger,
    /// What is done then, one after the other.
    pub acts: Vec<Action>,
}

/// How much of a request is received before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Its head. A reply then says `Connection: close`.
    Head,
    /// Its head and at least so many bytes of its body, or all.
    Body(u64),
    /// All of it.
    Whole,
}

/// Something that is done to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Says something in one write.
    Reply(Reply),
    /// Says something in writes of so many bytes, with a pause behind each.
    Pieces {
        /// What.
        say: Reply,
        /// Bytes at a time.
        len: usize,
        /// The pause.
        pause: Duration,
    },
    /// Says the first so many bytes of something.
    Part {
        /// What.
        say: Reply,
        /// Bytes in all.
        len: usize,
    },
    /// Does nothing for a while.
    Pause(Duration),
    /// Does nothing until it is to [go on](super::FaultServer::resume).
    Hold,
    /// Says no more, and lets the connection stay half open.
    HalfClose,
    /// Closes the connection. With bytes unread, that resets it.
    Close,
    /// Resets the connection.
    Reset,
    /// Receives and throws away until the runtime has closed the connection.
    Drain,
    /// The same, and the script is [over](super::FaultServer::wait_until_idle): nothing will be said any more.
    Silence,
    /// From now on, for so long, connections are refused. The one at hand stays.
    RefuseConnections(Duration),
}

/// Something that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// An invocation.
    Invocation {
        /// Its request id.
        id: String,
        /// The event.
        event: Vec<u8>,
        /// How long the chunks are in which it is sent; `None` for one body of known length.
        chunk: Option<usize>,
    },
    /// Nothing as yet: 204.
    NothingYet,
    /// That an answer is taken: 202.
    Accepted,
    /// No.
    Rejected {
        /// With this status, from 300 to 599.
        status: u16,
        /// And this body.
        body: Vec<u8>,
    },
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
}

impl Script {
    /// A script without a fault.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what becomes of another request for an invocation.
    #[must_use]
    pub fn next(mut self, plan: impl Into<Plan>) -> Self {
        self.to_next.push(plan.into());
        self
    }

    /// Adds what becomes of another answer.
    #[must_use]
    pub fn answer(mut self, plan: impl Into<Plan>) -> Self {
        self.to_answers.push(plan.into());
        self
    }

    /// Has nobody listen at first.
    #[must_use]
    pub fn refuse_connections(mut self, refusing: Duration) -> Self {
        self.refusing = refusing;
        self
    }
}

impl Plan {
    /// What is done once the request is whole.
    pub fn new(acts: impl Into<Vec<Action>>) -> Self {
        Self { trigger: Trigger::Whole, acts: acts.into() }
    }

    /// The same, at another time.
    #[must_use]
    pub fn when(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }
}

impl From<Reply> for Plan {
    fn from(say: Reply) -> Self {
        Self::new([say.into()])
    }
}

impl From<Reply> for Action {
    fn from(say: Reply) -> Self {
        Self::Reply(say)
    }
}

impl Reply {
    /// An invocation with a body of known length.
    pub fn invocation(id: &str, event: impl Into<Vec<u8>>) -> Self {
        Self::Invocation { id: id.to_owned(), event: event.into(), chunk: None }
    }

    /// A refusal with a body, which may be empty.
    pub fn refused(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Rejected { status, body: body.into() }
    }

    /// Bytes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Raw(bytes.into())
    }
}
