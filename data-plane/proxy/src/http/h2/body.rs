//! The body of a request over HTTP/2.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use h2::RecvStream;
use http::StatusCode;
use http::header::{self, HeaderMap};

use super::request::check_fields;
use super::stream::{Respond, tell};
use super::uploads::Upload;
use super::wire::Watch;
use crate::error::Reason;
use crate::gateway::Limits;
use crate::http::pace::Pace;
use crate::origin::exchange::Piece;
use crate::respond::is_grpc;
use crate::worker::wheel::Timer;

/// A body. What is taken of it makes room for as much.
pub struct Body {
    receive: RecvStream,
    _upload: Upload,
    length: Option<u64>,
    /// Where the client waits for our word before it sends the body.
    awaited: Option<Respond>,
    /// Whether all data was taken.
    ended: bool,
    pace: Pace,
    timer: Timer,
    /// Fields that trailers may have, and bytes.
    trailers: (usize, usize),
}

impl Body {
    /// The body of a request with these fields. Its length has been checked by the h2 crate, and
    /// holds: a body that is longer or shorter is an error of the stream.
    pub(super) fn new(
        headers: &HeaderMap,
        mut receive: RecvStream,
        respond: &Respond,
        watch: &Watch,
        limits: &Limits,
        timer: Timer,
    ) -> Self {
        let told = headers.get(header::CONTENT_LENGTH);
        let length = told.and_then(|told| told.to_str().ok()?.parse().ok());
        let expected = headers
            .get(header::EXPECT)
            .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        // The messages of a call come when there is something to say.
        let rate = if is_grpc(headers) {
            0
        } else {
            limits.body_rate
        };
        Self {
            _upload: watch.uploads.open(&mut receive),
            receive,
            length,
            awaited: expected.then(|| Rc::clone(respond)),
            ended: false,
            pace: Pace::new(rate, limits.body_rate_grace),
            timer,
            trailers: (limits.trailer_count, limits.trailer_bytes),
        }
    }

    /// Length of the body; `None` when only its end will tell.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next part; `None` after the last.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        if !self.ended {
            let data = self.receive.poll_data(cx);
            if data.is_pending() {
                self.invite();
                if self.is_slow(cx) {
                    return Poll::Ready(Some(Err(Reason::ClientTimeout)));
                }
            }
            match ready!(data) {
                Some(Ok(data)) => {
                    self.pace.received(data.len(), Instant::now());
                    self.timer.disarm();
                    let released = self.receive.flow_control().release_capacity(data.len());
                    let data = released.map(|()| Piece::Data(data));
                    return Poll::Ready(Some(data.map_err(|error| reason(&error))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(reason(&error)))),
                None => self.ended = true,
            }
        }
        let trailers = ready!(self.receive.poll_trailers(cx));
        Poll::Ready(match trailers {
            Ok(None) => None,
            Ok(Some(trailers)) => Some(self.check(&trailers).map(|()| Piece::Trailers(trailers))),
            Err(error) => Some(Err(reason(&error))),
        })
    }

    fn check(&self, trailers: &HeaderMap) -> Result<(), Reason> {
        let (most, most_bytes) = self.trailers;
        let fields = trailers.iter();
        let bytes: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if trailers.len() > most || bytes > most_bytes {
            return Err(Reason::HeadTooLarge);
        }
        check_fields(trailers).map_err(|fault| {
            tracing::debug!(%fault, "trailers refused");
            fault.reason()
        })
    }

    /// Whether less has come, while it was waited for, than must; if not, wakes the task when it is
    /// so.
    fn is_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(left) = self.pace.left(Instant::now()) else {
            return false;
        };
        self.timer.arm(left);
        left.is_zero() || self.timer.poll_expired(cx)
    }

    /// Tells a client that waits for it to send the body (RFC 9110 section 10.1.1).
    fn invite(&mut self) {
        if let Some(respond) = self.awaited.take() {
            tell(&respond, StatusCode::CONTINUE, HeaderMap::new());
        }
    }
}

fn reason(error: &h2::Error) -> Reason {
    tracing::debug!(%error, "request body broke off");
    if error.is_library() {
        Reason::BadRequest
    } else {
        Reason::ClientGone
    }
}
