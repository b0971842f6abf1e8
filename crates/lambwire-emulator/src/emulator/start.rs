//! How an emulator starts.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::io::Errno;
use tokio::sync::watch;

use super::Emulator;
use super::callers::reachable;
use crate::arn;
use crate::console::{Mark, Printer};
use crate::diagnosis;
use crate::environment::{Capacity, Timeouts};
use crate::fleet::dead_letter::DeadLetters;
use crate::fleet::{Registration, Settings};
use crate::function::{self, Function};
use crate::invoke::RieMode;
use crate::limits;
use crate::page::Feed;
use crate::process;
use crate::running::{Addresses, Parts, Running};
use crate::start_error::StartError;

impl Emulator {
    /// Starts the program and everything else, on a thread of its own.
    ///
    /// # Errors
    ///
    /// An address cannot be listened at, or the program cannot be started.
    pub fn start(mut self) -> Result<Running, StartError> {
        let command = self.prepare()?;
        if self.function.concurrency.is_none() {
            self.timeout = self.timeout.map(|timeout| timeout.min(limits::MAX_TIMEOUT));
        }
        if !self.watched.is_empty() {
            self.watched.extend(self.function.variables.files().map(Path::to_owned));
        }
        let mark = self.are_lines_named.then(|| Mark::new(&self.function.name, self.log_format));
        let dead_letters = self.dead_letters.map(|path| DeadLetters::open(path, mark.clone())).transpose()?;
        let runtime_api = bind(self.runtime_api)?;
        let front = self.listen.map(bind).transpose()?;
        let url = self.url.map(bind).transpose()?;
        if self.function.lambda.is_some_and(|lambda| lambda.port() == 0) {
            self.function.lambda = front.as_ref().map(|front| reachable(front.address));
        }
        let addresses = Addresses {
            runtime_api: runtime_api.address,
            front: front.as_ref().map(|front| front.address),
            url: url.as_ref().map(|url| url.address),
        };
        let is_public = addresses.front.is_some_and(|address| !address.ip().is_loopback());
        self.callers.gate.is_public = is_public || self.function.is_rie;
        self.callers.rie = match self.function.concurrency {
            _ if !self.function.is_rie => None,
            Some(concurrency) => {
                // Whoever would be one more is refused.
                self.reserved.get_or_insert(concurrency);
                self.start.is_lazy = false;
                Some(RieMode::Managed)
            }
            None => Some(RieMode::OnDemand),
        };
        let feed = Arc::<Feed>::default();
        self.callers.feeds.push(Arc::clone(&feed));
        let usual_init = if self.start.is_snap { limits::SNAPSHOT_INIT_TIMEOUT } else { limits::DEFAULT_INIT_TIMEOUT };
        let (lines, are_lines_open) = watch::channel(!self.is_held);
        let has_exports = self.command.is_none() && (self.is_announced || self.is_held);
        let region = function::region(&command);
        let parts = Parts {
            settings: Settings {
                capacity: self.function.concurrency.map_or(Capacity::One, Capacity::Many),
                start: self.start,
                freeze: self.freeze,
                timeouts: Timeouts {
                    invocation: self.timeout,
                    init: self.timeout.map(|timeout| self.init_timeout.unwrap_or(usual_init).max(timeout)),
                },
                end_grace: self.end_grace,
                registration: registration(&self.function, &command),
                metadata_token: self.function.metadata_token.clone(),
                has_objects: !self.function.is_rie && self.function.has_json_lines(&command),
                is_rie: self.function.is_rie,
                zone_id: function::zone_id(&region),
                memory_mb: self.function.memory_mb,
                printer: Printer::new(self.console, self.log_format, mark, are_lines_open),
                dead_letters,
                runs_nothing: self.reserved == Some(0),
                feed,
            },
            region,
            environments: if self.command.is_some() { self.environments } else { 1 },
            command: self.command,
            function: self.function,
            runtime_api: runtime_api.listener,
            front: front.map(|front| front.listener),
            url: url.map(|url| url.listener),
            options: self.callers,
            addresses,
            others: self.others,
            extensions: self.extensions,
            reserved: self.reserved,
            watched: self.watched,
            is_announced: self.is_announced,
            has_exports,
            held: self.held,
            owns_process: self.owns_process,
            leaves_dead_letters: self.leaves_dead_letters,
        };
        Running::start(parts, addresses, lines)
    }
}

impl Emulator {
    /// Finds what is wrong before anything is started, as far as it can be found so: names, files of variables, and a program
    /// that is not there.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    #[doc(hidden)]
    pub fn check(mut self) -> Result<(), StartError> {
        let command = self.prepare()?;
        // One that is started later may be made until then.
        if self.command.is_none() || self.start.is_lazy || diagnosis::file(&command).is_some() {
            return Ok(());
        }
        let error = diagnosis::of_start(&command, false, Errno::NOENT.into());
        Err(StartError::Program { name: command.get_program().to_string_lossy().into_owned(), error })
    }

    /// The command as it is configured, if nothing is wrong with what it finds.
    fn prepare(&mut self) -> Result<Command, StartError> {
        // With AWS's emulator every function is called `function`.
        if !self.function.is_rie && !arn::is_function_name(&self.function.name) {
            return Err(StartError::Name(self.function.name.clone()));
        }
        let mut command = self.command.as_ref().map_or_else(|| Command::new(""), process::copy);
        self.function.variables.prepare().map_err(StartError::Variables)?;
        self.function.variables.set(&mut command).map_err(StartError::Variables)?;
        match function::named_region(&command) {
            Some((variable, region)) if !arn::is_region(&region) => Err(StartError::Region { variable, region }),
            _ => Ok(command),
        }
    }
}

/// What an extension learns of the function.
fn registration(function: &Function, command: &Command) -> Registration {
    let handler = function.handler(command).to_string_lossy().into_owned();
    Registration { name: function.name.clone(), version: function.version.clone(), handler }
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

fn bind(address: SocketAddr) -> Result<Bound, StartError> {
    listen(address).map_err(|error| StartError::Listen { address, error })
}

fn listen(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // Once more, for a longer queue than std's.
    rustix::net::listen(&listener, limits::BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}
