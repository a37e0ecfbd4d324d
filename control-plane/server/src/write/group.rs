//! Everybody in one `limit-count` group has the same configuration: counters are shared, so a
//! second configuration would judge them by another quota.

use std::collections::{HashMap, HashSet};

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
    let written: Vec<(usize, Option<Key>, &str, &Value)> = changes
        .iter()
        .enumerate()
        .filter_map(|(position, change)| {
            let Operation::Put { spec, .. } = &change.operation else {
                return None;
            };
            let (group, config) = grouped(spec)?;
            Some((position, named(&change.target), group, config))
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    let changed: HashSet<Key> = changes
        .iter()
        .filter_map(|change| named(&change.target))
        .collect();
    // Those of one group are equal, so one of them speaks for all.
    let mut first: HashMap<&str, &Value> = HashMap::new();
    for resource in state.set.resources.values() {
        if let Some((group, config)) = grouped(&resource.spec)
            && !changed.contains(&resource.key)
        {
            first.entry(group).or_insert(config);
        }
    }
    let mut refused = Vec::new();
    for (position, key, group, config) in written {
        let other = *first.entry(group).or_insert(config);
        if let Err(text) = check_group(config, [other]) {
            let message =
                format!("failed to check the configuration of plugin {PLUGIN} err: {text}");
            let path = format!("plugins.{PLUGIN}.group");
            refused.push(Refused {
                change: position,
                key,
                problems: vec![Problem::new(path, message)],
            });
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(refused))
}

fn named(target: &Target) -> Option<Key> {
    match target {
        Target::Key(key) => Some(key.clone()),
        Target::New(_) => None,
    }
}

/// The group that a resource is in, and the configuration that says so.
fn grouped(spec: &Value) -> Option<(&str, &Value)> {
    let config = spec.get("plugins")?.get(PLUGIN)?;
    Some((config.get("group")?.as_str()?, config))
}
