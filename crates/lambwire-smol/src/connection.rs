//! One TCP connection, whose futures wait without a time-out.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::task::Poll;

use lambwire::{Api, Unwritten, limits};
use smol::{Async, Timer, future};

pub(crate) struct Connection {
    stream: Async<TcpStream>,
    /// The stream may hold bytes that no event will tell of.
    readable: bool,
}

impl Connection {
    pub(crate) async fn open(api: &Api) -> io::Result<Self> {
        let stream = connect(api).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(Self { stream, readable: false })
    }

    /// Writes all parts, in one call if the socket takes them.
    pub(crate) async fn write(&mut self, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
        let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let mut written = 0;
        let mut parts = parts.map(IoSlice::new);
        let mut parts = parts.as_mut_slice();
        while written < total {
            let error = match self.stream.get_ref().write_vectored(parts) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(len) => {
                    written += len as u64;
                    IoSlice::advance_slices(&mut parts, len);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.writable().await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            return Err(Unwritten { written, error });
        }
        Ok(())
    }

    /// Reads what there is, or waits until there is something. 0 is the end of the connection.
    pub(crate) async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.readable {
                // A read before would find nothing: the reply to what was just written is not there yet.
                poll_fn(|cx| self.stream.poll_readable(cx)).await?;
                self.readable = true;
            }
            match self.stream.get_ref().read(space) {
                Ok(len) => {
                    // A read that leaves space has emptied the socket, and the next bytes make an event.
                    self.readable = len == space.len();
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the socket takes bytes again. One that is ready to be read from instead is about to refuse the rest.
    async fn writable(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            while self.stream.poll_readable(cx)?.is_ready() {
                // The reactor also tells of bytes that have been read since, without asking it.
                match self.stream.get_ref().peek(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => {
                        self.readable = true;
                        return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
                    }
                }
            }
            self.stream.poll_writable(cx)
        })
        .await
    }
}

async fn connect(api: &Api) -> io::Result<Async<TcpStream>> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{} has no address", api.host()));
    for address in smol::net::resolve((api.host(), api.port())).await? {
        let too_late = async {
            Timer::after(limits::CONNECT_TIMEOUT).await;
            Err(ErrorKind::TimedOut.into())
        };
        match future::or(Async::<TcpStream>::connect(address), too_late).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::spawn;

    use super::*;

    /// More than the buffers of both sockets hold.
    const LARGE: usize = 32 * 1024 * 1024;

    #[test]
    fn bytes_that_have_been_read_do_not_end_a_write() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Api::new(&listener.local_addr().unwrap().to_string()).unwrap();
        smol::block_on(async {
            let mut connection = Connection::open(&api).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let mut is_asked = false;
            // The reactor is asked for bytes, and tells of them, which nobody listens to.
            poll_fn(|cx| {
                if is_asked {
                    return Poll::Ready(());
                }
                assert!(connection.stream.poll_readable(cx).is_pending());
                peer.write_all(b"!").unwrap();
                is_asked = true;
                Poll::Pending
            })
            .await;
            connection.readable = true;
            assert_eq!(connection.read(&mut [0]).await.unwrap(), 1);
            let reader = spawn(move || {
                let mut space = vec![0; LARGE];
                peer.read_exact(&mut space).map(|()| space)
            });
            connection.write([&vec![7; LARGE], b"", b"", b""]).await.unwrap();
            assert!(reader.join().unwrap().unwrap().iter().all(|&byte| byte == 7));
        });
    }
}
