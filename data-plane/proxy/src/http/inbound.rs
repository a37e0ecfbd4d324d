//! A request body as it comes in, whatever the version of HTTP: the only place that knows what is
//! below [`ClientBody`](super::request::ClientBody).

use std::task::{Context, Poll};

use super::h2::body::Body as H2Body;
use super::h2::stream::{self, Respond};
use super::{h1, hop};
use crate::error::Reason;
use crate::origin::exchange::{Head, Piece};

/// Where the pieces of a request body come from.
pub enum Inbound {
    /// Over HTTP/1.1.
    H1(h1::Body),
    /// Over HTTP/2.
    H2(Box<H2Body>),
}

/// The way back to the client of one request, for interim answers (1xx) on their way to it.
pub enum Back {
    /// Over HTTP/1.1.
    H1(h1::Handle),
    /// Over HTTP/2.
    H2(Respond),
}

impl Back {
    /// Passes on an interim answer, unless the client cannot take it or the final one has begun.
    pub fn tell(&self, head: &Head) {
        match self {
            Self::H1(handle) => handle.tell(head),
            Self::H2(respond) => {
                let mut headers = head.headers.clone();
                hop::remove_all(&mut headers);
                stream::tell(respond, head.status, headers);
            }
        }
    }
}

impl Inbound {
    /// Length of the body; `None` when only its end will tell.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::H1(body) => body.length(),
            Self::H2(body) => body.length(),
        }
    }

    /// The next part, as it was received; `None` after the last. Data may be empty.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        match self {
            Self::H1(body) => body.poll_piece(cx),
            Self::H2(body) => body.poll_piece(cx),
        }
    }
}
