//! Which origins are allowed, and what an answer says of it.

use std::collections::HashSet;

use http::HeaderValue;
use regex::bytes::RegexSet;

use crate::substitution::bytes_set;

/// A set of origins.
pub(super) enum Origins {
    /// Everybody; the answer says `*`.
    Any,
    /// Everybody; the answer says who asks.
    Echo,
    /// Those of a list.
    Listed(HashSet<Vec<u8>>),
    /// Those that an expression matches.
    Matching(RegexSet),
}

impl Origins {
    /// `*`, `**`, or a list with commas.
    pub(super) fn listed(text: &str) -> Self {
        match text {
            "*" => Self::Any,
            "**" => Self::Echo,
            list => Self::Listed(list.split(',').map(|origin| origin.into()).collect()),
        }
    }

    /// Those that one of the expressions matches.
    ///
    /// # Errors
    /// Which does not compile, and why.
    pub(super) fn matching(expressions: &[String]) -> Result<Self, String> {
        Ok(Self::Matching(bytes_set(expressions, false)?))
    }

    /// What an answer to this origin says; `None` when the origin is not allowed.
    pub(super) fn answer(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        const ANY: HeaderValue = HeaderValue::from_static("*");
        let allowed = |is: &dyn Fn(&[u8]) -> bool| {
            let origin = origin?;
            is(origin.as_bytes()).then(|| origin.clone())
        };
        match self {
            Self::Any => Some(ANY),
            Self::Echo => Some(origin.cloned().unwrap_or(ANY)),
            Self::Listed(list) => allowed(&|origin| list.contains(origin)),
            Self::Matching(set) => allowed(&|origin| set.is_match(origin)),
        }
    }

    /// Whether every answer is the same, whoever asks.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Any)
    }
}
