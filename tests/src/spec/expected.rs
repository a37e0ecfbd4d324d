//! What a case expects of an answer and of what the back end saw.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::body::{Text, gunzipped};
use super::exchange::Exchange;
use super::matching;
use super::seen::Seen;
use crate::client::Answer;

/// A status, one of several, or `closed`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Status {
    /// This one.
    Is(u16),
    /// One of these.
    OneOf(Vec<u16>),
    /// `closed`: no answer at all.
    Word(String),
}

/// The answer beside its status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gives {
    /// Fields; null when one must be absent. Several of a name are joined by `, `.
    pub headers: BTreeMap<String, Value>,
    /// The whole body.
    pub body: Option<Text>,
    /// Parts of the body as JSON.
    pub json: Option<Value>,
    /// How many bytes the body has.
    pub size: Option<usize>,
}

/// What a back end saw.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Saw {
    /// Method.
    pub method: Option<String>,
    /// Request target.
    pub uri: Option<String>,
    /// `HTTP/1.1` and so on.
    pub version: Option<String>,
    /// Fields; null when one must be absent.
    pub headers: BTreeMap<String, Value>,
    /// Body.
    pub body: Option<Text>,
    /// Parts of the body as JSON.
    pub json: Option<Value>,
    /// The PROXY protocol header: the line of version 1, or `v2 SOURCE DESTINATION`.
    pub proxy: Option<String>,
    /// Server name of the handshake.
    pub sni: Option<String>,
    /// Whether the gateway showed a certificate.
    pub client_certificate: Option<bool>,
}

/// How a request ended for the client.
pub(crate) type Outcome = Result<Answer, String>;

/// Everything in one answer that is not as written.
pub(crate) fn answer(expected: &Exchange, outcome: &Outcome) -> Vec<String> {
    let default = Status::Is(200);
    let status = expected.status.as_ref().unwrap_or(&default);
    let answer = match (status, outcome) {
        (Status::Word(_), Err(_)) => return Vec::new(),
        (_, Ok(answer)) => answer,
        (_, Err(error)) => return vec![format!("expected an answer, got none: {error}")],
    };
    let got = answer.status.as_u16();
    let mut wrong = Vec::new();
    let fits = match status {
        Status::Is(status) => got == *status,
        Status::OneOf(statuses) => statuses.contains(&got),
        Status::Word(_) => false,
    };
    if !fits {
        wrong.push(format!("status: expected {}, got {got}", shown(status)));
    }
    let gives = &expected.gives;
    wrong.extend(headers("answer", &gives.headers, |name| {
        joined(answer, name)
    }));
    wrong.extend(body(
        "body",
        gives.body.as_ref(),
        gives.json.as_ref(),
        &answer.body,
    ));
    if let Some(size) = gives.size.filter(|size| *size != answer.body.len()) {
        wrong.push(format!(
            "body: expected {size} bytes, got {}",
            answer.body.len()
        ));
    }
    wrong
}

/// Everything that a back end saw otherwise.
pub(crate) fn seen(expected: &Saw, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts = [
        ("method", &expected.method, Some(seen.method.as_str())),
        ("uri", &expected.uri, Some(seen.uri.as_str())),
        ("version", &expected.version, Some(seen.version.as_str())),
        ("proxy", &expected.proxy, seen.connection.proxy.as_deref()),
        ("sni", &expected.sni, seen.connection.peer.sni.as_deref()),
    ];
    for (what, expected, got) in parts {
        if let Some(expected) = expected {
            wrong.extend(matching::text(&format!("saw {what}"), expected, got));
        }
    }
    let shown = seen.connection.peer.has_certificate;
    if let Some(expected) = expected
        .client_certificate
        .filter(|expected| *expected != shown)
    {
        wrong.push(format!(
            "saw client certificate: expected {expected}, got {shown}"
        ));
    }
    wrong.extend(headers("saw", &expected.headers, |name| seen.header(name)));
    wrong.extend(body(
        "saw body",
        expected.body.as_ref(),
        expected.json.as_ref(),
        &seen.body,
    ));
    wrong
}

fn headers(
    what: &str,
    expected: &BTreeMap<String, Value>,
    got: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let compare = |(name, value): (&String, &Value)| {
        let got = got(name);
        let what = format!("{what} header {name}");
        match value {
            Value::Null => got.map(|got| format!("{what}: expected none, got `{got}`")),
            Value::String(text) => matching::text(&what, text, got.as_deref()),
            other => matching::text(&what, &other.to_string(), got.as_deref()),
        }
    };
    expected.iter().filter_map(compare).collect()
}

fn joined(answer: &Answer, name: &str) -> Option<String> {
    let values = answer.headers.get_all(name).iter();
    let texts: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn body(what: &str, exact: Option<&Text>, json: Option<&Value>, got: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(got);
    let mut wrong = Vec::new();
    match exact {
        Some(Text::Exact(expected)) => wrong.extend(matching::text(what, expected, Some(&text))),
        // There are many compressed forms of one body.
        Some(Text::Gzip { gzip }) => match gunzipped(got) {
            Ok(plain) => wrong.extend(body(what, Some(gzip), None, &plain)),
            Err(error) => wrong.push(format!("{what}: {error}")),
        },
        Some(sized) if sized.bytes() != got => {
            wrong.push(format!(
                "{what}: expected {sized:?}, got {} bytes",
                got.len()
            ));
        }
        _ => {}
    }
    if let Some(expected) = json {
        match serde_json::from_slice::<Value>(got) {
            Ok(got) => wrong.extend(matching::json(what, expected, Some(&got))),
            Err(error) => wrong.push(format!("{what}: {error}: {}", matching::short(&text))),
        }
    }
    wrong
}

fn shown(status: &Status) -> String {
    match status {
        Status::Is(status) => status.to_string(),
        Status::OneOf(statuses) => format!("one of {statuses:?}"),
        Status::Word(word) => word.clone(),
    }
}
