//! The body of a request over HTTP/2.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use h2::RecvStream;
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};

use super::request::check_fields;
use super::stream::Respond;
use crate::error::Reason;
use crate::origin::exchange::Piece;

/// A body. What is taken of it makes room for as much.
pub struct Body {
    receive: RecvStream,
    length: Option<u64>,
    /// Where the client waits for our word before it sends the body.
    awaited: Option<Respond>,
    /// Whether all data was taken.
    ended: bool,
}

impl Body {
    /// The body of a request with these fields. Its length has been checked by the h2 crate, and
    /// holds: a body that is longer or shorter is an error of the stream.
    pub(super) fn new(headers: &HeaderMap, receive: RecvStream, respond: &Respond) -> Self {
        let told = headers.get(header::CONTENT_LENGTH);
        let length = if receive.is_end_stream() {
            Some(0)
        } else {
            told.and_then(|told| told.to_str().ok()?.parse().ok())
        };
        let expected = headers
            .get(header::EXPECT)
            .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self {
            receive,
            length,
            awaited: expected.then(|| Rc::clone(respond)),
            ended: false,
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
            }
            match ready!(data) {
                Some(Ok(data)) => {
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
            Ok(trailers) => trailers.map(checked),
            Err(error) => Some(Err(reason(&error))),
        })
    }

    /// Tells a client that waits for it to send the body (RFC 9110 section 10.1.1).
    fn invite(&mut self) {
        if let Some(respond) = self.awaited.take() {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::CONTINUE;
            if let Err(error) = respond.borrow_mut().send_informational(response) {
                tracing::debug!(%error, "client is not told to continue");
            }
        }
    }
}

/// Refuses trailers that the h2 crate lets through.
fn checked(trailers: HeaderMap) -> Result<Piece, Reason> {
    check_fields(&trailers).map_err(|fault| {
        tracing::debug!(%fault, "trailers refused");
        fault.reason()
    })?;
    Ok(Piece::Trailers(trailers))
}

fn reason(error: &h2::Error) -> Reason {
    tracing::debug!(%error, "request body broke off");
    if error.is_library() {
        Reason::BadRequest
    } else {
        Reason::ClientGone
    }
}
