//! Everybody in one `limit-count` group has the same configuration: counters are shared, so a
//! second configuration would judge them by another quota.

use serde_json::Value;
use weir_model::{Key, Problem};
use weir_plugins::limit_count::check_group;
use weir_store::{Command, Operation, State, Target};

use super::{Error, Refused};

const PLUGIN: &str = "limit-count";

/// Compares the groups that a command writes with those that are stored, and with each other.
/// Looks at other resources only when a group is written.
pub(super) fn check(state: &State, command: &Command) -> Result<(), Error> {
    let Command::Write { changes, .. } = command else {
        return Ok(());
    };
    let named = |target: &Target| match target {
        Target::Key(key) => Some(key.clone()),
        Target::New(_) => None,
    };
    let changed: Vec<Key> = changes
        .iter()
        .filter_map(|change| named(&change.target))
        .collect();
    let mut refused = Vec::new();
    for (position, change) in changes.iter().enumerate() {
        let Operation::Put { spec, .. } = &change.operation else {
            continue;
        };
        let Some(config) = config(spec).filter(|config| config.get("group").is_some()) else {
            continue;
        };
        let stored = state.set.resources.values();
        let stored = stored.filter(|resource| !changed.contains(&resource.key));
        let beside = changes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != position);
        let beside = beside.filter_map(|(_, other)| match &other.operation {
            Operation::Put { spec, .. } => self::config(spec),
            Operation::Delete { .. } => None,
        });
        let others = stored
            .filter_map(|resource| self::config(&resource.spec))
            .chain(beside);
        if let Err(text) = check_group(config, others) {
            let message =
                format!("failed to check the configuration of plugin {PLUGIN} err: {text}");
            let path = format!("plugins.{PLUGIN}.group");
            refused.push(Refused {
                change: position,
                key: named(&change.target),
                problems: vec![Problem::new(path, message)],
            });
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(refused))
}

fn config(spec: &Value) -> Option<&Value> {
    spec.get("plugins")?.get(PLUGIN)
}
