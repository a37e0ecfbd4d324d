//! Why a request was refused, by what the client can do about it. [`super::respond`] words it.

use http::Method;
use weir_model::{Problem, Revision};
use weir_raft::{ReadError, WriteError};

use super::auth::Denied;
use crate::write;

/// A refused Admin request.
#[derive(Debug)]
pub(super) enum Error {
    /// The client's address is not allowed.
    Forbidden,
    /// The key does not do.
    Denied(Denied),
    /// No such path: a page, not JSON.
    Page,
    /// No such kind.
    Unsupported(String),
    /// The kind does not know the method at all.
    NoMethod,
    /// The kind refuses the method; the label is the kind's.
    Refused(Method, &'static str),
    /// Reload takes PUT only.
    Reload(Method),
    /// The resource is not there.
    KeyNotFound,
    /// What the resource belongs to is not there, or a plugin is not.
    NotFound(String),
    /// Something about the request is wrong; APISIX's text.
    Invalid(String),
    /// The same as plain text.
    Plain(&'static str),
    /// The body is not JSON.
    Body {
        /// What is wrong.
        message: String,
        /// The body.
        sent: String,
    },
    /// Many documents, some wrong.
    Many(Vec<serde_json::Value>),
    /// `If-Match` or `If-None-Match` did not hold.
    Precondition {
        /// Revision of the resource's last change; `None` when there is no such resource.
        modified: Option<Revision>,
    },
    /// The resource changed between reading and writing.
    Changed,
    /// Consensus is not to be had now.
    Unavailable(String),
    /// The disk of the leader is full.
    Storage(String),
}

impl Error {
    /// A 400 with this text.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Error::Invalid(text.into())
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Error::Denied(denied)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Error::Unavailable(error.to_string())
    }
}

impl From<write::Error> for Error {
    fn from(error: write::Error) -> Self {
        match error {
            write::Error::Invalid(refused) => {
                let first = refused.first().and_then(|refused| refused.problems.first());
                Error::Invalid(first.map_or_else(String::new, text))
            }
            write::Error::Precondition { modified, .. } => Error::Precondition { modified },
            write::Error::NotFound { .. } => Error::KeyNotFound,
            write::Error::MissingParent { .. } => Error::NotFound(error.to_string()),
            write::Error::InUse { message, .. } => Error::Invalid(message),
            write::Error::Write(error @ WriteError::Storage(_)) => {
                Error::Storage(error.to_string())
            }
            write::Error::Write(error) => Error::Unavailable(error.to_string()),
            write::Error::Read(error) => Error::Unavailable(error.to_string()),
        }
    }
}

/// The text of a problem: the model's messages are APISIX's whole texts.
pub(super) fn text(problem: &Problem) -> String {
    problem.message.clone()
}
