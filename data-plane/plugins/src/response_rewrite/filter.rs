//! Substitutions in a body.

use regex::bytes::{Captures, Regex};

use super::config::{Filter, Scope};
use crate::substitution::{self, Piece};

/// One substitution, ready to run.
#[derive(Debug)]
pub(super) struct Substitution {
    regex: Regex,
    replacement: Vec<Piece>,
    scope: Scope,
}

impl Substitution {
    /// # Errors
    /// `regex "..." validation failed: reason`.
    pub(super) fn parse(filter: &Filter) -> Result<Self, String> {
        let named = |reason| format!("regex \"{}\" validation failed: {reason}", filter.regex);
        let regex = substitution::bytes_regex(&filter.regex, &filter.options).map_err(named)?;
        let group_of = |name: &str| substitution::group_named(regex.capture_names(), name);
        let replacement = substitution::parse(&filter.replace, group_of).map_err(named)?;
        Ok(Self {
            regex,
            replacement,
            scope: filter.scope,
        })
    }

    /// The body with matches replaced.
    pub(super) fn apply(&self, body: Vec<u8>) -> Vec<u8> {
        let limit = match self.scope {
            Scope::Once => 1,
            Scope::Global => 0,
        };
        let replaced = self
            .regex
            .replacen(&body, limit, |captures: &Captures<'_>| {
                self.expand(captures)
            });
        match replaced {
            std::borrow::Cow::Borrowed(_) => body,
            std::borrow::Cow::Owned(changed) => changed,
        }
    }

    fn expand(&self, captures: &Captures<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in &self.replacement {
            match piece {
                Piece::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
                Piece::Group(group) => {
                    let found = captures.get(*group);
                    text.extend_from_slice(found.map_or(&[], |found| found.as_bytes()));
                }
            }
        }
        text
    }
}
