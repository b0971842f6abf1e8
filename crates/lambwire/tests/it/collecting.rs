//! Collecting what was sent in a reader, and checking it against the events.

use lambwire::{
    Client, CompleteReply, CompleteRequest, Message, MessageReader, Progress, ReceiveError, Reply, Request, Server,
};

use crate::cuts::{Accepting, Asking, Heard, Peer, Stop, hear};

/// A peer whose messages a reader can collect.
pub(crate) trait Collector: Peer {
    type Whole: std::fmt::Debug + PartialEq;

    fn collect(&mut self, reader: &mut MessageReader, buf: &mut [u8]) -> Result<Progress<Self::Whole>, ReceiveError>;

    fn read<'b>(&self, whole: Self::Whole, buf: &'b [u8]) -> Result<Message<'b, Self::Head<'b>>, ReceiveError>;

    fn is_same(collected: Self::Head<'_>, heard: Self::Head<'_>) -> bool;
}

impl Collector for Client {
    type Whole = CompleteReply;

    fn collect(&mut self, reader: &mut MessageReader, buf: &mut [u8]) -> Result<Progress<CompleteReply>, ReceiveError> {
        reader.receive_reply(self, buf)
    }

    fn read<'b>(&self, whole: CompleteReply, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        whole.read(buf)
    }

    fn is_same(collected: Reply<'_>, heard: Reply<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Asking {
    type Whole = CompleteReply;

    fn collect(&mut self, reader: &mut MessageReader, buf: &mut [u8]) -> Result<Progress<CompleteReply>, ReceiveError> {
        reader.receive_reply(&mut self.client, buf)
    }

    fn read<'b>(&self, whole: CompleteReply, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        whole.read(buf)
    }

    fn is_same(collected: Reply<'_>, heard: Reply<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Server {
    type Whole = CompleteRequest;

    fn collect(
        &mut self,
        reader: &mut MessageReader,
        buf: &mut [u8],
    ) -> Result<Progress<CompleteRequest>, ReceiveError> {
        reader.receive_request(self, buf)
    }

    fn read<'b>(&self, whole: CompleteRequest, buf: &'b [u8]) -> Result<Message<'b, Request<'b>>, ReceiveError> {
        whole.read(self, buf)
    }

    fn is_same(collected: Request<'_>, heard: Request<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Accepting {
    type Whole = CompleteRequest;

    fn collect(
        &mut self,
        reader: &mut MessageReader,
        buf: &mut [u8],
    ) -> Result<Progress<CompleteRequest>, ReceiveError> {
        self.server.collect(reader, buf)
    }

    fn read<'b>(&self, whole: CompleteRequest, buf: &'b [u8]) -> Result<Message<'b, Request<'b>>, ReceiveError> {
        self.server.read(whole, buf)
    }

    fn is_same(collected: Request<'_>, heard: Request<'_>) -> bool {
        Server::is_same(collected, heard)
    }
}

/// Collects what `wire` says, read up to each of `ends` in turn into a buffer that begins with `space` bytes, and
/// checks it against the events. Gives how often the buffer was enlarged.
#[track_caller]
pub(crate) fn check_reader<P: Collector>(peer: &P, wire: &[u8], ends: &[usize], space: usize) -> usize {
    let expected = hear(peer, wire, [wire.len()]);
    let mut messages = expected.messages.iter().filter(|heard| heard.trailers.is_some());
    let (mut peer, mut reader, mut buf) = (peer.clone(), MessageReader::new(), vec![0xaa; space]);
    let (mut at, mut enlarged, mut is_closed) = (0, 0, false);
    loop {
        match peer.collect(&mut reader, &mut buf) {
            Ok(Progress::Complete(whole)) => {
                match peer.read(whole, &buf) {
                    Ok(message) => check_message::<P>(message, messages.next().expect("one message too many")),
                    Err(error) => {
                        assert_eq!(Err(error), expected.stop);
                        break;
                    }
                }
                peer.speak();
            }
            Ok(Progress::NeedSpace { total }) => {
                assert!(total > buf.len());
                enlarged += 1;
                // What is announced may be more than there is memory.
                buf.resize(total.min(buf.len() + wire.len() + 1), 0xaa);
            }
            Ok(Progress::NeedInput) if at < wire.len() => {
                let end = ends.iter().copied().find(|&end| end > at).unwrap_or(wire.len());
                let room = reader.space(&mut buf);
                assert!(!room.is_empty(), "input is wanted, and there is no room for it");
                let len = room.len().min(end - at);
                room[..len].copy_from_slice(&wire[at..at + len]);
                reader.filled(len);
                at += len;
            }
            Ok(Progress::NeedInput) if is_closed => {
                assert!(expected.stop.is_ok(), "{:?} is missing", expected.stop);
                break;
            }
            Ok(Progress::NeedInput) => {
                is_closed = true;
                if let Err(error) = peer.receive_eof() {
                    check_error(error, expected.stop);
                    break;
                }
            }
            Err(error) => {
                check_error(error, expected.stop);
                assert_eq!(peer.collect(&mut reader, &mut buf), Err(error), "errors are final");
                break;
            }
        }
    }
    assert!(messages.next().is_none(), "a message is missing");
    enlarged
}

/// A reader reports a bad id when the reply is whole and is read, so that worse things come before it.
#[track_caller]
fn check_error(error: ReceiveError, heard: Result<Stop, ReceiveError>) {
    use ReceiveError::{BadRequestId, NoExtensionId, NoRequestId, TwoRequestIds};
    if !matches!(heard, Err(NoRequestId | BadRequestId | TwoRequestIds | NoExtensionId)) {
        assert_eq!(Err(error), heard);
    }
}

#[track_caller]
fn check_message<P: Collector>(message: Message<'_, P::Head<'_>>, heard: &Heard<'_, P::Head<'_>>) {
    assert!(P::is_same(message.head, heard.head), "{:?} is not {:?}", message.head, heard.head);
    assert_eq!(message.headers, heard.headers);
    assert_eq!(message.body, heard.body);
    assert_eq!(Some(message.trailers), heard.trailers);
}
