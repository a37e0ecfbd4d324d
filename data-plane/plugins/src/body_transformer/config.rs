//! Configuration of `body-transformer`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How the body of the request is made.
    pub request: Option<Side>,
    /// How the body of the answer is made.
    pub response: Option<Side>,
    /// Largest body of a request that is read, in bytes, and the largest that is made.
    pub max_req_body_size: usize,
    /// Largest body of an answer that is held, in bytes, and the largest that is made.
    pub max_resp_body_size: usize,
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// What the body is; by its content type when nothing is said.
    #[serde(default)]
    pub input_format: Option<Format>,
    /// What is made of it.
    pub template: String,
    /// Whether the template is base64.
    #[serde(default)]
    pub template_is_base64: Option<bool>,
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// XML: elements are names, namespaces are dropped.
    Xml,
    /// JSON.
    Json,
    /// A form.
    Encoded,
    /// The query of the request.
    Args,
    /// Not at all.
    Plain,
    /// Parts, `multipart/form-data`.
    Multipart,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request: None,
            response: None,
            max_req_body_size: 64 << 20,
            max_resp_body_size: 64 << 20,
        }
    }
}
