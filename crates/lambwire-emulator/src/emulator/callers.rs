//! How a function is called, and by whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Emulator;
use crate::invoke::{Cors, UrlFormat};
use crate::running::Running;

impl Emulator {
    /// Where the function has a URL, at which plain HTTP becomes events; nowhere without it.
    #[must_use]
    pub fn url(mut self, address: SocketAddr) -> Self {
        self.url = Some(address);
        self
    }

    /// The form of the events that plain HTTP becomes at the [URL](Self::url); version 2.0 without it.
    #[must_use]
    pub fn url_format(mut self, format: UrlFormat) -> Self {
        self.callers.url.format = format;
        self
    }

    /// Has a response go through the [URL](Self::url) as it comes, as with the invoke mode `RESPONSE_STREAM`.
    #[must_use]
    pub fn url_streaming(mut self) -> Self {
        self.callers.url.is_streaming = true;
        self
    }

    /// What pages of other origins may do with the [URL](Self::url): the member `Cors` of its configuration, as JSON.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn url_cors(mut self, json: &str) -> Result<Self, String> {
        self.callers.url.cors = Some(Cors::read(json)?);
        Ok(self)
    }

    /// A name by which callers may call this machine: an address and `localhost` are taken in any case, and any name is
    /// where others than this machine may call.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.callers.gate.hosts.push(host.into());
        self
    }

    /// An origin, such as `https://example.com`, whose pages may call; without this, none may.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.callers.gate.origins.push(origin.into());
        self
    }

    /// Meets callers as AWS's Runtime Interface Emulator does, with its one path, its statuses and its bodies, and has the
    /// program find what it finds there: names, memory, and no type of initialisation. It is started for its first caller,
    /// and start and invocation have one time-out. With [`concurrency`](Self::concurrency), that is RIE in its mode for
    /// managed instances: the program is started at once, and whoever would be one caller more is refused.
    #[must_use]
    pub fn as_rie(mut self) -> Self {
        self.function.is_rie = true;
        self.start.is_lazy = true;
        self.init_timeout = Some(Duration::ZERO);
        self.name("test_function").memory_mb(RIE_MEMORY_MB).timeout(RIE_TIMEOUT)
    }

    /// Has the function find Lambda at this address: AWS's SDKs read `AWS_ENDPOINT_URL_LAMBDA`. Port 0 stands for where this
    /// emulator [listens](Self::listen).
    #[must_use]
    pub fn local_lambda(mut self, address: SocketAddr) -> Self {
        self.function.lambda = Some(reachable(address));
        self
    }

    /// Has callers who name the function of another emulator reach it by the port of this one, which has to be the last
    /// to end. Then a function is reached by its own name alone.
    #[must_use]
    pub fn also(mut self, other: &Running) -> Self {
        self.callers.others.push(other.callers().clone());
        self.callers.feeds.push(Arc::clone(other.feed()));
        self.held.push(Arc::clone(other.lines()));
        self.others.push((other.callers().function().to_owned(), other.addresses()));
        self
    }

    /// Throttles whoever would be one more than so many callers at a time, as reserved concurrency does. Without this they
    /// wait. An event that nobody waits for does so all the same, but with 0 it is given up at once, as on AWS.
    #[must_use]
    pub fn reserved_concurrency(mut self, callers: usize) -> Self {
        self.reserved = Some(callers);
        self
    }

    /// Appends each event that nobody waits for, and that is given up, to this file: as one line of JSON, in the
    /// form in which AWS has it for destinations. Nothing waits for one who reads them: of a pipe that nobody reads, or that
    /// is full, they do not come out.
    #[must_use]
    pub fn dead_letters(mut self, file: impl Into<PathBuf>) -> Self {
        self.dead_letters = Some(file.into());
        self
    }

    /// Where to listen for callers who speak HTTP; nowhere without it.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }
}

/// What a function has under AWS's emulator, if nothing else is said.
const RIE_MEMORY_MB: u32 = 3008;
const RIE_TIMEOUT: Duration = Duration::from_secs(300);

/// Where this machine finds what listens there: all addresses are no place to go to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
    }
}
