//! What both ends and the scheduler share: chance, time, the model, the stats and the log.

use crate::faults::Faults;
use crate::model::Model;
use crate::stats::Stats;

/// What both ends share.
pub(crate) struct Scene {
    pub(crate) faults: Faults,
    pub(crate) model: Model,
    pub(crate) stats: Stats,
    pub(crate) now_ms: u64,
    is_logged: bool,
}

impl Scene {
    pub(crate) fn new(seed: u64, is_logged: bool) -> Self {
        let mut faults = Faults::new(seed);
        let model = Model::new(&mut faults);
        Self { faults, model, stats: Stats::default(), now_ms: 0, is_logged }
    }

    /// Logs what happens, if anybody reads that.
    pub(crate) fn log(&self, what: impl FnOnce() -> String) {
        if self.is_logged {
            println!("{:>9} ms  {}", self.now_ms, what());
        }
    }
}
