//! Whether what a document refers to is there, in APISIX's words.

use serde_json::Value;
use weir_model::references::{Reference, references};
use weir_model::{Key, Kind, Problem};

use crate::state::State;

/// The references of a document that lead nowhere. References inside plugins are not checked, as in
/// APISIX: a plugin is told at run time.
pub(super) fn dangling(state: &State, key: &Key, spec: &Value) -> Vec<Problem> {
    references(key.kind, spec)
        .into_iter()
        .filter(|reference| !in_plugin(&reference.path))
        .filter_map(|reference| {
            problem(state, &reference).map(|message| Problem::new(reference.path, message))
        })
        .collect()
}

/// Whether a path leads into the configuration of a plugin.
pub(super) fn in_plugin(path: &str) -> bool {
    path.starts_with("plugins.") || path.starts_with("plugins[")
}

fn problem(state: &State, reference: &Reference) -> Option<String> {
    let id = reference.target.leaf();
    let what = match reference.target.kind {
        Kind::Upstream => "upstream info by upstream id",
        Kind::Service => "service info by service id",
        Kind::PluginConfig => "plugin config info by plugin config id",
        Kind::ConsumerGroup => "consumer group info by consumer group id",
        Kind::Ssl => "ssl info by ssl id",
        Kind::Registry => "registry info by registry id",
        // APISIX does not look these up when it takes a document.
        _ => return None,
    };
    let Some(target) = state.set.get(&reference.target) else {
        return Some(format!("failed to fetch {what} [{id}], response code: 404"));
    };
    let wrong_type = reference.path.ends_with("tls.client_cert_id")
        && target.spec.get("type").and_then(Value::as_str) != Some("client");
    wrong_type.then(|| format!("failed to fetch {what} [{id}], wrong ssl type"))
}
