//! Credentials: one of the keys of a consumer.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::labels::Labels;
use crate::plugin::Plugins;
use crate::resource::{Key, Kind};
use crate::validate::Problem;

/// A credential in normal form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Credential {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// At most one plugin, of type auth.
    #[serde(default)]
    pub plugins: Plugins,
}

impl Credential {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::Credential, spec)
    }

    /// The consumer that a credential belongs to; `None` when the key is not that of a credential.
    #[must_use]
    pub fn consumer_of(key: &Key) -> Option<Key> {
        let (consumer, _) = key.id.split_once('/')?;
        (key.kind == Kind::Credential).then(|| Key::new(Kind::Consumer, consumer))
    }
}
