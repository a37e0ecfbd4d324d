//! Frames of JSON, and descriptors, over a Unix stream.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::Error;
use super::message::Message;

/// Bytes of one frame.
const LONGEST: usize = 64 << 10;
/// Descriptors beside one byte; the kernel takes 253.
const AT_ONCE: usize = 64;
/// Descriptors in all.
const MOST: usize = 16 << 10;

/// One side of a takeover.
pub(super) struct Channel {
    stream: UnixStream,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// Whether the other side runs as `user`.
    pub(super) fn is_of(&self, user: u32) -> io::Result<bool> {
        Ok(self.stream.peer_cred()?.uid() == user)
    }

    /// Says something.
    pub(super) async fn send(&mut self, message: &Message, limit: Duration) -> Result<(), Error> {
        let json = serde_json::to_vec(message).map_err(io::Error::from)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        let frame = [&length.to_be_bytes()[..], &json].concat();
        within(limit, async { Ok(self.stream.write_all(&frame).await?) }).await
    }

    /// What the other side says next; a refusal is an error.
    pub(super) async fn receive(&mut self, limit: Duration) -> Result<Message, Error> {
        let frame = within(limit, async {
            let length = self.stream.read_u32().await?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > LONGEST {
                return Err(Error::Unexpected(format!("a frame of {length} bytes")));
            }
            let mut frame = vec![0; length];
            self.stream.read_exact(&mut frame).await?;
            Ok(frame)
        });
        let frame = frame.await?;
        match serde_json::from_slice(&frame) {
            Ok(Message::Refuse { reason }) => Err(Error::Refused(reason)),
            Ok(message) => Ok(message),
            Err(error) => Err(Error::Unexpected(format!(
                "what is not understood: {error}"
            ))),
        }
    }

    /// Passes descriptors on.
    pub(super) async fn send_descriptors(
        &mut self,
        descriptors: &[OwnedFd],
        limit: Duration,
    ) -> Result<(), Error> {
        for chunk in descriptors.chunks(AT_ONCE) {
            let chunk: Vec<BorrowedFd<'_>> = chunk.iter().map(AsFd::as_fd).collect();
            let send = self.stream.async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !control.push(SendAncillaryMessage::ScmRights(&chunk)) {
                    return Err(io::Error::other("too many descriptors at once"));
                }
                let sent = sendmsg(
                    &self.stream,
                    &[IoSlice::new(b"d")],
                    &mut control,
                    SendFlags::NOSIGNAL,
                );
                Ok(sent?)
            });
            within(limit, async { Ok(send.await?) }).await?;
        }
        Ok(())
    }

    /// Takes `count` descriptors.
    pub(super) async fn receive_descriptors(
        &mut self,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<OwnedFd>, Error> {
        if count > MOST {
            return Err(Error::Unexpected(format!("{count} descriptors follow")));
        }
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let receive = self.stream.async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut byte = [0];
                let received = recvmsg(
                    &self.stream,
                    &mut [IoSliceMut::new(&mut byte)],
                    &mut control,
                    RecvFlags::CMSG_CLOEXEC,
                )?;
                let mut some = Vec::new();
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                        some.extend(descriptors);
                    }
                }
                Ok((received.bytes, some))
            });
            let (bytes, some) = within(limit, async { Ok(receive.await?) }).await?;
            if bytes == 0 {
                return Err(Error::Gone);
            }
            if some.is_empty() || taken.len() + some.len() > count {
                let told = format!("{} descriptors where {count} were told", some.len());
                return Err(Error::Unexpected(told));
            }
            taken.extend(some);
        }
        Ok(taken)
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let done = tokio::time::timeout(limit, work).await;
    match done.unwrap_or(Err(Error::Silent(limit))) {
        Err(Error::Io(error)) if is_gone(error.kind()) => Err(Error::Gone),
        other => other,
    }
}

fn is_gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind;
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn pair() -> (Channel, UnixStream) {
        let (one, other) = UnixStream::pair().unwrap();
        (Channel::new(one), other)
    }

    #[tokio::test]
    async fn messages_and_descriptors_arrive_in_order() {
        let (mut one, other) = pair();
        let mut other = Channel::new(other);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let count = AT_ONCE * 2 + 3;
        let clones = (0..count).map(|_| listener.try_clone().unwrap().into());
        let clones: Vec<OwnedFd> = clones.collect();
        one.send(&Message::Ready, LIMIT).await.unwrap();
        one.send_descriptors(&clones, LIMIT).await.unwrap();
        one.send(&Message::Serving, LIMIT).await.unwrap();
        assert_eq!(other.receive(LIMIT).await.unwrap(), Message::Ready);
        let taken = other.receive_descriptors(count, LIMIT).await.unwrap();
        assert_eq!(other.receive(LIMIT).await.unwrap(), Message::Serving);
        assert_eq!(taken.len(), count);
        for descriptor in taken {
            assert_eq!(TcpListener::from(descriptor).local_addr().unwrap(), address);
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        for (bytes, expected) in [
            (
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                "a frame of 1195725856 bytes",
            ),
            (b"\0\0\0\x02[]", "what is not understood"),
            (
                b"\0\0\0\x12{\"type\":\"unheard\"}",
                "what is not understood",
            ),
            (b"\0\0\0\x09{\"type\":", "ended the connection"),
            (b"", "ended the connection"),
        ] {
            let (mut one, mut other) = pair();
            other.write_all(bytes).await.unwrap();
            drop(other);
            let error = one.receive(LIMIT).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{bytes:?}: {error}");
        }
    }

    #[tokio::test]
    async fn silence_ends() {
        let (mut one, _other) = pair();
        let short = Duration::from_millis(20);
        let error = one.receive(short).await.unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error}");
        let error = one.receive_descriptors(1, short).await.unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error}");
    }

    #[tokio::test]
    async fn bytes_where_descriptors_were_told_are_refused() {
        let (mut one, mut other) = pair();
        other.write_all(b"d").await.unwrap();
        let error = one.receive_descriptors(1, LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
        let error = one.receive_descriptors(MOST + 1, LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
    }
}
