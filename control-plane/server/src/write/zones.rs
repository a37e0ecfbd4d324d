//! Cache zones are in the files of agents. Where this node is told which there are, a write that names
//! another one is refused as APISIX does.

use serde_json::Value;
use weir_model::Problem;
use weir_store::{Command, Operation, Target};

use super::{Error, Refused};

const PLUGIN: &str = "proxy-cache";
/// What a configuration means that names none.
const USUAL: &str = "disk_cache_one";

/// Looks at the zones that a command names; `known` is `None` where they are taken on trust.
pub(super) fn check(known: Option<&[String]>, command: &Command) -> Result<(), Error> {
    let (Some(known), Command::Write { changes, .. }) = (known, command) else {
        return Ok(());
    };
    let mut refused = Vec::new();
    for (position, change) in changes.iter().enumerate() {
        let Operation::Put { spec, .. } = &change.operation else {
            continue;
        };
        let Some(zone) = named(spec).filter(|zone| known.iter().all(|known| known != zone)) else {
            continue;
        };
        let message = format!(
            "failed to check the configuration of plugin {PLUGIN} err: cache_zone {zone} not found"
        );
        let path = format!("plugins.{PLUGIN}.cache_zone");
        refused.push(Refused {
            change: position,
            key: match &change.target {
                Target::Key(key) => Some(key.clone()),
                Target::New(_) => None,
            },
            problems: vec![Problem::new(path, message)],
        });
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(refused))
}

/// The zone that a resource names, unless the plugin is switched off.
fn named(spec: &Value) -> Option<&str> {
    let config = spec.get("plugins")?.get(PLUGIN)?;
    let disabled = config
        .get("_meta")
        .and_then(|meta| meta.get("disable")?.as_bool());
    if disabled == Some(true) {
        return None;
    }
    match config.get("cache_zone") {
        None => Some(USUAL),
        Some(zone) => zone.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use weir_model::{Key, Kind};
    use weir_store::{Change, Precondition};

    use super::*;

    fn refusal(known: Option<&[String]>, config: Value) -> Option<String> {
        let spec = json!({"uri": "/a", "plugins": {"proxy-cache": config}});
        let command = Command::Write {
            changes: vec![Change {
                target: Target::Key(Key::new(Kind::Route, "1")),
                operation: Operation::Put {
                    spec: Arc::new(spec),
                    expires_at_ms: None,
                },
                precondition: Precondition::None,
            }],
            at_ms: 1,
            author: String::new(),
            message: String::new(),
        };
        match check(known, &command) {
            Ok(()) => None,
            Err(Error::Invalid(refused)) => Some(refused[0].problems[0].message.clone()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_zone_that_no_agent_has_is_refused_where_they_are_known() {
        let known = ["disk_cache_one".to_owned()];
        let known = Some(known.as_slice());
        assert_eq!(refusal(known, json!({})), None);
        assert_eq!(
            refusal(known, json!({"cache_zone": "disk_cache_one"})),
            None
        );
        let other = || json!({"cache_zone": "other"});
        let expected = "failed to check the configuration of plugin proxy-cache err: cache_zone \
                        other not found";
        assert_eq!(refusal(known, other()).as_deref(), Some(expected));
        assert_eq!(refusal(None, other()), None);
        let mut disabled = other();
        disabled["_meta"] = json!({"disable": true});
        assert_eq!(refusal(known, disabled), None);
        assert!(refusal(Some(&[]), json!({})).is_some());
    }
}
