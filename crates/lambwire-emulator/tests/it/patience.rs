//! What a test waits for, for as long as that may take: what never comes fails the test, and holds up no other.

use std::io::{self, BufReader, ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

/// Long enough for whatever a test waits for that does come.
pub(crate) const AMPLE: Duration = Duration::from_secs(300);

#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < AMPLE, "{what} never came about");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What an output says.
pub(crate) fn patient<R: AsFd + Read>(output: R) -> BufReader<Patient<R>> {
    BufReader::new(Patient(output))
}

/// The connection that somebody makes.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    wait_for_input(listener).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(AMPLE)).unwrap();
    stream
}

/// Whether a read or a look at a connection has found its end, by whatever it was lost; that nothing has come is none.
pub(crate) fn is_end(read: io::Result<usize>) -> bool {
    match read {
        Ok(len) => len == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

pub(crate) struct Patient<R>(R);

impl<R: AsFd + Read> Read for Patient<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        wait_for_input(&self.0)?;
        self.0.read(buf)
    }
}

fn wait_for_input(source: impl AsFd) -> io::Result<()> {
    let timeout = AMPLE.try_into().map_err(io::Error::other)?;
    let ready = poll(&mut [PollFd::new(&source, PollFlags::IN)], Some(&timeout))?;
    if ready == 0 { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
}
