//! Path patterns: exact, prefix, with parameters, regular expressions.

use std::sync::Arc;

use regex::Regex;
use weir_model::field::uri::{Piece, pieces};

use super::RouterMode;
use super::names::Names;
use super::params::Params;

/// What a pattern captured: name or number, and value.
pub type Capture = (Arc<str>, String);

/// How the rest of a path is matched.
#[derive(Debug)]
enum Form {
    Exact,
    /// A trailing `*`: the rest is capture 1, and has a name.
    Prefix {
        number: Arc<str>,
        name: Arc<str>,
    },
    /// Parameters behind the literal text.
    Params(Box<Params>),
    /// The route's own regular expression of the whole path.
    Regex(Box<Whole>),
}

#[derive(Debug)]
struct Whole {
    regex: Regex,
    /// Number and names of each group.
    groups: Vec<(usize, Vec<Arc<str>>)>,
}

/// One path of a route.
#[derive(Debug)]
pub struct PathPattern {
    /// As the operator wrote it.
    pub text: Arc<str>,
    /// Length of the literal text at the front.
    literal: usize,
    form: Form,
}

impl PathPattern {
    /// Reads a path in the syntax of `mode`: `*` at the end, `*name` after a slash, and, where the
    /// mode has parameters, `:name` after a slash. Elsewhere a colon is text.
    ///
    /// # Errors
    /// A pattern that cannot be matched.
    pub(crate) fn parse(text: &str, mode: RouterMode, names: &Names) -> Result<Self, String> {
        let pieces = pieces(text, mode == RouterMode::UriWithParameter)?;
        let (literal, rest) = match pieces.split_first() {
            Some((Piece::Text(literal), rest)) => (literal.len(), rest),
            _ => (0, &pieces[..]),
        };
        let form = match rest {
            [] => Form::Exact,
            [Piece::Rest(name)] => Form::Prefix {
                number: names.of("1"),
                name: names.of(name),
            },
            rest => Form::Params(Box::new(Params::new(rest, names)?)),
        };
        Ok(Self {
            text: Arc::from(text),
            literal,
            form,
        })
    }

    /// A route's own regular expression, already anchored at both ends.
    pub(crate) fn regex(text: &str, regex: Regex, names: &Names) -> Self {
        let groups = regex.capture_names().enumerate().skip(1);
        let groups = groups.map(|(number, name)| {
            let number_name = names.of(&number.to_string());
            let name = name.map(|name| names.of(name));
            (number, std::iter::once(number_name).chain(name).collect())
        });
        Self {
            text: Arc::from(text),
            literal: 0,
            form: Form::Regex(Box::new(Whole {
                groups: groups.collect(),
                regex,
            })),
        }
    }

    /// Text before the first special character.
    #[must_use]
    pub fn literal(&self) -> &str {
        self.text.get(..self.literal).unwrap_or_default()
    }

    /// Whether the whole path is literal.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact)
    }

    /// Whether it is literal text with anything behind it.
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self.form, Form::Prefix { .. })
    }

    /// Whether it is a regular expression of its own.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        matches!(self.form, Form::Regex(_))
    }

    /// Whether `path`, which starts with the literal text, fits; and what it captures, when that
    /// is `wanted`.
    #[inline]
    pub(crate) fn capture(&self, path: &str, wanted: bool) -> Option<Vec<Capture>> {
        let rest = || path.get(self.literal..).unwrap_or_default();
        match &self.form {
            Form::Exact => Some(Vec::new()),
            Form::Prefix { .. } if !wanted => Some(Vec::new()),
            Form::Prefix { number, name } => {
                let capture = |name: &Arc<str>| (Arc::clone(name), rest().to_owned());
                Some(vec![capture(number), capture(name)])
            }
            Form::Params(params) => params.capture(rest(), wanted),
            Form::Regex(whole) if !wanted => whole.regex.is_match(path).then(Vec::new),
            Form::Regex(whole) => whole.capture(path),
        }
    }
}

impl Whole {
    fn capture(&self, path: &str) -> Option<Vec<Capture>> {
        let captures = self.regex.captures(path)?;
        let mut found = Vec::new();
        for (number, names) in &self.groups {
            if let Some(value) = captures.get(*number) {
                let capture = |name: &Arc<str>| (Arc::clone(name), value.as_str().into());
                found.extend(names.iter().map(capture));
            }
        }
        Some(found)
    }
}
