//! What chance decides, all of it out of one seed.

use fastrand::Rng;

/// Most harm that is done in a run, in times.
pub(crate) const HARMS: u32 = 7;

/// Chance, and how harsh it is in this run.
pub(crate) struct Faults {
    rng: Rng,
    /// Harm that may still be done, so that every run comes to an end.
    harms_left: u32,
    /// The one harm that this run knows, or all.
    only: Option<Harm>,
    /// One of so many steps does harm.
    step_rarity: u32,
    /// One of so many occasions does harm.
    occasion_rarity: u32,
    cuts: Cuts,
}

/// What may happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// The connection is lost, anywhere.
    Cut,
    /// Both ends stand still for long, and the API's end of the connection is gone afterwards.
    Freeze,
    /// The clock jumps.
    ClockJump,
    /// The API takes no connection for a while.
    Outage,
    /// The API takes no connection, once.
    NoConnection,
    /// The API refuses an answer.
    Refusal,
    /// The API refuses an answer of which it has seen the head, and closes.
    EarlyRefusal,
    /// The API knows of no invocation as yet.
    NothingYet,
    /// The API closes the connection behind a reply, as it says.
    Close,
    /// The API says what cannot be understood.
    Garbage,
    /// The function takes its time.
    SlowFunction,
    /// The function drops a stream half way.
    DroppedStream,
    /// The runtime gives a turn up half way.
    GivenUp,
}

const ALL: [Harm; 13] = [
    Harm::Cut,
    Harm::Freeze,
    Harm::ClockJump,
    Harm::Outage,
    Harm::NoConnection,
    Harm::Refusal,
    Harm::EarlyRefusal,
    Harm::NothingYet,
    Harm::Close,
    Harm::Garbage,
    Harm::SlowFunction,
    Harm::DroppedStream,
    Harm::GivenUp,
];

/// Those that may happen at any step.
const AT_ANY_STEP: [Harm; 4] = [Harm::Cut, Harm::Freeze, Harm::ClockJump, Harm::Outage];

/// How bytes are cut up on their way.
#[derive(Clone, Copy)]
enum Cuts {
    Never,
    Anywhere,
    /// A few bytes at a time, and more of what is large, so that a run is not all about that.
    Finely,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let harms_left = rng.u32(..=HARMS);
        let only = rng.bool().then(|| ALL[rng.usize(..ALL.len())]);
        let step_rarity = 4 << rng.u32(..6);
        let occasion_rarity = 1 << rng.u32(..4);
        let cuts = match rng.u32(..8) {
            0..4 => Cuts::Never,
            4..7 => Cuts::Anywhere,
            _ => Cuts::Finely,
        };
        Self { rng, harms_left, only, step_rarity, occasion_rarity, cuts }
    }

    /// What comes of everything else that is left to chance.
    pub(crate) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// True once in so many times.
    pub(crate) fn one_of(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.rng.bool()
    }

    /// Between nothing and `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        self.rng.usize(..=most)
    }

    pub(crate) fn up_to_ms(&mut self, most: u64) -> u64 {
        self.rng.u64(..=most)
    }

    /// How many of `len` bytes go on at a time: one at least.
    pub(crate) fn cut(&mut self, len: usize) -> usize {
        let most = match self.cuts {
            Cuts::Never => return len,
            Cuts::Anywhere => len,
            Cuts::Finely => 3 + len / 16,
        };
        self.rng.usize(1..=most.max(1)).min(len)
    }

    /// Whether this harm is done at this occasion.
    pub(crate) fn does(&mut self, harm: Harm) -> bool {
        let rarity = self.occasion_rarity;
        self.may(harm) && self.one_of(rarity) && self.spend()
    }

    /// What happens at this step.
    pub(crate) fn strikes(&mut self) -> Option<Harm> {
        if self.harms_left == 0 || !self.one_of(self.step_rarity) {
            return None;
        }
        let harm = AT_ANY_STEP[self.rng.usize(..AT_ANY_STEP.len())];
        (self.may(harm) && self.spend()).then_some(harm)
    }

    fn may(&self, harm: Harm) -> bool {
        self.harms_left > 0 && self.only.is_none_or(|only| only == harm)
    }

    fn spend(&mut self) -> bool {
        self.harms_left -= 1;
        true
    }
}
