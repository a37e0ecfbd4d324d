//! Path patterns: exact, prefix, with parameters, regular expressions.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::RouterMode;

/// What a pattern captured: name or number, and value.
pub(super) type Capture = (Arc<str>, String);
type Params = Vec<Capture>;

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1 << 20;

/// How the rest of a path is matched.
#[derive(Debug)]
enum Form {
    Exact,
    /// A trailing `*`: the rest is capture 1, and has a name.
    Prefix {
        names: [Arc<str>; 2],
    },
    /// A regular expression of the whole path: made of the parameters in between, or the route's
    /// own.
    Whole {
        regex: Regex,
        /// Number and names of each group.
        groups: Vec<(usize, Vec<Arc<str>>)>,
        own: bool,
    },
}

/// One path of a route.
#[derive(Debug)]
pub struct PathPattern {
    /// As the operator wrote it.
    pub text: Arc<str>,
    form: Form,
    /// Length of the literal text at the front.
    literal: usize,
}

impl PathPattern {
    /// Reads a path in the syntax of `mode`: `*` at the end, `*name` after a slash, and, where the
    /// mode has parameters, `:name` after a slash. Elsewhere these characters are text.
    ///
    /// # Errors
    /// A pattern that cannot be compiled.
    pub fn parse(text: &str, mode: RouterMode) -> Result<Self, String> {
        let pieces = pieces(text, mode == RouterMode::UriWithParameter);
        let literal = match pieces.first() {
            Some(Piece::Text(literal)) => literal.len(),
            _ => 0,
        };
        let form = match &pieces[..] {
            [] | [Piece::Text(_)] => Form::Exact,
            [Piece::Text(_), Piece::Rest(name)] | [Piece::Rest(name)] => Form::Prefix {
                names: [Arc::from("1"), Arc::from(*name)],
            },
            _ => whole(&pieces)?,
        };
        Ok(Self {
            text: Arc::from(text),
            form,
            literal,
        })
    }

    /// A route's own regular expression, already anchored at both ends.
    #[must_use]
    pub fn regex(text: &str, regex: Regex) -> Self {
        Self {
            text: Arc::from(text),
            form: Form::Whole {
                groups: groups(regex.capture_names()),
                regex,
                own: true,
            },
            literal: 0,
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

    /// Whether it is a regular expression of its own.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        matches!(self.form, Form::Whole { own: true, .. })
    }

    /// Whether `path`, which starts with the literal text, fits; and what it captures.
    pub(super) fn capture(&self, path: &str, wanted: bool) -> Option<Params> {
        match &self.form {
            Form::Exact => Some(Params::new()),
            Form::Prefix { .. } if !wanted => Some(Params::new()),
            Form::Prefix { names } => {
                let rest = path.get(self.literal..).unwrap_or_default();
                let capture = |name: &Arc<str>| (Arc::clone(name), rest.to_owned());
                Some(names.iter().map(capture).collect())
            }
            Form::Whole { regex, .. } if !wanted => regex.is_match(path).then(Params::new),
            Form::Whole { regex, groups, .. } => {
                let captures = regex.captures(path)?;
                let mut params = Params::new();
                for (number, names) in groups {
                    if let Some(value) = captures.get(*number) {
                        let capture = |name: &Arc<str>| (Arc::clone(name), value.as_str().into());
                        params.extend(names.iter().map(capture));
                    }
                }
                Some(params)
            }
        }
    }
}

/// A piece of a path pattern.
enum Piece<'t> {
    Text(&'t str),
    /// One segment, at least one character.
    Segment(&'t str),
    /// Anything, slashes too.
    Rest(&'t str),
}

/// Takes a path pattern apart. Never two texts in a row.
fn pieces(text: &str, colon: bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(first) = text.as_bytes().get(at) {
        let after_slash = at > from && text.as_bytes().get(at - 1) == Some(&b'/');
        // Both characters that matter are ASCII: positions behind them are boundaries.
        let behind = at + 1;
        let name = || {
            let tail = text.get(behind..).unwrap_or_default();
            tail.get(..tail.find('/').unwrap_or(tail.len()))
                .unwrap_or_default()
        };
        let piece = match first {
            b'*' if behind == text.len() => Some(("", Piece::Rest(":ext"))),
            b'*' if after_slash => Some((
                name(),
                Piece::Rest(if name().is_empty() { ":ext" } else { name() }),
            )),
            b':' if colon && after_slash && !name().is_empty() => {
                Some((name(), Piece::Segment(name())))
            }
            _ => None,
        };
        let Some((name, piece)) = piece else {
            at += 1;
            continue;
        };
        if from < at {
            pieces.push(Piece::Text(text.get(from..at).unwrap_or_default()));
        }
        pieces.push(piece);
        from = behind + name.len();
        at = from;
    }
    if from < text.len() {
        pieces.push(Piece::Text(text.get(from..).unwrap_or_default()));
    }
    pieces
}

/// The regular expression of a path with parameters. A name that comes twice names its first place.
fn whole(pieces: &[Piece<'_>]) -> Result<Form, String> {
    let mut source = String::from("^");
    let mut names: Vec<Option<&str>> = vec![None];
    for piece in pieces {
        match piece {
            Piece::Text(text) => source.push_str(&regex::escape(text)),
            Piece::Segment(name) => {
                source.push_str("([^/]+)");
                names.push(Some(name));
            }
            Piece::Rest(name) => {
                source.push_str("(.*)");
                names.push(Some(name));
            }
        }
    }
    source.push('$');
    let built = RegexBuilder::new(&source)
        .dot_matches_new_line(true)
        .size_limit(MAX_REGEX)
        .build();
    let regex = built.map_err(|error| error.to_string())?;
    Ok(Form::Whole {
        groups: groups(names),
        regex,
        own: false,
    })
}

/// Each group with its number as text and its name, in order; the whole match is group 0.
fn groups<'n>(names: impl IntoIterator<Item = Option<&'n str>>) -> Vec<(usize, Vec<Arc<str>>)> {
    let mut used: Vec<&str> = Vec::new();
    let mut groups = Vec::new();
    for (number, name) in names.into_iter().enumerate().skip(1) {
        let mut texts = vec![Arc::from(number.to_string())];
        if let Some(name) = name.filter(|name| !used.contains(name)) {
            used.push(name);
            texts.push(Arc::from(name));
        }
        groups.push((number, texts));
    }
    groups
}
