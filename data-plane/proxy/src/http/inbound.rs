//! A request body as it comes in, whatever the version of HTTP: the only place that knows what is
//! below [`ClientBody`](super::request::ClientBody).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body;
use hyper::body::Incoming;

use super::h2::body::Body as H2Body;
use crate::error::Reason;
use crate::origin::exchange::Piece;

/// Where the pieces of a request body come from.
pub enum Inbound {
    /// From hyper's server.
    Hyper(Incoming),
    /// Over HTTP/2.
    H2(H2Body),
}

impl Inbound {
    /// Length of the body; `None` when only its end will tell.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Hyper(body) if body.is_end_stream() => Some(0),
            Self::Hyper(body) => body.size_hint().exact(),
            Self::H2(body) => body.length(),
        }
    }

    /// The next part, as it was received; `None` after the last. Data may be empty.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        match self {
            Self::Hyper(body) => poll_hyper(body, cx),
            Self::H2(body) => body.poll_piece(cx),
        }
    }
}

fn poll_hyper(body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let gone = error.is_incomplete_message() || error.is_canceled();
                let reason = if gone || !error.is_parse() {
                    Reason::ClientGone
                } else {
                    Reason::BadRequest
                };
                return Poll::Ready(Some(Err(reason)));
            }
        };
        match frame.into_data() {
            Ok(data) => return Poll::Ready(Some(Ok(Piece::Data(data)))),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Poll::Ready(Some(Ok(Piece::Trailers(trailers))));
                }
            }
        }
    }
}
