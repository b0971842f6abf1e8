//! What comes of invocations: answers for callers, lines for people, records for subscribers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambwire::ApiError;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Held, Member, Memory};
use crate::answer::{End, Outcome, Reported, UNKNOWN};
use crate::console::{LogFormat, Mark, marked};
use crate::environment::{Action, Answering, Begun, Call, Capacity, Finished, Id};
use crate::event::Invocation;
use crate::fleet::records;
use crate::limits;
use crate::logs::{Source, Tail};
use crate::process;
use crate::queue::{Caller, Outlet};
use crate::report::Report;
use crate::telemetry::{self, Kind};

/// How many digits of a request id stand before a line of one environment among others: enough to find the whole id in START.
const ID_DIGITS: usize = 8;

impl Member {
    /// The runtime begins to answer.
    pub(crate) fn begin_answer(&self, begun: &Begun<'_>) -> Result<Answering, ApiError<'static>> {
        let result = self.environment.borrow_mut().begin_answer(begun, Instant::now());
        self.act();
        result
    }

    /// The answer that was begun is here, and its body had so many bytes.
    pub(crate) fn end_answer(&self, id: &str, reported: Reported, bytes: u64) -> Result<(), ApiError<'static>> {
        self.drain_outputs();
        let status = reported.status();
        self.environment.borrow_mut().end_answer(id, status, Instant::now())?;
        if let Some(held) = self.held.borrow_mut().get_mut(id) {
            held.complaint = reported.complaint();
            held.produced_bytes = bytes;
        }
        self.answer(id, reported);
        self.act();
        Ok(())
    }

    /// The answer is larger than is taken. Where a report is, AWS's emulator goes by what the runtime does then.
    pub(crate) fn refuse_size(&self, answering: &Answering) {
        if self.settings.is_rie && self.settings.capacity == Capacity::One && answering.call == Call::Error {
            return self.cut_answer(&answering.id);
        }
        self.environment.borrow_mut().refuse_size(answering, Instant::now());
        self.act();
    }

    pub(crate) fn cut_answer(&self, id: &str) {
        self.environment.borrow_mut().cut_answer(id, Instant::now());
        self.act();
    }

    pub(crate) fn begin_init_error(&self, call: Call) -> Result<bool, ApiError<'static>> {
        self.environment.borrow_mut().begin_init_error(call)
    }

    /// The report of a runtime that cannot start is here.
    pub(crate) fn end_init_error(&self, reported: Reported) {
        self.init_complaint.replace(reported.complaint());
        self.tell_init_failure(reported.error_type().as_deref().unwrap_or(UNKNOWN));
        let claimed = self.environment.borrow_mut().end_init_error(reported.error_type());
        if let Some(id) = claimed {
            self.answer(&id, reported);
        }
        self.act();
        self.place();
    }

    /// Answers the caller of an invocation, unless that has been done.
    pub(super) fn answer(&self, id: &str, reported: Reported) {
        let mut held = self.held.borrow_mut();
        let Some(held) = held.get_mut(id) else { return };
        held.place = None;
        if let Some(shown) = &mut held.shown
            && held.answer.is_none()
        {
            shown.answer(&reported, id);
        }
        held.answer.get_or_insert_with(|| reported.into_answer(id.to_owned(), held.invocation.version()));
        if held.tail.is_none() {
            self.send(held);
        }
    }

    /// Gives the caller the answer, if there is one and it has not been given.
    pub(super) fn send(&self, held: &mut Held) {
        let Some((mut answer, caller)) = held.answer.take().zip(held.caller.take()) else { return };
        held.streaming = None;
        answer.log_tail = held.tail.take().map(Tail::into_bytes);
        // A caller may have gone away.
        match caller {
            Caller::Waits(caller) | Caller::Streams(_, caller) => drop(caller.send(answer)),
            Caller::Nobody { tries } if answer.outcome == Outcome::Failure => {
                if let Some(fleet) = self.fleet.upgrade() {
                    fleet.retry(Arc::clone(&held.invocation), tries, &answer);
                }
            }
            Caller::Nobody { .. } => {}
        }
    }

    /// Where the body of a response goes as it comes, if its caller wants that.
    pub(crate) fn stream_for(&self, id: &str) -> Option<Outlet> {
        let mut held = self.held.borrow_mut();
        let held = held.get_mut(id)?;
        let Some(Caller::Streams(pieces, _)) = &held.caller else { return None };
        let (streaming, over) = oneshot::channel();
        held.streaming = Some(streaming);
        Some(Outlet::new(pieces.clone(), over))
    }

    /// Whether anybody wants to see lines of the platform about this invocation.
    pub(super) fn is_read(&self, id: &str) -> bool {
        !self.settings.printer.is_silent() || self.held.borrow().get(id).is_some_and(|held| held.tail.is_some())
    }

    /// Whether lines are JSON: then records are printed, in place of the lines of CloudWatch.
    fn prints_records(&self, id: Option<&str>) -> bool {
        self.settings.printer.is_json() && id.map_or(!self.settings.printer.is_silent(), |id| self.is_read(id))
    }

    /// Whether anybody gets records of the platform, perhaps about an invocation.
    fn is_recorded(&self, id: Option<&str>) -> bool {
        self.telemetry.is_on() || self.prints_records(id)
    }

    /// Tells people of the platform's, perhaps about an invocation, unless they get records.
    pub(super) fn say(&self, id: Option<&str>, write: impl FnOnce(&mut String)) {
        if !self.settings.printer.is_json() && id.is_none_or(|id| self.is_read(id)) {
            let mut lines = self.lines.take();
            lines.clear();
            write(&mut lines);
            self.print(id, lines.as_bytes());
            self.lines.set(lines);
        }
    }

    /// Tells subscribers of the platform's, and people, if they get records.
    pub(super) fn record(&self, event: &str, id: Option<&str>, record: impl FnOnce() -> Value) {
        let is_printed = self.prints_records(id);
        if !is_printed && !self.telemetry.is_on() {
            return;
        }
        let mut line = telemetry::made(&format!("platform.{event}"), &record());
        self.telemetry.tell(Kind::Platform, &line);
        if is_printed {
            line.push('\n');
            self.print(id, line.as_bytes());
        }
    }

    fn print(&self, id: Option<&str>, lines: &[u8]) {
        self.settings.printer.print(lines);
        let mut held = self.held.borrow_mut();
        if let Some(tail) = id.and_then(|id| held.get_mut(id)?.tail.as_mut()) {
            tail.push(lines);
        }
    }

    /// Does what the environment says.
    pub(in crate::fleet) fn act(&self) {
        loop {
            let action = self.environment.borrow_mut().action();
            match action {
                None => return,
                Some(Action::Fail(id, failure)) => {
                    self.settings.printer.catch_up();
                    log::error!("{}", failure.message(&id));
                    self.answer(&id, Reported::Failed(failure));
                }
                Some(Action::EndTurn(done)) => {
                    self.take_lines();
                    self.record_runtime_done(&done);
                }
                Some(Action::Finish { finished, is_runtime_done }) => self.finish(&finished, is_runtime_done),
                Some(Action::Notify(connection, notice)) => {
                    if let Some(listener) = self.listeners.borrow_mut().remove(&connection) {
                        // The connection forgets its listener before it ends.
                        let _ = listener.send(self.event(&notice));
                    }
                }
                Some(Action::End) => {
                    self.begin_end();
                    self.wake.notify_one();
                }
            }
        }
    }

    /// An invocation is over.
    fn finish(&self, finished: &Finished, is_runtime_done: bool) {
        self.take_lines();
        self.tell_complaint(&finished.id);
        let (init, restore) = self.take_start_durations();
        // When that was is known, and need not be asked of the clock.
        let now = finished.spans.given_at.map_or_else(Instant::now, |given_at| given_at + finished.duration);
        if self.memory.get().is_due(finished.duration, now) {
            self.read_memory();
        }
        let report = Report {
            request_id: &finished.id,
            init,
            restore,
            duration: finished.duration,
            memory_mb: self.settings.memory_mb,
            max_memory_mb: self.memory.get().max_mb,
            status: &finished.status,
        };
        if finished.spans.given_at.is_some() && self.is_recorded(Some(&finished.id)) {
            if !is_runtime_done && self.settings.capacity == Capacity::One {
                self.record_runtime_done(finished);
            }
            self.record_report(&report, finished);
        }
        self.say(Some(&finished.id), |lines| report.write(lines));
        let held = self.held.borrow_mut().remove(&finished.id);
        if let Some(mut held) = held {
            self.end_showing(&mut held, &report, finished);
            if let Some(answer) = &mut held.answer {
                let was_given = finished.spans.given_at.is_some();
                answer.end = Some(End { status: finished.status.clone(), was_given });
            }
            self.send(&mut held);
        }
        self.fill();
        if let Some(fleet) = self.fleet.upgrade() {
            fleet.tell_finished();
            fleet.place();
        }
    }

    fn held_invocation(&self, id: &str) -> Option<Arc<Invocation>> {
        self.held.borrow().get(id).map(|held| Arc::clone(&held.invocation))
    }

    /// Tells whoever runs the program of an error that it has reported, unless it has done so itself.
    fn tell_complaint(&self, id: &str) {
        let held = self.held.borrow();
        let Some(held) = held.get(id) else { return };
        if let Some(complaint) = held.complaint.as_ref().filter(|complaint| !complaint.is_in(held.printed.bytes())) {
            self.settings.printer.catch_up();
            log::error!("RequestId: {id} Error: {complaint}");
        }
    }

    fn record_runtime_done(&self, done: &Finished) {
        let held = self.held.borrow().get(&done.id).map(|held| (Arc::clone(&held.invocation), held.produced_bytes));
        if let Some((invocation, bytes)) = held {
            self.record("runtimeDone", Some(&done.id), || records::runtime_done(done, bytes, &invocation));
        }
    }

    fn record_report(&self, report: &Report<'_>, finished: &Finished) {
        let Some(invocation) = self.held_invocation(&finished.id) else { return };
        let id = Some(&*finished.id);
        if self.settings.capacity == Capacity::One {
            self.record("report", id, || records::report(report, &invocation));
        } else {
            self.record("report", id, || records::managed_report(report, &finished.spans, &invocation));
        }
    }

    /// When to look next at the memory of the processes, if an invocation is under way.
    pub(in crate::fleet) fn look_at(&self) -> Option<Instant> {
        self.pid.get()?;
        let since = self.environment.borrow().busy_since()?;
        Some(self.memory.get().read_at.map_or(since, |at| at.max(since)) + limits::MEMORY_LOOK)
    }

    /// Looks how much memory the processes have had.
    pub(in crate::fleet) fn read_memory(&self) {
        if let Some(pid) = self.pid.get() {
            let max_mb = self.memory.get().max_mb.max(process::max_memory_mb(pid));
            self.memory.set(Memory { read_at: Some(Instant::now()), max_mb });
        }
    }

    /// Takes all that the processes have written, and of the program also a line that has not been ended.
    fn take_lines(&self) {
        self.drain_outputs();
        for output in self.outputs.borrow().iter() {
            output.end_line(&mut |source, line: &[u8]| self.log(source, line));
        }
    }

    pub(in crate::fleet) fn drain_outputs(&self) {
        for output in self.outputs.borrow().iter() {
            output.drain(&mut |source, line: &[u8]| self.log(source, line));
        }
    }

    /// Whose the lines of the program are: the invocation's that is under way, if there is one alone.
    fn only_id(&self) -> Option<Id> {
        self.held.borrow().only_key().cloned()
    }

    /// A line of the program for people. Among those of other environments it begins with the first digits of its
    /// invocation's id, as far as that is known.
    fn text_line<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        let has_others = self.fleet.upgrade().is_some_and(|fleet| fleet.has_several());
        let id = if has_others { self.only_id() } else { None };
        let mark = id.and_then(|id| Some(Mark::new(id.get(..ID_DIGITS)?, LogFormat::Text)));
        marked(mark.as_ref(), line)
    }

    /// A line of a process as an object.
    fn json_line(&self, kind: Kind, line: &[u8]) -> Vec<u8> {
        let id = self.only_id().filter(|_| kind == Kind::Function);
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
        // An object stays one.
        let object = serde_json::from_str(&text).ok().filter(Value::is_object);
        let mut record = json!({ "time": telemetry::time(SystemTime::now()), "type": kind.name() });
        if let Some(id) = id {
            record["requestId"] = Value::from(&*id);
        }
        record["record"] = object.unwrap_or_else(|| text.into());
        format!("{record}\n").into_bytes()
    }

    /// A line that the program has written.
    pub(in crate::fleet) fn log(&self, source: Source, line: &[u8]) {
        let kind = if source == Source::Extension { Kind::Extension } else { Kind::Function };
        self.telemetry.line(kind, line);
        let json = self.settings.printer.is_json().then(|| self.json_line(kind, line));
        let line = json.as_deref().unwrap_or(line);
        let shown = if json.is_none() && kind == Kind::Function { self.text_line(line) } else { line.into() };
        match source {
            Source::Stdout => self.settings.printer.print(&shown),
            Source::Stderr => self.settings.printer.print_error(&shown),
            Source::Extension => return self.settings.printer.print(&shown),
        }
        if self.started_at.get().is_some() {
            self.printed.borrow_mut().push(line);
        }
        // Whose it is is not known where there are several.
        for held in self.held.borrow_mut().values_mut() {
            if let Some(tail) = &mut held.tail {
                tail.push(line);
            }
            held.printed.push(line);
            if let Some(shown) = &mut held.shown {
                shown.log(line);
            }
        }
    }
}

impl Memory {
    /// Whether to look at the memory now that an invocation is over which has taken so long.
    fn is_due(self, duration: Duration, now: Instant) -> bool {
        let is_fresh = self.read_at.is_some_and(|at| now.saturating_duration_since(at) < limits::MEMORY_INTERVAL);
        duration >= limits::MEMORY_LONG || !is_fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_looked_at_after_what_has_taken_long_and_once_in_a_while() {
        let (now, tick) = (Instant::now(), Duration::from_nanos(1));
        let memory = Memory { read_at: Some(now), max_mb: None };
        assert!(Memory::default().is_due(Duration::ZERO, now));
        for (duration, passed, is_due) in [
            (limits::MEMORY_LONG - tick, limits::MEMORY_INTERVAL - tick, false),
            (limits::MEMORY_LONG, Duration::ZERO, true),
            (limits::MEMORY_LONG + tick, Duration::ZERO, true),
            (Duration::ZERO, limits::MEMORY_INTERVAL, true),
            (Duration::ZERO, limits::MEMORY_INTERVAL + tick, true),
        ] {
            assert_eq!(memory.is_due(duration, now + passed), is_due, "{duration:?} {passed:?}");
        }
    }
}
