//! OCSP stapling (RFC 6066 section 8): what the responder of a certificate's authority says of it
//! goes with the certificate. Asked for beside the handshakes, which never wait for it.

mod response;
mod stapler;
mod subject;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

pub use stapler::keep;
pub(super) use subject::Subject;

/// Why a response is not stapled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The certificate is revoked.
    #[error("certificate status \"revoked\" in the OCSP response")]
    Revoked,
    /// It held once.
    #[error("the OCSP response is out of date")]
    Late,
    /// Something else, in words for the operator.
    #[error("{0}")]
    Unusable(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Unusable(why)
    }
}

impl From<&str> for Refused {
    fn from(why: &str) -> Self {
        Self::Unusable(why.to_owned())
    }
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What a responder said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The response, as it is stapled.
    pub(super) response: Vec<u8>,
    /// Until when it holds, in seconds since the epoch.
    pub(super) until: u64,
}
