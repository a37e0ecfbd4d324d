//! What only one resource may have: the keys of auth plugins, and the plugins of global rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::references::credential_keys;
use weir_model::secret::is_reference;
use weir_model::{Key, Kind, Problem};

use crate::state::State;

/// Something that a resource occupies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// A caller is recognised by this value.
    AuthKey {
        plugin: &'static str,
        value: Arc<str>,
    },
    /// A plugin runs for every request.
    GlobalPlugin { plugin: Arc<str> },
}

/// What a document occupies, by its kind.
pub(crate) fn claims(kind: Kind, spec: &Value) -> Vec<Claim> {
    match kind {
        Kind::Consumer | Kind::Credential => credential_keys(kind, spec)
            .into_iter()
            // What a secret holds is only known where it is read.
            .filter(|(_, value)| !is_reference(value))
            .map(|(plugin, value)| Claim::AuthKey {
                plugin,
                value: Arc::from(value),
            })
            .collect(),
        Kind::GlobalRule => {
            let plugins = spec.get("plugins").and_then(Value::as_object);
            plugins
                .into_iter()
                .flat_map(|plugins| plugins.keys())
                .map(|plugin| Claim::GlobalPlugin {
                    plugin: Arc::from(plugin.as_str()),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// What `key` occupies although somebody else has it. Of two resources put by one write, the later
/// one is to blame; `positions` tells the order.
pub(super) fn conflicts(
    state: &State,
    positions: &BTreeMap<Key, usize>,
    key: &Key,
    spec: &Value,
) -> Vec<Problem> {
    let mine = positions.get(key);
    let mut problems = Vec::new();
    for claim in claims(key.kind, spec) {
        let other = state
            .index
            .holders(&claim)
            .find(|other| *other != key && positions.get(*other) < mine);
        if let Some(other) = other {
            problems.push(problem(&claim, other));
        }
    }
    problems
}

fn problem(claim: &Claim, other: &Key) -> Problem {
    match claim {
        Claim::AuthKey { plugin, .. } => {
            let holder = match (other.kind, other.id.split_once('/')) {
                (Kind::Credential, Some((consumer, id))) => {
                    format!("credential: {id} of consumer: {consumer}")
                }
                _ => format!("consumer: {}", other.id),
            };
            Problem::new(
                format!("plugins.{plugin}"),
                format!("duplicate key of plugin {plugin} found with {holder}"),
            )
        }
        Claim::GlobalPlugin { plugin } => Problem::new(
            format!("plugins.{plugin}"),
            format!(
                "plugin '{plugin}' already exists in global rule with id '{}'",
                other.leaf()
            ),
        ),
    }
}
