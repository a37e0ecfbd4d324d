//! The body of a request, as variables read it.
//!
//! Nothing is read ahead: a variable that needs the body and does not find it leaves a note of how
//! much it would look at, and the proxy, which sees the note, reads that much and asks again. The
//! body is forwarded all the same.

pub mod graphql;
pub mod multipart;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value};
use weir_model::field::body_path::BodyPath;
use weir_model::field::variable::{Known, Var};

use crate::request::{RequestHead, query_arg};
use graphql::Operation;

/// How much of a body variables look at, in bytes. Of a larger body they have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// For `post_arg...` and `request_body`.
    pub body: usize,
    /// For `graphql_...`.
    pub graphql: usize,
}

impl Default for BodyLimits {
    /// As in APISIX: 64 MiB and 1 MiB.
    fn default() -> Self {
        Self {
            body: 64 << 20,
            graphql: 1 << 20,
        }
    }
}

/// What is known of a request's body.
#[derive(Debug, Clone, Default)]
pub struct RequestBody {
    limits: BodyLimits,
    content: Content,
    /// Whether the node is to get `content` in place of what the client sends.
    replaced: bool,
    /// Bytes that somebody wanted to look at in vain.
    wanted: Cell<usize>,
    wants_front: Cell<bool>,
    operation: OnceCell<Option<Operation>>,
    /// What was found at paths, by the text of the path.
    found: RefCell<Vec<(BodyPath, Option<Value>)>>,
}

#[derive(Debug, Clone, Default)]
enum Content {
    #[default]
    Unread,
    Whole(Bytes),
    /// There are more bytes than this; those that were read, at the front.
    LargerThan(usize, Bytes),
}

/// What a plugin that asks for the whole body finds.
#[derive(Debug, PartialEq, Eq)]
pub enum WholeBody<'b> {
    /// It was not read yet; answer with [`crate::Step::ReadBody`] and ask again.
    Unread,
    /// There it is.
    Read(&'b Bytes),
    /// It has more bytes than the limit.
    TooLarge,
}

/// What `Content-Type` says about a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    UrlEncoded,
    Multipart,
}

impl RequestBody {
    /// A body that was not read.
    #[must_use]
    pub fn new(limits: BodyLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes the whole body.
    pub fn set(&mut self, bytes: Bytes) {
        self.content = Content::Whole(bytes);
        self.forget();
    }

    /// Notes that the body has more bytes than were to be looked at, and which were read.
    pub fn set_larger_than(&mut self, limit: usize, front: Bytes) {
        self.content = Content::LargerThan(limit, front);
        self.forget();
    }

    fn forget(&mut self) {
        self.wanted.set(0);
        self.wants_front.set(false);
        self.operation = OnceCell::new();
        self.found.get_mut().clear();
    }

    /// Whether it is known that there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    /// How many bytes somebody wanted to look at who could not; `None` when nobody did.
    #[must_use]
    pub fn wanted(&self) -> Option<usize> {
        Some(self.wanted.get()).filter(|wanted| *wanted > 0)
    }

    /// The whole body, if it has at most `limit` bytes (at least 1).
    #[must_use]
    pub fn whole(&self, limit: usize) -> WholeBody<'_> {
        match self.bytes(limit.max(1)) {
            Some(bytes) => WholeBody::Read(bytes),
            None if self.wanted.get() > 0 => WholeBody::Unread,
            None => WholeBody::TooLarge,
        }
    }

    /// The first `limit` bytes of the body, however long it is; `None` when they were not read yet:
    /// answer with [`crate::Step::ReadBody`] and ask again.
    #[must_use]
    pub fn front(&self, limit: usize) -> Option<&[u8]> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes.get(..limit).unwrap_or(bytes)),
            Content::LargerThan(_, bytes) if bytes.len() >= limit => bytes.get(..limit),
            Content::Unread | Content::LargerThan(..) => {
                self.wanted.set(self.wanted.get().max(limit));
                self.wants_front.set(true);
                None
            }
        }
    }

    /// Whether somebody wants the front of a body that is too large to be looked at whole.
    #[must_use]
    pub fn wants_front(&self) -> bool {
        self.wants_front.get()
    }

    /// Lets the node have other bytes than the client sent; plugins that come later see them too.
    /// `Content-Type` and `Content-Encoding` are the caller's to change.
    pub fn replace(&mut self, bytes: Bytes) {
        self.set(bytes);
        self.replaced = true;
    }

    /// What the node gets in place of the client's body; `None` when that is left as it is.
    #[must_use]
    pub fn replacement(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Whole(bytes) if self.replaced => Some(bytes),
            _ => None,
        }
    }

    /// Notes that variables will look at the body.
    pub fn want(&self) {
        self.bytes(self.limits.body);
    }

    /// The body, when it is there and no larger than `limit`; leaves a note when it is not there.
    fn bytes(&self, limit: usize) -> Option<&Bytes> {
        match &self.content {
            Content::Whole(bytes) => (bytes.len() <= limit).then_some(bytes),
            Content::LargerThan(known, _) if *known >= limit => None,
            Content::Unread | Content::LargerThan(..) => {
                self.wanted.set(self.wanted.get().max(limit));
                None
            }
        }
    }

    /// `request_body`.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        let bytes = self.bytes(self.limits.body)?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes))
    }

    /// `post_arg_NAME`: the first value of a field of a form.
    pub(crate) fn form_field(&self, content_type: &str, name: &str) -> Option<Cow<'_, str>> {
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let bytes = self.bytes(self.limits.body)?;
        form_urlencoded::parse(bytes)
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// `post_arg.PATH`: what stands at a place of a JSON, form or multipart body.
    pub(crate) fn at(&self, content_type: &str, path: &BodyPath) -> Option<Var<'static>> {
        let form = Form::of(content_type)?;
        let bytes = self.bytes(self.limits.body)?;
        let mut found = self.found.borrow_mut();
        let known = found.iter().find(|(known, _)| known == path);
        let value = match known {
            Some((_, value)) => value.clone(),
            None => {
                let value = form.at(bytes, content_type, path);
                found.push((path.clone(), value.clone()));
                value
            }
        };
        Some(match value? {
            Value::String(text) => Var::Text(Cow::Owned(text)),
            other => Var::Json(other),
        })
    }

    /// `graphql_...`: facts of the first operation of a query.
    pub(crate) fn graphql(&self, head: &RequestHead, known: Known) -> Option<Var<'_>> {
        if head.method != Method::GET && head.method != Method::POST {
            return None;
        }
        let body = match head.method {
            Method::POST => Some(self.bytes(self.limits.graphql)?),
            _ => None,
        };
        let operation = self.operation.get_or_init(|| {
            let query = match body {
                None => query_arg(head.query.as_deref()?, "query")?,
                Some(body) => graphql::query(body, head.content_type())?,
            };
            Operation::parse(&query)
        });
        let operation = operation.as_ref()?;
        Some(match known {
            Known::GraphqlOperation => Var::Text(Cow::Borrowed(operation.kind)),
            Known::GraphqlName => Var::Text(Cow::Borrowed(&operation.name)),
            _ => Var::Json(Value::from(operation.root_fields.clone())),
        })
    }
}

impl Form {
    fn of(content_type: &str) -> Option<Self> {
        if content_type.contains("application/json") {
            Some(Form::Json)
        } else if content_type.contains("application/x-www-form-urlencoded") {
            Some(Form::UrlEncoded)
        } else if content_type.contains("multipart/form-data") {
            Some(Form::Multipart)
        } else {
            None
        }
    }

    fn at(self, body: &[u8], content_type: &str, path: &BodyPath) -> Option<Value> {
        match self {
            Form::Json => path.in_json(body).unwrap_or_else(|error| {
                tracing::debug!(%error, "body is not looked at");
                None
            }),
            Form::UrlEncoded => path.in_value(&fields(body)),
            Form::Multipart => path.in_value(&multipart::fields(body, content_type)?),
        }
    }
}

/// The fields of a form; a name that stands several times has a list of values.
fn fields(body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::from(value);
        match fields.get_mut(&*name) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(fields)
}
