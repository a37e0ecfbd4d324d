//! What is done with a value.

use http::HeaderName;
use regex::Regex;
use serde_json::Value;

use super::config::{Action, BodyFormat, Item, Part};
use super::path::Path;
use crate::substitution::{self, Piece};

/// One place and what is done with it, ready to run.
pub(super) struct Mask {
    pub(super) place: Place,
    deed: Deed,
}

/// A place in a request.
pub(super) enum Place {
    Query(String),
    Header(HeaderName),
    Json(Path),
    Form(String),
}

enum Deed {
    Remove,
    Replace(String),
    Substitute(Regex, Vec<Piece>),
}

impl Mask {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(item: &Item) -> Result<Self, String> {
        let value = || item.value.clone().unwrap_or_default();
        let name = || item.name.clone();
        Ok(Self {
            place: match (item.part, item.body_format) {
                (Part::Query, _) => Place::Query(name()),
                (Part::Header, _) => Place::Header(
                    HeaderName::try_from(&item.name)
                        .map_err(|_| format!("name must be a header name, got {:?}", item.name))?,
                ),
                (Part::Body, Some(BodyFormat::Json)) => Place::Json(Path::parse(&item.name)?),
                (Part::Body, Some(BodyFormat::Urlencoded)) => Place::Form(name()),
                (Part::Body, None) => return Err("body_format is required for a body".to_owned()),
            },
            deed: match item.action {
                Action::Remove => Deed::Remove,
                Action::Replace => Deed::Replace(value()),
                Action::Regex => {
                    let pattern = item.regex.as_deref().unwrap_or_default();
                    let named = |why| format!("regex {pattern:?}: {why}");
                    let regex = substitution::text_regex(pattern).map_err(named)?;
                    let group = |name: &str| substitution::group_named(regex.capture_names(), name);
                    let pieces = substitution::parse(&value(), group).map_err(named)?;
                    Deed::Substitute(regex, pieces)
                }
            },
        })
    }

    /// What becomes of a text; `None` when it is removed.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        match &self.deed {
            Deed::Remove => None,
            Deed::Replace(value) => Some(value.clone()),
            Deed::Substitute(regex, pieces) => {
                let replaced = regex.replace_all(text, |captures: &regex::Captures<'_>| {
                    let piece = |piece: &Piece| match piece {
                        Piece::Literal(literal) => literal.clone(),
                        Piece::Group(group) => captures
                            .get(*group)
                            .map_or_else(String::new, |found| found.as_str().to_owned()),
                    };
                    pieces.iter().map(piece).collect::<String>()
                });
                Some(replaced.into_owned())
            }
        }
    }

    /// What becomes of a value of JSON. Only texts and numbers can match.
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
        let text = match (&self.deed, value) {
            (Deed::Substitute(..), Value::String(text)) => self.text(text),
            (Deed::Substitute(..), Value::Number(number)) => {
                let text = number.to_string();
                return match self.text(&text) {
                    Some(same) if same == text => Some(value.clone()),
                    changed => changed.map(Value::String),
                };
            }
            (Deed::Substitute(..), other) => return Some(other.clone()),
            (Deed::Remove | Deed::Replace(_), _) => self.text(""),
        };
        text.map(Value::String)
    }
}
