//! How a play may end: with the process, or with a sign that it goes on.

use std::process::ExitStatus;

use super::arrivals::Arrived;
use super::check;
use super::stage::Stage;
use crate::outcome::Verdict;
use crate::play::{ExitStatus as Status, Expected, Reply, Turn};

impl Stage<'_> {
    pub(super) fn expect_exit(&mut self, turn: &Turn) -> Result<(), Verdict> {
        let status = self.until_exit().map_err(|stop| unmet(stop, "the end of the process"))?;
        let fits = match (turn.status, status.code()) {
            (Some(Status::Zero), code) => code == Some(0),
            (Some(Status::Nonzero), code) => code.is_some_and(|code| code != 0),
            (Some(Status::Any), code) => code.is_some(),
            (None, _) => true,
        };
        if !fits {
            self.misses.push(format!("the process ended with {status}, not with {:?}", turn.status).to_lowercase());
        }
        Ok(())
    }

    fn until_exit(&mut self) -> Result<ExitStatus, Verdict> {
        match self.request(false) {
            Err(Verdict::Ended(_)) => self.exit.ok_or_else(|| Verdict::Missed("no exit".into())),
            Err(other) => Err(other),
            // It was on its way before the process could know.
            Ok(arrived) if arrived.pipelined => self.until_exit(),
            Ok(arrived) => {
                let Arrived { head, connection, message, .. } = arrived;
                let what = format!("{} {} came, not the end of the process", head.method, head.path);
                self.note(connection, vec!["nothing more".into()], vec![what.clone()], message.as_ref());
                Err(Verdict::Missed(what))
            }
        }
    }

    /// Whatever it does about what has happened, it ends with a status or answers another event at last.
    pub(super) fn expect_recovery(&mut self) -> Result<(), Verdict> {
        let mut healthy = None;
        loop {
            let arrived = match self.request(false) {
                Err(Verdict::Ended(what)) => {
                    return if self.exit.is_some_and(|status| status.code().is_some()) {
                        Ok(())
                    } else {
                        Err(Verdict::Ended(what))
                    };
                }
                other => other.map_err(|stop| unmet(stop, check::name(Expected::Recovers)))?,
            };
            let Arrived { connection, head, message, .. } = arrived;
            let kind = check::kind(&head.method, &head.path);
            self.note(connection, vec![check::name(Expected::Recovers).into()], Vec::new(), message.as_ref());
            match kind {
                Some((Expected::Next, _)) => {
                    self.reply(
                        &Reply { event: Some("{\"healthy\":true}".into()), ..Reply::default() },
                        connection,
                        false,
                    )?;
                    healthy = self.events.last().map(|event| event.id.clone());
                }
                Some((Expected::RestoreNext, _)) => self.reply(&Reply::default(), connection, false)?,
                Some((_, id)) => {
                    self.reply(&Reply::default(), connection, true)?;
                    if id.is_some() && id == healthy {
                        return Ok(());
                    }
                }
                None => return Err(Verdict::Missed(format!("{} {} came", head.method, head.path))),
            }
        }
    }

    pub(super) fn expect_next_or_exit(&mut self) -> Result<(), Verdict> {
        let turn = Turn { expect: Some(Expected::Next), ..Turn::default() };
        match self.request(false) {
            Ok(arrived) => self.take(&turn, Expected::Next, arrived),
            Err(Verdict::Ended(_)) if self.exit.is_some_and(|status| status.code().is_some()) => Ok(()),
            Err(stop) => Err(unmet(stop, check::name(Expected::NextOrExit))),
        }
    }
}

pub(super) fn unmet(stop: Verdict, expected: &str) -> Verdict {
    match stop {
        Verdict::Hung(_) => Verdict::Hung(format!("nothing came in place of {expected}")),
        Verdict::Ended(what) => Verdict::Ended(format!("{what} in place of {expected}")),
        other => other,
    }
}
