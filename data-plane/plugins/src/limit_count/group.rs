//! The rule that every user of a group has the same configuration, for the check at write time.

use serde::Deserialize;
use serde_json::Value;

use super::config::Config;

/// Checks a new configuration against those that are stored. Only configurations with the same `group`
/// matter; defaults are filled in before comparing.
///
/// # Errors
/// `group conf mismatched`, APISIX's text.
pub fn check_group<'v>(
    new: &Value,
    stored: impl IntoIterator<Item = &'v Value>,
) -> Result<(), String> {
    let Some(new) = grouped(new) else {
        return Ok(());
    };
    let other = stored
        .into_iter()
        .filter_map(grouped)
        .find(|other| other.group == new.group && *other != new);
    match other {
        None => Ok(()),
        Some(_) => Err("group conf mismatched".into()),
    }
}

fn grouped(config: &Value) -> Option<Config> {
    Config::deserialize(config)
        .ok()
        .filter(|config| config.group.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_of_a_group_have_the_same_configuration() {
        let one = json!({"count": 2, "time_window": 60, "group": "a"});
        let same = json!({"count": 2, "time_window": 60, "group": "a", "key": "remote_addr"});
        let differs = json!({"count": 3, "time_window": 60, "group": "a"});
        let elsewhere = json!({"count": 3, "time_window": 60, "group": "b"});
        let alone = json!({"count": 3, "time_window": 60});
        assert_eq!(check_group(&one, [&same, &elsewhere, &alone]), Ok(()));
        assert_eq!(check_group(&alone, [&one]), Ok(()));
        assert_eq!(
            check_group(&one, [&same, &differs]),
            Err("group conf mismatched".into())
        );
    }
}
