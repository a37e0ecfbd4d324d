//! A second, strict reader of HTTP/1.1: what the tests hold the product's parsers and the bytes
//! that reach nodes against.
//!
//! It shares no code with the product, uses no crate, and is written the other way round: the whole
//! input lies there, is cut into lines, and every line is checked against the grammar. It knows
//! nothing of time, of sockets or of pieces. Where RFC 9110 and RFC 9112 let a recipient choose
//! between repairing and refusing, it refuses.

mod chunked;
mod fields;
mod grammar;
mod path;
mod request;
mod response;

pub use chunked::{Chunked, chunked};
pub use fields::Fields;
pub use path::{origin, path};
pub use request::{Request, RequestHead, request, request_head};
pub use response::{Response, ResponseHead, response, response_head};

/// What one reading of the front of the input gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// A whole message, and how many bytes it takes.
    Whole(T, usize),
    /// More bytes are needed.
    Partial,
    /// No continuation makes it a message; the rule that it breaks.
    Refused(Fault),
}

/// The rule that is broken.
pub type Fault = &'static str;

impl<T> Read<T> {
    /// The message, when it is whole.
    pub fn whole(self) -> Option<(T, usize)> {
        match self {
            Self::Whole(message, size) => Some((message, size)),
            Self::Partial | Self::Refused(_) => None,
        }
    }

    /// The rule that is broken, when one is.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Refused(fault) => Some(fault),
            Self::Whole(..) | Self::Partial => None,
        }
    }
}

/// How the body of a message is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes.
    Length(u64),
    /// By chunks.
    Chunked,
    /// Until the connection ends; answers only.
    Close,
}

#[cfg(test)]
mod tests;
