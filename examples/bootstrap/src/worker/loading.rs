//! A worker that is loading its handler.

use std::time::{Duration, Instant};

use super::{Broken, Said, Worker};
use crate::console::{self, Level};
use crate::diagnosis;
use crate::failure::Failure;
use crate::frame::Head;
use crate::outgoing::Outgoing;
use crate::program::Program;
use crate::ready::Wishes;

/// What is wrong with a program that was started as a worker, and may be none.
const NOT_READY: &str =
    "and has not said 'ready', as a worker does: --exec is for a program that is run anew for every event";

const NOT_LOADED: &str = "before its handler was loaded";

/// How long a worker may take to load its handler until somebody who waits may wonder.
const SILENCE: Duration = Duration::from_secs(3);

impl Worker {
    /// Waits until the handler is loaded, and says what it asks for.
    pub(crate) fn load(&mut self, program: &Program, deadline: Option<Instant>) -> Result<Wishes, Failure> {
        if let Some(wishes) = self.ready {
            return Ok(wishes);
        }
        let since = Instant::now();
        let broken = match self.await_first(program, deadline) {
            Ok(head) => {
                let wishes = match self.give(head) {
                    Said::Ready(json) => Wishes::read(json).map_err(|error| {
                        Failure::new(
                            "Runtime.BadFrame",
                            format!("body of a frame 'ready' is not what it may be: {error}"),
                        )
                    }),
                    Said::Error(failure) => Err(program.advised(failure)),
                    said => Err(said.out_of_turn()),
                }?;
                self.ready = Some(wishes);
                return Ok(wishes);
            }
            Err(Broken::Overdue) => {
                let failure = Failure::new("Function.TimedOut", not_ready(program, since.elapsed()));
                return Err(failure.with_log(&self.last_lines()));
            }
            Err(broken) => broken,
        };
        let has_no_library = matches!(broken, Broken::Ended(Some(exit)) if exit.is_not_found());
        let diagnosed = match &program.keeper {
            _ if !has_no_library => None,
            // It may not have started at all, which the keeper does not say why.
            Some(_) => diagnosis::of_program(&program.path),
            None => diagnosis::of_libraries(&program.path),
        };
        let when = match &program.function {
            None => NOT_READY.to_owned(),
            Some(function) if function.language.is_run_by(&program.path) => NOT_LOADED.to_owned(),
            Some(function) => {
                format!("{NOT_LOADED}: does {} run {}?", program.path.display(), function.language.name)
            }
        };
        Err(diagnosed.unwrap_or_else(|| self.failure(broken, &when)))
    }

    /// Waits for the first frame, and says so if there is none for long.
    fn await_first(&mut self, program: &Program, deadline: Option<Instant>) -> Result<Head, Broken> {
        let silent_until = Instant::now() + SILENCE;
        if deadline.is_none_or(|deadline| deadline > silent_until) {
            match self.await_frame(&mut Outgoing::nothing(), Some(silent_until)) {
                Err(Broken::Overdue) => console::say(Level::Warn, None, not_ready(program, SILENCE)),
                heard => return heard,
            }
        }
        self.await_frame(&mut Outgoing::nothing(), deadline)
    }
}

/// What is wrong with a worker that has been loading for so long.
fn not_ready(program: &Program, time: Duration) -> String {
    let what = match &program.function {
        Some(function) => format!("and is still loading {}", function.file.display()),
        None => NOT_READY.to_owned(),
    };
    format!("{} was started {} s ago {what}", program.path.display(), time.as_secs())
}
