//! Content types that are compressed.

use serde::{Deserialize, Serialize};

/// `"*"`, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Types {
    /// All of them; the text is `*`.
    All(String),
    /// These, without parameters.
    These(Vec<String>),
}

impl Default for Types {
    fn default() -> Self {
        Self::These(vec!["text/html".into()])
    }
}

impl Types {
    pub(super) fn lower_cased(self) -> Self {
        match self {
            Self::All(all) => Self::All(all),
            Self::These(list) => {
                Self::These(list.iter().map(|kind| kind.to_ascii_lowercase()).collect())
            }
        }
    }

    /// Whether a body of this `Content-Type` is compressed. One of gRPC never is: its messages have
    /// an encoding of their own, and clients know no other.
    pub(super) fn have(&self, content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let grpc = kind
            .get(..16)
            .is_some_and(|front| front.eq_ignore_ascii_case("application/grpc"));
        !grpc
            && !kind.is_empty()
            && match self {
                Self::All(_) => true,
                Self::These(list) => list.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted)),
            }
    }
}
