//! One thing that is wrong with a document.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Dotted path inside the document: `plugins.limit-count.count`, `nodes[1].port`; empty for the
    /// document as a whole.
    pub path: String,
    /// What was expected and what came. For schema errors it is APISIX's own text, since clients
    /// match on it.
    pub message: String,
}

impl Problem {
    /// Builds a problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same problem, seen from the document that holds the faulty one under `field`.
    #[must_use]
    pub fn inside(mut self, field: &str) -> Self {
        self.path = match self.path.chars().next() {
            None => field.to_owned(),
            Some('[') => format!("{field}{}", self.path),
            Some(_) => format!("{field}.{}", self.path),
        };
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}
