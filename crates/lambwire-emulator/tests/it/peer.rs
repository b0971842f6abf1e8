//! A runtime in this process, over [`lambwire::Client`].

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use lambwire::{Body, Client, ErrorHeaders, Event, InvocationId, Mode, Reply, Request, RequestId};

use crate::patience::AMPLE;

/// A runtime's connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    client: Client,
    /// What has been read and not received.
    input: Vec<u8>,
}

/// An invocation as a runtime gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) id: String,
    pub(crate) event: Vec<u8>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) function_arn: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) cognito_identity: Option<String>,
    pub(crate) tenant_id: Option<String>,
    /// The nonce.
    pub(crate) invocation_id: Option<Vec<u8>>,
}

/// What the Runtime API says to an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) fn accepted() -> Said {
    said(202, "{\"status\":\"OK\"}\n")
}

pub(crate) fn said(status: u16, body: &str) -> Said {
    let body = body.to_owned();
    Said { status, body }
}

/// A response that is being sent.
pub(crate) struct Stream<'p>(&'p mut Peer);

impl Stream<'_> {
    pub(crate) fn write(&mut self, part: &[u8]) {
        let frame = self.0.client.frame(part.len()).unwrap();
        for bytes in [frame.before(), part, frame.after()] {
            self.0.stream.write_all(bytes).unwrap();
        }
    }

    pub(crate) fn end(self) -> Said {
        self.close(None)
    }

    /// Ends it; with a report, it fails.
    fn close(self, report: Option<&[u8]>) -> Said {
        let mut out = [0; 1024];
        let len = match report {
            Some(report) => self.0.client.finish_with_error("Function.Broken", report, &mut out),
            None => self.0.client.finish(&mut out),
        };
        self.0.stream.write_all(&out[..len.unwrap()]).unwrap();
        self.0.said()
    }
}

impl Drop for Peer {
    /// The connection ends now: a process that another test is just starting may hold it as well, for a moment.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(AMPLE)).unwrap();
        Self { stream, client: Client::new(&address.to_string()).unwrap(), input: Vec::new() }
    }

    /// Asks for an invocation that has to come.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Given {
        self.try_next().unwrap()
    }

    pub(crate) fn try_next(&mut self) -> Result<Given, Said> {
        self.ask_next();
        self.asked_next()
    }

    /// Receives what [`ask_next`](Self::ask_next) asked for.
    pub(crate) fn asked_next(&mut self) -> Result<Given, Said> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (head, body) = self.receive(|reply| match reply {
            Reply::Invocation(context) => Ok(Given {
                id: context.request_id.to_string(),
                event: Vec::new(),
                deadline_ms: context.deadline_ms,
                function_arn: text(context.invoked_function_arn),
                trace_id: text(context.trace_id),
                client_context: text(context.client_context_json),
                cognito_identity: text(context.cognito_identity_json),
                tenant_id: text(context.tenant_id),
                invocation_id: context.invocation_id.map(|id| id.as_bytes().to_vec()),
            }),
            reply => Err(reply.status()),
        });
        match head {
            Ok(given) => Ok(Given { event: body, ..given }),
            Err(status) => Err(said(status, str::from_utf8(&body).unwrap())),
        }
    }

    pub(crate) fn ask_next(&mut self) {
        self.send(&Request::Next, b"");
    }

    pub(crate) fn respond(&mut self, id: &str, body: &[u8]) -> Said {
        self.respond_as(id, None, body)
    }

    pub(crate) fn respond_as(&mut self, id: &str, content_type: Option<&str>, body: &[u8]) -> Said {
        let request = Request::Response {
            id: RequestId::new(id).unwrap(),
            invocation_id: None,
            content_type,
            mode: Mode::Buffered,
        };
        self.send(&request, body);
        self.said()
    }

    /// Answers with this nonce.
    pub(crate) fn respond_with(&mut self, id: &str, nonce: &[u8], body: &[u8]) -> Said {
        let request = Request::Response {
            id: RequestId::new(id).unwrap(),
            invocation_id: Some(InvocationId::new(nonce).unwrap()),
            content_type: None,
            mode: Mode::Buffered,
        };
        self.send(&request, body);
        self.said()
    }

    pub(crate) fn fail(&mut self, id: &str, report: &[u8]) -> Said {
        let request =
            Request::Error { id: RequestId::new(id).unwrap(), invocation_id: None, headers: ErrorHeaders::default() };
        self.send(&request, report);
        self.said()
    }

    pub(crate) fn fail_to_start(&mut self, report: &[u8]) -> Said {
        self.send(&Request::InitError(ErrorHeaders::default()), report);
        self.said()
    }

    pub(crate) fn restore_next(&mut self) -> Said {
        self.send(&Request::RestoreNext, b"");
        self.said()
    }

    pub(crate) fn fail_to_restore(&mut self, report: &[u8]) -> Said {
        let error_type = Some("Runtime.AfterRestoreError");
        self.send(&Request::RestoreError(ErrorHeaders { error_type, ..ErrorHeaders::default() }), report);
        self.said()
    }

    /// Streams the parts; with a report, the stream fails behind them.
    pub(crate) fn stream(&mut self, id: &str, parts: &[&[u8]], report: Option<&[u8]>) -> Said {
        let mut stream = self.begin_stream(id, "text/x-stream");
        for part in parts {
            stream.write(part);
        }
        stream.close(report)
    }

    pub(crate) fn begin_stream(&mut self, id: &str, content_type: &str) -> Stream<'_> {
        let request = Request::Response {
            id: RequestId::new(id).unwrap(),
            invocation_id: None,
            content_type: Some(content_type),
            mode: Mode::Streaming,
        };
        let mut out = [0; 1024];
        let len = self.client.send(&request, Body::Chunked, &mut out).unwrap();
        self.stream.write_all(&out[..len]).unwrap();
        Stream(self)
    }

    pub(crate) fn send(&mut self, request: &Request<'_>, body: &[u8]) {
        let mut head = [0; 1024];
        let framing = Body::Exact(body.len() as u64);
        let len = self.client.send(request, framing, &mut head).unwrap();
        self.client.frame(body.len()).unwrap();
        self.stream.write_all(&[&head[..len], body].concat()).unwrap();
    }

    /// Waits until the Runtime API closes the connection; `false` if it says something instead.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).unwrap() == 0
    }

    pub(crate) fn said(&mut self) -> Said {
        let (status, body) = self.receive(|reply| reply.status());
        said(status, str::from_utf8(&body).unwrap())
    }

    /// Receives a reply: what `read` makes of its head, and its body.
    fn receive<T>(&mut self, read: impl Fn(&Reply<'_>) -> T) -> (T, Vec<u8>) {
        let (mut head, mut body) = (None, Vec::new());
        loop {
            let received = self.client.receive(&self.input).unwrap();
            let used = received.used;
            match received.event {
                Event::Head { head: reply, .. } => head = Some(read(&reply)),
                Event::Data(data) => body.extend_from_slice(data),
                Event::End { .. } => {
                    self.input.drain(..used);
                    return (head.unwrap(), body);
                }
                _ => {
                    let mut piece = vec![0; 64 * 1024];
                    let mut read = self.stream.read(&mut piece);
                    // One with a limit does not survive a freeze (signal(7)).
                    while read.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
                        read = self.stream.read(&mut piece);
                    }
                    let len = read.unwrap();
                    assert!(len > 0, "the Runtime API has closed the connection");
                    self.input.extend_from_slice(&piece[..len]);
                }
            }
            self.input.drain(..used);
        }
    }
}
