//! One request and its answer, whatever the version of HTTP.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::upload::Upload;
use super::{Failure, h1, h2};
use crate::error::Reason;
use crate::worker::buffers::Buffers;

/// Interim answers (1xx) accepted before the real one.
pub(super) const MAX_INTERIM: u8 = 16;

/// Head of an answer as it goes on: hop-by-hop fields are gone.
#[derive(Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// End-to-end fields.
    pub headers: HeaderMap,
}

/// A part of an answer after its head.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the body, never none.
    Data(Bytes),
    /// What follows the body; the last part.
    Trailers(HeaderMap),
}

/// An exchange with a node. Dropping it cancels it.
pub enum Exchange {
    /// Over HTTP/1.1.
    H1(Box<h1::codec::Exchange>),
    /// Over HTTP/2.
    H2(Box<h2::Exchange>),
}

impl Exchange {
    /// Sends the request and waits for the head of the answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        match self {
            Self::H1(exchange) => exchange.poll_head(cx).map_ok(|head| Head {
                status: head.status,
                headers: head.headers,
            }),
            Self::H2(exchange) => exchange.poll_head(cx),
        }
    }

    /// The next interim answer (1xx, but neither 100 nor 101) that came before the head.
    pub fn take_interim(&mut self) -> Option<Head> {
        match self {
            Self::H1(exchange) => exchange.take_interim(),
            Self::H2(exchange) => exchange.take_interim(),
        }
    }

    /// The bare connection, after a 101.
    ///
    /// # Errors
    /// The answer was another one; the exchange goes on.
    pub fn into_upgraded(self, buffers: &Buffers) -> Result<h1::codec::Upgraded, Self> {
        match self {
            Self::H1(exchange) if exchange.is_upgraded() => Ok(exchange.into_upgraded(buffers)),
            other => Err(other),
        }
    }

    /// The next part of the answer; `None` after the last. The request goes on being sent
    /// meanwhile.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        match self {
            Self::H1(exchange) => exchange.poll_body(cx),
            Self::H2(exchange) => exchange.poll_body(cx),
        }
    }

    /// Whether the answer is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self {
            Self::H1(exchange) => exchange.is_complete(),
            Self::H2(exchange) => exchange.is_complete(),
        }
    }

    /// Bytes of the answer's body still to come, when that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self {
            Self::H1(exchange) => exchange.remaining(),
            Self::H2(exchange) => exchange.remaining(),
        }
    }

    /// Bytes that the client has sent as body.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        match self {
            Self::H1(exchange) => exchange.uploaded(),
            Self::H2(exchange) => exchange.uploaded(),
        }
    }

    /// The request body.
    pub fn upload(&mut self) -> &mut Upload {
        match self {
            Self::H1(exchange) => exchange.upload(),
            Self::H2(exchange) => exchange.upload(),
        }
    }

    /// Takes the request body away, for another try; nothing more of it is sent here.
    pub fn take_upload(&mut self) -> Upload {
        match self {
            Self::H1(exchange) => exchange.take_upload(),
            Self::H2(exchange) => exchange.take_upload(),
        }
    }

    /// Gives the request body back, for another try.
    #[must_use]
    pub fn into_upload(self, buffers: &Buffers) -> Upload {
        match self {
            Self::H1(exchange) => exchange.into_upload(buffers),
            Self::H2(mut exchange) => exchange.take_upload(),
        }
    }

    /// Ends the exchange. A connection that was its own, and may carry another request, is
    /// returned.
    #[must_use]
    pub fn finish(self, buffers: &Buffers) -> Option<h1::codec::Connection> {
        match self {
            Self::H1(exchange) => exchange.finish(buffers),
            Self::H2(_) => None,
        }
    }
}
