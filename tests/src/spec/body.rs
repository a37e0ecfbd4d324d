//! Bodies as they are written in a case.

use serde::Deserialize;

/// A text, or so many letters `x`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As it stands.
    Exact(String),
    /// `{size: N}`: N times `x`.
    Sized {
        /// Number of bytes.
        size: usize,
    },
}

impl Text {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Exact(text) => text.clone().into_bytes(),
            Self::Sized { size } => vec![b'x'; *size],
        }
    }
}
