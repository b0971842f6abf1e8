//! What both ends and the scheduler share: chance, time, the ledger, the tally and the log.

use crate::fate::Fate;
use crate::ledger::Ledger;
use crate::tally::Tally;

/// What both ends share.
pub(crate) struct Scene {
    pub(crate) fate: Fate,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) now_ms: u64,
    is_logged: bool,
}

impl Scene {
    pub(crate) fn new(seed: u64, is_logged: bool) -> Self {
        let mut fate = Fate::new(seed);
        let ledger = Ledger::new(&mut fate);
        Self { fate, ledger, tally: Tally::default(), now_ms: 0, is_logged }
    }

    /// Logs what happens, if anybody reads that.
    pub(crate) fn log(&self, what: impl FnOnce() -> String) {
        if self.is_logged {
            println!("{:>9} ms  {}", self.now_ms, what());
        }
    }
}
