//! Configuration of `data-mask`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What of the request is masked, in order.
    pub request: Option<Vec<Item>>,
    /// Largest body in bytes that is looked into; a larger one is not logged.
    pub max_body_size: usize,
    /// Fields of a form that are looked at; those beyond are not logged. 0 is no limit.
    pub max_req_post_args: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request: None,
            max_body_size: 1_048_576,
            max_req_post_args: 100,
        }
    }
}

/// One place and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which part of the request.
    #[serde(rename = "type")]
    pub part: Part,
    /// Name of the argument or field; for JSON a path such as `$.user.password`.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// For bodies: what they are.
    pub body_format: Option<BodyFormat>,
    /// For `regex`: what is looked for.
    pub regex: Option<String>,
    /// For `regex` and `replace`: what takes its place.
    pub value: Option<String>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Arguments of the query.
    Query,
    /// Fields of the head.
    Header,
    /// The body.
    Body,
}

/// What is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// What matches is replaced.
    Regex,
    /// The value is replaced.
    Replace,
    /// It goes with its name.
    Remove,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// JSON.
    Json,
    /// A form.
    Urlencoded,
}
