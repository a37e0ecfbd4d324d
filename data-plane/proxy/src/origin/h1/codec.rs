//! One connection to a node, and one exchange on it: request out, answer in, both polled from the
//! task of the client's request. There is no second task and no channel.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::StatusCode;
use smallvec::SmallVec;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::parse::{self, Asked, Head};
use crate::error::Reason;
use crate::h1::body::{Decoded, Decoder};
use crate::h1::out::Out;
use crate::h1::scan::Scanner;
use crate::origin::Failure;
use crate::origin::exchange::{self, MAX_INTERIM, Piece};
use crate::origin::stream::Stream;
use crate::origin::upload::Upload;
use crate::origin::wait::{Sending, Wait};
use crate::tls;
use crate::upstream::timeout::Limits;
use crate::worker::buffers::Buffers;
use crate::worker::wheel::Timer;

/// Room made for one read while a head is awaited.
const HEAD_READ: usize = 4 * 1024;
/// Room made for one read of a body: first, and at most.
const BODY_READ: (usize, usize) = (8 * 1024, 64 * 1024);

/// A connection to a node, between exchanges.
pub struct Connection {
    io: Stream,
    timer: Timer,
    served: u64,
}

impl Connection {
    /// A fresh connection.
    #[must_use]
    pub fn new(io: Stream, timer: Timer) -> Self {
        Self {
            io,
            timer,
            served: 0,
        }
    }

    /// Requests that were answered on it.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served
    }

    /// Requests that wait for its place, on all workers; `None` when it holds none.
    #[must_use]
    pub fn awaited(&self) -> Option<u32> {
        self.io.permit().map(|permit| permit.awaited())
    }

    /// Whether nothing has come and the node has not closed it. Anything that an idle connection
    /// says is unasked for, and ends its use.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        self.io.is_quiet()
    }
}

/// A connection that speaks no HTTP any more.
pub struct Upgraded {
    /// The stream.
    pub io: Stream,
    /// What came behind the head of the 101.
    pub input: BytesMut,
    /// Limits of the node.
    pub limits: Limits,
    /// A timer.
    pub timer: Timer,
}

/// One request and its answer on one connection.
pub struct Exchange {
    connection: Connection,
    out: Out,
    upload: Upload,
    sending: Sending,
    /// Whether the end of the body has been put into `out`.
    body_queued: bool,
    wait: Wait,
    asked: Asked,
    input: BytesMut,
    scanner: Scanner,
    interim: u8,
    told: SmallVec<[exchange::Head; 0]>,
    upgraded: bool,
    decoder: Decoder,
    persistent: bool,
    read_size: usize,
    buffers: Buffers,
    sent: bool,
    answered: bool,
}

impl Exchange {
    /// Prepares an exchange; nothing is sent until it is polled. `head` is the serialised request
    /// head. Memory to read into is taken from `buffers` when something comes.
    #[must_use]
    pub fn new(
        connection: Connection,
        head: BytesMut,
        upload: Upload,
        asked: Asked,
        limits: Limits,
        buffers: Buffers,
    ) -> Self {
        Self {
            body_queued: upload.length() == Some(0),
            connection,
            out: Out::new(head),
            upload,
            sending: Sending::Node,
            wait: Wait::new(limits),
            asked,
            input: BytesMut::new(),
            scanner: Scanner::default(),
            interim: 0,
            told: SmallVec::new(),
            upgraded: false,
            decoder: Decoder::done(),
            persistent: false,
            read_size: BODY_READ.0,
            buffers,
            sent: false,
            answered: false,
        }
    }

    /// Sends the request and waits for the head of the answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        let mut progress = self.poll_send(cx).map_err(|reason| self.failure(reason))?;
        loop {
            match self.take_head() {
                Ok(Some(head)) => {
                    self.wait.headed(&self.connection.timer);
                    return Poll::Ready(Ok(head));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "answer of a node refused");
                    return Poll::Ready(Err(self.failure(Reason::BadResponse)));
                }
            }
            match self.poll_read(cx, HEAD_READ) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(self.failure(Reason::ResetBeforeHeader)));
                }
                Poll::Ready(Err(error)) => {
                    // A node may refuse our certificate only when the handshake is over for us.
                    let refused = tls::node::reason(&error);
                    let refused = refused.filter(|why| *why == Reason::TlsClientCertificate);
                    let reason = refused.unwrap_or(Reason::ResetBeforeHeader);
                    return Poll::Ready(Err(self.failure(reason)));
                }
                Poll::Ready(Ok(_)) => {
                    self.answered = true;
                    progress = true;
                }
                Poll::Pending => {
                    let expired = ready!(self.poll_limit(cx, progress));
                    return Poll::Ready(Err(self.failure(expired)));
                }
            }
        }
    }

    /// The next interim answer that came before the head.
    pub fn take_interim(&mut self) -> Option<exchange::Head> {
        (!self.told.is_empty()).then(|| self.told.remove(0))
    }

    /// Whether the answer was 101, as asked.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// The bare connection, after a 101.
    #[must_use]
    pub fn into_upgraded(self, buffers: &Buffers) -> Upgraded {
        buffers.give(self.out.flat);
        Upgraded {
            io: self.connection.io,
            input: self.input,
            limits: self.wait.limits(),
            timer: self.connection.timer,
        }
    }

    /// The next piece of the answer's body; `None` after the last. The request goes on being sent
    /// meanwhile.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        let mut progress = match self.poll_send(cx) {
            Ok(progress) => progress,
            Err(reason) => return Poll::Ready(Some(Err(reason))),
        };
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Decoded::Data(piece)) => {
                    self.wait.over(&self.connection.timer);
                    return Poll::Ready(Some(Ok(Piece::Data(piece))));
                }
                Ok(Decoded::End) => {
                    self.wait.over(&self.connection.timer);
                    let trailers = self.decoder.take_trailers();
                    return Poll::Ready(trailers.map(|last| Ok(Piece::Trailers(last))));
                }
                Ok(Decoded::More) => {}
                Err(error) => {
                    tracing::debug!(%error, "body of a node refused");
                    return Poll::Ready(Some(Err(Reason::ResponseTruncated)));
                }
            }
            match self.poll_read(cx, self.room()) {
                Poll::Ready(Ok(0)) => {
                    self.persistent = false;
                    let ended = self.decoder.end_of_stream();
                    return Poll::Ready(ended.err().map(|_| Err(Reason::ResponseTruncated)));
                }
                Poll::Ready(Ok(_)) => progress = true,
                Poll::Ready(Err(_)) => {
                    return Poll::Ready(Some(Err(Reason::ResponseTruncated)));
                }
                Poll::Pending => {
                    return self
                        .poll_limit(cx, progress)
                        .map(|reason| Some(Err(reason)));
                }
            }
        }
    }

    /// Whether the answer's body is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.decoder.is_done()
    }

    /// Bytes of the answer's body still to come, when the framing tells.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.decoder.remaining()
    }

    /// Bytes that the client has sent as body.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.upload.received()
    }

    /// The request body.
    #[must_use]
    pub fn upload(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// Takes the request body out, for another try; nothing more of it is sent.
    #[must_use]
    pub fn take_upload(&mut self) -> Upload {
        if self.sending != Sending::Done {
            self.sending = Sending::Broken;
        }
        std::mem::replace(&mut self.upload, Upload::empty())
    }

    /// Gives the request body back, for another try.
    #[must_use]
    pub fn into_upload(self, buffers: &Buffers) -> Upload {
        buffers.give(self.out.flat);
        buffers.give(self.input);
        self.upload
    }

    /// Ends the exchange. The connection is returned when it may carry another request: the
    /// answer is complete, so is the request, and not a byte more has come.
    #[must_use]
    pub fn finish(mut self, buffers: &Buffers) -> Option<Connection> {
        let clean = self.persistent
            && self.decoder.is_done()
            && self.sending == Sending::Done
            && self.input.is_empty();
        buffers.give(self.out.flat);
        buffers.give(self.input);
        self.connection.timer.disarm();
        self.connection.served += 1;
        clean.then_some(self.connection)
    }

    fn take_head(&mut self) -> Result<Option<Head>, parse::BadHead> {
        while let Some(size) = parse::find_end(&mut self.scanner, &self.input)? {
            self.scanner = Scanner::default();
            let head = parse::take_head(&mut self.input, size, &self.asked)?;
            self.upgraded = head.status == StatusCode::SWITCHING_PROTOCOLS;
            if !head.status.is_informational() || self.upgraded {
                self.decoder = head.body.clone();
                self.persistent = head.persistent;
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(parse::BadHead::Syntax);
            }
            // Whether the client may send its body is between it and us.
            if head.status != StatusCode::CONTINUE {
                self.told.push(exchange::Head {
                    status: head.status,
                    headers: head.headers,
                });
            }
        }
        Ok(None)
    }

    fn room(&self) -> usize {
        let wanted = self.decoder.remaining().unwrap_or(u64::MAX);
        usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .clamp(1, self.read_size)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        self.buffers.prepare(&mut self.input, room);
        let spare = self.input.capacity() - self.input.len();
        let read = pin!(self.connection.io.read_buf(&mut self.input)).poll(cx);
        if read.is_pending() && self.input.is_empty() {
            self.buffers.give(std::mem::take(&mut self.input));
        }
        let size = ready!(read)?;
        if size == spare {
            self.read_size = (self.read_size * 2).min(BODY_READ.1);
        }
        self.read_size = self.read_size.min(self.buffers.largest_read());
        Poll::Ready(Ok(size))
    }

    /// Sends what can be sent. Says whether anything moved; fails only when the client's body
    /// does, since a node that stops reading may still have answered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
        let mut progress = false;
        while matches!(self.sending, Sending::Node | Sending::Client) {
            let before = self.upload.received();
            self.fill(cx)?;
            progress |= self.upload.received() != before;
            if self.out.is_empty() {
                self.sending = Sending::Node;
                match Pin::new(&mut self.connection.io).poll_flush(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        self.stopped(&error);
                        break;
                    }
                    Poll::Pending => break,
                }
                self.buffers.give(std::mem::take(&mut self.out.flat));
                self.sending = if self.body_queued {
                    Sending::Done
                } else {
                    Sending::Client
                };
                if self.sending == Sending::Client {
                    break;
                }
                continue;
            }
            self.sending = Sending::Node;
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => self.stopped(&error),
                Poll::Pending => break,
            }
        }
        Ok(progress)
    }

    fn stopped(&mut self, error: &io::Error) {
        tracing::debug!(%error, "node stopped reading");
        self.sending = Sending::Broken;
    }

    /// Moves pieces of the client's body into `out`, as long as there is room and there are some.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let chunked = self.upload.length().is_none();
        while !self.body_queued && self.out.has_room() {
            match self.upload.poll_piece(cx) {
                Poll::Ready(Some(piece)) => {
                    if self.out.flat.capacity() == 0 {
                        self.out.flat = self.buffers.take();
                    }
                    self.out.put(piece?, chunked);
                }
                Poll::Ready(None) => {
                    if chunked {
                        self.out.put_end(self.upload.trailers());
                    }
                    self.body_queued = true;
                }
                Poll::Pending => break,
            }
            self.body_queued |= !chunked && self.upload.is_ended();
        }
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.out.poll_write(cx, &mut self.connection.io))?;
        self.sent = true;
        Poll::Ready(Ok(()))
    }

    /// Ready with the reason when the current wait has lasted too long.
    fn poll_limit(&mut self, cx: &mut Context<'_>, progress: bool) -> Poll<Reason> {
        let timer = &self.connection.timer;
        self.wait.poll(timer, cx, self.sending, progress)
    }

    fn failure(&self, reason: Reason) -> Failure {
        let reset = reason == Reason::ResetBeforeHeader;
        Failure {
            reason,
            sent: self.sent,
            stale: reset && self.connection.served > 0 && !self.answered,
        }
    }
}
