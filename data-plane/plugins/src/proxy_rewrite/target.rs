//! How the new request target is made: what is encoded, where the query goes.

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use weir_model::field::template::Template;
use weir_model::field::variable::{Known, Source, Var, Variable, Variables};
use weir_plugin_api::request::encode_path;

use crate::substitution::{self, Piece};

/// What may not stand in a query at all.
const QUERY_UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What may not stand in one value of a query, besides: it would end the value or be decoded.
const VALUE_UNSAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',')
    .remove(b'@')
    .remove(b'=')
    .remove(b'?')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b';');

/// What may not stand in a request line.
const TARGET_UNSAFE: &AsciiSet = &CONTROLS.add(b' ');

/// A path, and a query when there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Target {
    /// The text for the request line, with the client's query behind ours.
    pub(super) fn join(self, client_query: Option<&str>) -> String {
        let Target { mut path, query } = self;
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        let client_query = client_query.map(|query| utf8_percent_encode(query, QUERY_UNSAFE));
        // Writing to a string cannot fail.
        let _ = match (query, client_query) {
            (Some(own), Some(client)) => write!(path, "?{own}&{client}"),
            (Some(own), None) => write!(path, "?{own}"),
            (None, Some(client)) => write!(path, "?{client}"),
            (None, None) => Ok(()),
        };
        path
    }
}

/// `uri`, taken apart at its own `?`: the path is decoded text, the query is not.
#[derive(Debug)]
pub(super) struct UriTemplate {
    path: Template,
    query: Option<Template>,
}

impl UriTemplate {
    pub(super) fn parse(uri: &str) -> Self {
        match split_query(uri) {
            None => Self {
                path: Template::parse(uri),
                query: None,
            },
            Some((path, query)) => Self {
                path: Template::parse(path),
                query: Some(Template::parse(query)),
            },
        }
    }

    pub(super) fn render(&self, variables: &dyn Variables) -> Target {
        let query = self.query.as_ref().map(|template| {
            let text = template.render(&QueryValues(variables)).text;
            utf8_percent_encode(&text, QUERY_UNSAFE).to_string()
        });
        Target {
            path: encode_path(&self.path.render(variables).text),
            query,
        }
    }

    /// Without encoding: for operators who say that they take the client's target as it came.
    pub(super) fn render_raw(&self, variables: &dyn Variables) -> String {
        let mut text = self.path.render(variables).text;
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(&query.render(variables).text);
        }
        visible(&text)
    }
}

/// Splits at the first `?` that is not inside `${...}`.
fn split_query(uri: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let at = uri.char_indices().find_map(|(at, c)| {
        match c {
            '{' if uri.get(..at).is_some_and(|before| before.ends_with('$')) => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '?' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })?;
    Some((uri.get(..at)?, uri.get(at + 1..)?))
}

/// Variables for a query: values are encoded so that they stay one value, except those that are
/// queries or targets themselves.
struct QueryValues<'a>(&'a dyn Variables);

impl Variables for QueryValues<'_> {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        let value = self.0.get(variable)?;
        if matches!(
            variable.source(),
            Source::Known(Known::Args | Known::IsArgs | Known::RequestUri | Known::RealRequestUri)
        ) {
            return Some(value);
        }
        Some(Var::Text(Cow::Owned(query_value(&value.into_text()))))
    }
}

fn query_value(text: &str) -> String {
    utf8_percent_encode(text, VALUE_UNSAFE).to_string()
}

/// Text for a request line: everything but visible ASCII is percent-encoded.
pub(super) fn visible(text: &str) -> String {
    utf8_percent_encode(text, TARGET_UNSAFE).to_string()
}

/// One pattern of `regex_uri` and what replaces its first match.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub(super) regex: Regex,
    replacement: Vec<Piece>,
}

impl Rewrite {
    /// # Errors
    /// `invalid regex_uri(pattern, replacement): reason`.
    pub(super) fn parse(pattern: &str, replacement: &str) -> Result<Self, String> {
        let named = |reason| format!("invalid regex_uri({pattern}, {replacement}): {reason}");
        let regex = substitution::text_regex(pattern).map_err(named)?;
        let group_of = |name: &str| substitution::group_named(regex.capture_names(), name);
        let replacement = substitution::parse(replacement, group_of).map_err(named)?;
        Ok(Self { regex, replacement })
    }

    /// The decoded path with the match replaced. A `?` of the replacement itself starts the query.
    pub(super) fn apply(&self, path: &str, captures: &Captures<'_>) -> Target {
        let (before, after) = around(path, captures);
        let mut decoded = before.to_owned();
        let mut query: Option<String> = None;
        for piece in &self.replacement {
            match (piece, &mut query) {
                (Piece::Literal(text), None) => match text.split_once('?') {
                    None => decoded.push_str(text),
                    Some((path, rest)) => {
                        decoded.push_str(path);
                        query = Some(utf8_percent_encode(rest, QUERY_UNSAFE).to_string());
                    }
                },
                (Piece::Literal(text), Some(query)) => {
                    query.extend(utf8_percent_encode(text, QUERY_UNSAFE));
                }
                (Piece::Group(group), None) => decoded.push_str(capture(captures, *group)),
                (Piece::Group(group), Some(query)) => {
                    query.push_str(&query_value(capture(captures, *group)));
                }
            }
        }
        match &mut query {
            None => decoded.push_str(after),
            Some(query) => query.push_str(&query_value(after)),
        }
        Target {
            path: encode_path(&decoded),
            query,
        }
    }

    /// The client's target with the match replaced, without encoding.
    pub(super) fn apply_raw(&self, target: &str, captures: &Captures<'_>) -> String {
        let (before, after) = around(target, captures);
        let mut text = before.to_owned();
        for piece in &self.replacement {
            text.push_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::Group(group) => capture(captures, *group),
            });
        }
        text.push_str(after);
        visible(&text)
    }
}

fn around<'t>(text: &'t str, captures: &Captures<'_>) -> (&'t str, &'t str) {
    let found = captures.get(0).map_or(0..0, |whole| whole.range());
    let before = text.get(..found.start).unwrap_or_default();
    (before, text.get(found.end..).unwrap_or_default())
}

fn capture<'t>(captures: &Captures<'t>, group: usize) -> &'t str {
    captures.get(group).map_or("", |found| found.as_str())
}
