//! One request and its answer on a shared connection, polled from the request's own task.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason as Code, RecvStream, SendStream};
use http::header::{self, HeaderMap};
use http::{Method, Request, StatusCode};
use smallvec::SmallVec;

use super::Lease;
use crate::error::Reason;
use crate::http::{hop, trailers};
use crate::origin::Failure;
use crate::origin::exchange::{Head, MAX_INTERIM, Piece};
use crate::origin::upload::Upload;
use crate::origin::wait::{Sending, Wait};
use crate::tls;
use crate::upstream::timeout::Limits;
use crate::worker::wheel::Timer;

/// Bytes of a request body for which room is asked at once.
const PIECE: usize = 16 * 1024;

/// An exchange. Dropping it cancels the stream.
pub struct Exchange {
    response: ResponseFuture,
    send: SendStream<Bytes>,
    receive: Option<RecvStream>,
    upload: Upload,
    /// What the client has sent and the node has not taken.
    piece: Bytes,
    sending: Sending,
    wait: Wait,
    timer: Timer,
    method: Method,
    interim: u8,
    told: SmallVec<[Head; 0]>,
    remaining: Option<u64>,
    /// Whether everything of the answer was taken.
    done: bool,
    // Dropped last: the place is free when the stream is.
    lease: Lease,
}

impl Exchange {
    /// Sends the head; the rest when it is polled.
    ///
    /// # Errors
    /// The connection takes no more requests; the body is given back.
    pub fn begin(
        mut lease: Lease,
        request: Request<()>,
        upload: Upload,
        limits: Limits,
        timer: Timer,
    ) -> Result<Self, Box<(Failure, Upload)>> {
        let method = request.method().clone();
        let bodiless = upload.length() == Some(0);
        match lease.sender.send_request(request, bodiless) {
            Ok((response, send)) => Ok(Self {
                response,
                send,
                receive: None,
                upload,
                piece: Bytes::new(),
                sending: if bodiless {
                    Sending::Done
                } else {
                    Sending::Node
                },
                wait: Wait::new(limits),
                timer,
                method,
                interim: 0,
                told: SmallVec::new(),
                remaining: None,
                done: false,
                lease,
            }),
            Err(error) => {
                tracing::debug!(%error, "HTTP/2 connection takes no request");
                lease.retire();
                let failure = Failure {
                    reason: Reason::StreamRefused,
                    sent: false,
                    stale: !lease.fresh,
                };
                Err(Box::new((failure, upload)))
            }
        }
    }

    /// Sends the request and waits for the head of the answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        let progress = self.poll_send(cx).map_err(|reason| Failure {
            reason,
            sent: true,
            stale: false,
        })?;
        if !self.poll_interim(cx) {
            return Poll::Ready(Err(Failure {
                reason: Reason::BadResponse,
                sent: true,
                stale: false,
            }));
        }
        match Pin::new(&mut self.response).poll(cx) {
            Poll::Ready(Ok(response)) => {
                self.wait.headed(&self.timer);
                let (parts, receive) = response.into_parts();
                self.receive = Some(receive);
                let head = self.take_head(parts.status, parts.headers);
                Poll::Ready(head.ok_or(Failure {
                    reason: Reason::BadResponse,
                    sent: true,
                    stale: false,
                }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failure(&error))),
            Poll::Pending => {
                let reason = ready!(self.wait.poll(&self.timer, cx, self.sending, progress));
                if self.lease.is_silent() {
                    // Not even the connection says anything: others should not wait on it as well.
                    self.lease.retire();
                }
                Poll::Ready(Err(Failure {
                    reason,
                    sent: true,
                    stale: false,
                }))
            }
        }
    }

    /// The next interim answer that came before the head.
    pub fn take_interim(&mut self) -> Option<Head> {
        (!self.told.is_empty()).then(|| self.told.remove(0))
    }

    /// Takes interim answers; `false` when they are too many.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(Some(Ok(interim))) = self.response.poll_informational(cx) {
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return false;
            }
            let (parts, ()) = interim.into_parts();
            let mut headers = parts.headers;
            if matches!(parts.status.as_u16(), 100 | 101) {
                continue;
            }
            hop::remove_all(&mut headers);
            headers.remove(header::TE);
            headers.remove(header::CONTENT_LENGTH);
            self.told.push(Head {
                status: parts.status,
                headers,
            });
        }
        true
    }

    /// Checks the head; `None` when lengths contradict each other.
    fn take_head(&mut self, status: StatusCode, mut headers: HeaderMap) -> Option<Head> {
        let mut length = None;
        for value in headers.get_all(header::CONTENT_LENGTH) {
            let told: u64 = value.to_str().ok()?.parse().ok()?;
            if length.is_some_and(|known| known != told) {
                return None;
            }
            length = Some(told);
        }
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        hop::remove_all(&mut headers);
        headers.remove(header::TE);
        let bodiless = self.method == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        self.remaining = if bodiless { Some(0) } else { length };
        Some(Head { status, headers })
    }

    /// The next part of the answer; `None` after the last.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        let progress = match self.poll_send(cx) {
            Ok(progress) => progress,
            Err(reason) => return Poll::Ready(Some(Err(reason))),
        };
        let part = self.poll_part(cx);
        if part.is_ready() {
            self.wait.over(&self.timer);
            return part;
        }
        self.wait
            .poll(&self.timer, cx, self.sending, progress)
            .map(|reason| Some(Err(reason)))
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        let Some(receive) = self.receive.as_mut().filter(|_| !self.done) else {
            return Poll::Ready(None);
        };
        loop {
            match ready!(receive.poll_data(cx)) {
                Some(Ok(data)) => {
                    // What is passed on makes room for as much.
                    let released = receive.flow_control().release_capacity(data.len());
                    if released.is_err() {
                        return Poll::Ready(Some(Err(Reason::ResponseTruncated)));
                    }
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(left) = &mut self.remaining {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    return Poll::Ready(Some(Ok(Piece::Data(data))));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "answer of a node broke off");
                    return Poll::Ready(Some(Err(Reason::ResponseTruncated)));
                }
                None => break,
            }
        }
        let last = ready!(receive.poll_trailers(cx));
        self.done = true;
        Poll::Ready(match last {
            Ok(last) => last
                .and_then(trailers::forwardable)
                .map(|last| Ok(Piece::Trailers(last))),
            Err(_) => Some(Err(Reason::ResponseTruncated)),
        })
    }

    /// Whether the answer is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ended = |receive: &RecvStream| receive.is_end_stream();
        self.done || self.receive.as_ref().is_some_and(ended)
    }

    /// Bytes of the answer's body still to come, when the node told.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// Bytes that the client has sent as body.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.upload.received()
    }

    /// The request body.
    pub fn upload(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// Takes the request body away, for another try; nothing more of it is sent here.
    pub fn take_upload(&mut self) -> Upload {
        if self.sending != Sending::Done {
            self.sending = Sending::Broken;
        }
        std::mem::replace(&mut self.upload, Upload::empty())
    }

    /// Sends what can be sent. Says whether anything moved; fails only when the client's body
    /// does, since a node that stops reading may still have answered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
        let mut progress = false;
        while matches!(self.sending, Sending::Node | Sending::Client) {
            if self.piece.is_empty() {
                match self.upload.poll_piece(cx) {
                    Poll::Ready(Some(piece)) => {
                        self.piece = piece?;
                        progress = true;
                    }
                    Poll::Ready(None) => {
                        let ended = match self.upload.trailers() {
                            Some(trailers) => self.send.send_trailers(trailers.clone()),
                            None => self.send.send_data(Bytes::new(), true),
                        };
                        self.sending = sent(ended, Sending::Done);
                        progress = true;
                        continue;
                    }
                    Poll::Pending => {
                        self.sending = Sending::Client;
                        if self.send.poll_reset(cx).is_ready() {
                            self.sending = Sending::Broken;
                        }
                        break;
                    }
                }
            }
            self.sending = Sending::Node;
            let Poll::Ready(room) = self.poll_room(cx) else {
                break;
            };
            let size = room.min(self.piece.len());
            if size == 0 {
                self.sending = Sending::Broken;
                break;
            }
            let data = self.piece.split_to(size);
            let last =
                self.piece.is_empty() && self.upload.length().is_some() && self.upload.is_ended();
            let next = if last { Sending::Done } else { Sending::Node };
            self.sending = sent(self.send.send_data(data, last), next);
            progress = true;
        }
        Ok(progress)
    }

    /// Bytes that the node takes now; 0 when it takes no more at all.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.send.reserve_capacity(self.piece.len().min(PIECE));
        loop {
            let room = self.send.capacity();
            if room > 0 {
                return Poll::Ready(room);
            }
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(0),
            }
        }
    }

    fn failure(&self, error: &h2::Error) -> Failure {
        tracing::debug!(%error, "exchange over HTTP/2 failed");
        let unsent = |stale| Failure {
            reason: Reason::StreamRefused,
            sent: false,
            stale,
        };
        // A node that goes away names the last request that it works on: this one came later.
        if error.is_go_away() && error.is_remote() {
            self.lease.retire();
            return unsent(!self.lease.fresh);
        }
        if error.reason() == Some(Code::REFUSED_STREAM) {
            return unsent(false);
        }
        let late = error.get_io().and_then(tls::node::reason);
        let reason = match late {
            Some(Reason::TlsClientCertificate) => Reason::TlsClientCertificate,
            _ if error.is_library() => Reason::BadResponse,
            _ => Reason::ResetBeforeHeader,
        };
        let lost = error.is_io() && reason == Reason::ResetBeforeHeader;
        Failure {
            reason,
            sent: true,
            stale: lost && !self.lease.fresh && self.lease.is_silent(),
        }
    }
}

fn sent(outcome: Result<(), h2::Error>, next: Sending) -> Sending {
    match outcome {
        Ok(()) => next,
        Err(error) => {
            tracing::debug!(%error, "node stopped reading");
            Sending::Broken
        }
    }
}
