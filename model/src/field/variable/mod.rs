//! Names of variables, taken apart once when a configuration is compiled (objects.md section 5).
//!
//! Expressions, templates, keys of limits and of balancers all name variables. What a name means is
//! decided here; what a request says to it is decided where the request is known.

mod known;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::field::body_path::BodyPath;
use crate::schema::nearest;
pub use known::Known;

/// Where variables come from.
pub trait Variables {
    /// The value of a variable; `None` when it has none.
    fn get(&self, variable: &Variable) -> Option<Var<'_>>;
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Var<'a> {
    /// A text; most numbers are texts too.
    Text(Cow<'a, str>),
    /// What a JSON body says other than a text: a number, a boolean, null, a list.
    Json(Value),
}

impl<'a> Var<'a> {
    /// The value as one text, as templates and keys take it; lists are joined by commas.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Var::Text(text) => text,
            Var::Json(value) => Cow::Owned(print(&value)),
        }
    }
}

fn print(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => super::number::print(number),
        Value::Array(items) => items.iter().map(print).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A variable by name. Two are equal when they mean the same: `client_ip` is `remote_addr`.
#[derive(Clone)]
pub struct Variable {
    name: Box<str>,
    source: Source,
}

/// What a variable is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One of the fixed names.
    Known(Known),
    /// `http_NAME`, `header_NAME`: a request header, name in lower case with dashes.
    Header(Box<str>),
    /// `sent_http_NAME`: a header of the answer, name in lower case with dashes.
    SentHeader(Box<str>),
    /// `arg_NAME`, `query_arg_NAME`: an argument of the query.
    Argument(Box<str>),
    /// `cookie_NAME`.
    Cookie(Box<str>),
    /// `uri_param_NAME`, or a number: what the path of the route captured.
    Parameter(Box<str>),
    /// `post_arg_NAME`: a field of a form body.
    FormField(Box<str>),
    /// `post_arg.PATH`: a place in a JSON, form or multipart body.
    BodyPath(BodyPath),
    /// No such variable. Templates of rewriting plugins name captures so.
    Unknown,
}

impl Variable {
    /// Reads a name. A name that means nothing is [`Source::Unknown`].
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self {
            name: Box::from(name),
            source: source(name).unwrap_or(Source::Unknown),
        }
    }

    /// Reads a name that must mean something.
    ///
    /// # Errors
    /// What is wrong with the name, and the name that was probably meant.
    pub fn known(name: &str) -> Result<Self, String> {
        let source = source(name)?;
        if source == Source::Unknown {
            let hint = match nearest(name, Known::names()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => "expected a name such as uri, host, remote_addr, arg_NAME, http_NAME, \
                         cookie_NAME, uri_param_NAME or post_arg.PATH"
                    .to_owned(),
            };
            return Err(format!("unknown variable '{name}'; {hint}"));
        }
        Ok(Self {
            name: Box::from(name),
            source,
        })
    }

    /// A request header.
    #[must_use]
    pub fn header(name: &str) -> Self {
        Self::parse(&format!("http_{name}"))
    }

    /// A cookie.
    #[must_use]
    pub fn cookie(name: &str) -> Self {
        Self::parse(&format!("cookie_{name}"))
    }

    /// The name as written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is read from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether it is read from what the path of the route captured.
    #[must_use]
    pub fn is_parameter(&self) -> bool {
        matches!(self.source, Source::Parameter(_))
    }

    /// Whether the body of the request has to be read for it.
    #[must_use]
    pub fn is_of_body(&self) -> bool {
        match &self.source {
            Source::FormField(_) | Source::BodyPath(_) => true,
            Source::Known(known) => known.is_of_body(),
            _ => false,
        }
    }
}

/// # Errors
/// A path into the body that cannot be read.
fn source(name: &str) -> Result<Source, String> {
    if let Some(known) = Known::of(name) {
        return Ok(Source::Known(known));
    }
    if let Some(path) = name.strip_prefix("post_arg.") {
        let path = BodyPath::parse(path)
            .map_err(|reason| format!("invalid expression: variable '{name}': {reason}"))?;
        return Ok(Source::BodyPath(path));
    }
    let tail = |prefix: &str| name.strip_prefix(prefix).filter(|tail| !tail.is_empty());
    let header = |prefix: &str| tail(prefix).filter(|tail| is_token(tail)).map(field_name);
    let found = if let Some(name) = header("http_").or_else(|| header("header_")) {
        Source::Header(name)
    } else if let Some(name) = header("sent_http_") {
        Source::SentHeader(name)
    } else if let Some(name) = tail("arg_").or_else(|| tail("query_arg_")) {
        Source::Argument(name.into())
    } else if let Some(name) = tail("cookie_") {
        Source::Cookie(name.into())
    } else if let Some(name) = tail("post_arg_") {
        Source::FormField(name.into())
    } else if let Some(name) = tail("uri_param_") {
        Source::Parameter(name.into())
    } else if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        Source::Parameter(name.into())
    } else {
        Source::Unknown
    };
    Ok(found)
}

/// Whether a text can be the name of a header field.
fn is_token(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The header that a variable names: underscores stand for dashes.
fn field_name(name: &str) -> Box<str> {
    name.to_ascii_lowercase().replace('_', "-").into()
}

impl PartialEq for Variable {
    fn eq(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::Unknown, Source::Unknown) => self.name == other.name,
            (one, other) => one == other,
        }
    }
}

impl Eq for Variable {}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.name)
    }
}
