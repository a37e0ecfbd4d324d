//! Configuration of `google-cloud-logging`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::logging::BatchOptions;

/// A service account: what stands in the key file that Google makes, and where to.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthConfig {
    /// Who signs.
    pub client_email: String,
    /// The RSA key, in PEM.
    pub private_key: String,
    /// Whose logs.
    pub project_id: String,
    /// Where tokens are had.
    #[serde(default = "token_uri")]
    pub token_uri: String,
    /// What tokens are for.
    #[serde(default = "scope")]
    pub scope: Vec<String>,
    /// The same by another name; wins.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Where entries go.
    #[serde(default = "entries_uri")]
    pub entries_uri: String,
}

impl std::fmt::Debug for AuthConfig {
    /// Does not show the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig")
            .field("client_email", &self.client_email)
            .field("project_id", &self.project_id)
            .finish_non_exhaustive()
    }
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The service account.
    #[serde(default)]
    pub auth_config: Option<AuthConfig>,
    /// A file with it, on the host of the agent.
    #[serde(default)]
    pub auth_file: Option<String>,
    /// Whether certificates of Google's servers are verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// `MonitoredResource` of entries.
    #[serde(default = "global")]
    pub resource: Map<String, Value>,
    /// Name of the log, percent-encoded.
    #[serde(default = "log_id")]
    pub log_id: String,
    /// Fields of an entry, in place of the default ones.
    #[serde(default)]
    pub log_format: Option<Map<String, Value>>,
    /// Fields besides.
    #[serde(default)]
    pub log_format_extra: Option<Map<String, Value>>,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// When entries are sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".into()
}

fn scope() -> Vec<String> {
    let names = [
        "logging.read",
        "logging.write",
        "logging.admin",
        "cloud-platform",
    ];
    let scope = |name| format!("https://www.googleapis.com/auth/{name}");
    names.iter().map(scope).collect()
}

fn entries_uri() -> String {
    "https://logging.googleapis.com/v2/entries:write".into()
}

const fn yes() -> bool {
    true
}

fn global() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from("global"))])
}

fn log_id() -> String {
    "apisix.apache.org%2Flogs".into()
}

fn name() -> String {
    "google-cloud-logging".into()
}
