//! TLS towards the nodes.

use serde::{Deserialize, Deserializer};

use crate::field::id;
use crate::resource::Id;

/// How nodes are trusted and what they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UpstreamTls {
    /// Client certificate chain, PEM.
    pub client_cert: Option<String>,
    /// Its key, PEM.
    pub client_key: Option<String>,
    /// The ssl object (type client) that holds the certificate.
    #[serde(deserialize_with = "id::optional")]
    pub client_cert_id: Option<Id>,
    /// The ssl object that holds the key, when it is another one.
    #[serde(deserialize_with = "id::optional")]
    pub client_key_id: Option<Id>,
    /// Whether the node's certificate is verified (`verify` or `verify_upstream_cert`).
    pub verify: bool,
    /// The ssl object whose certificate nodes are verified against; default trust store otherwise.
    #[serde(deserialize_with = "id::optional")]
    pub upstream_validation_id: Option<Id>,
    /// PEM of CAs that nodes are verified against, besides those of `upstream_validation_id`.
    #[serde(deserialize_with = "one_or_several")]
    pub ca_certs: Vec<String>,
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Raw::deserialize(deserializer)? {
        Raw::One(text) => vec![text],
        Raw::Several(texts) => texts,
    })
}
