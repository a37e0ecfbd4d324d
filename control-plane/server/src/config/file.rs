//! The YAML file: the same options under their places. Unknown keys are refused with the nearest
//! known one.

use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_model::schema::nearest;

use super::Options;

/// Reads one value into its option.
type Setter = fn(&mut Options, &Value) -> Result<(), String>;

/// Every key of the file, with the option that it sets.
const KEYS: &[(&str, Setter)] = &[
    ("node_id", |o, v| set(&mut o.node_id, v)),
    ("data_dir", |o, v| set(&mut o.data_dir, v)),
    ("bootstrap", |o, v| set(&mut o.bootstrap, v)),
    ("join", |o, v| set(&mut o.join, v)),
    ("advertise", |o, v| set(&mut o.advertise, v)),
    ("proxy_mode", |o, v| set(&mut o.proxy_mode, v)),
    ("cache_zones", |o, v| set(&mut o.cache_zones, v)),
    ("snapshot_every", |o, v| set(&mut o.snapshot_every, v)),
    ("deadline_ms", |o, v| set(&mut o.deadline_ms, v)),
    ("shutdown_timeout_ms", |o, v| {
        set(&mut o.shutdown_timeout_ms, v)
    }),
    ("admin.listen", |o, v| set(&mut o.admin, v)),
    ("admin.key", |o, v| set(&mut o.admin_key, v)),
    ("admin.key_file", |o, v| set(&mut o.admin_key_file, v)),
    ("admin.viewer_key", |o, v| set(&mut o.viewer_key, v)),
    ("admin.key_required", |o, v| {
        set(&mut o.admin_key_required, v)
    }),
    ("admin.cors", |o, v| set(&mut o.admin_cors, v)),
    ("admin.allow_admin", |o, v| set(&mut o.allow_admin, v)),
    ("grpc.listen", |o, v| set(&mut o.grpc, v)),
    ("grpc.advertise", |o, v| set(&mut o.advertise_grpc, v)),
    ("peer.listen", |o, v| set(&mut o.peer, v)),
    ("peer.advertise", |o, v| set(&mut o.advertise_peer, v)),
    ("status.listen", |o, v| set(&mut o.status, v)),
    ("discovery", |o, v| set(&mut o.discovery, v)),
    ("log.filter", |o, v| set(&mut o.log, v)),
    ("log.format", |o, v| set(&mut o.log_format, v)),
];

/// Reads the text of a file; what cannot be used is a problem, the rest is kept.
pub(super) fn parse(text: &str) -> (Options, Vec<String>) {
    let mut options = Options::default();
    let mut problems = Vec::new();
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Null) => {}
        Ok(Value::Object(map)) => {
            for (key, value) in &map {
                read(key, value, &mut options, &mut problems);
            }
        }
        Ok(_) => problems.push("expected a mapping of options at the top".to_owned()),
        Err(error) => problems.push(format!("not YAML: {error}")),
    }
    (options, problems)
}

fn read(path: &str, value: &Value, options: &mut Options, problems: &mut Vec<String>) {
    if let Some((_, setter)) = KEYS.iter().find(|(known, _)| *known == path) {
        if let Err(reason) = setter(options, value) {
            problems.push(format!("{path}: {reason}"));
        }
        return;
    }
    let is_section = KEYS.iter().any(|(known, _)| {
        known
            .split_once('.')
            .is_some_and(|(section, _)| section == path)
    });
    match value {
        Value::Object(map) if is_section => {
            for (key, value) in map {
                read(&format!("{path}.{key}"), value, options, problems);
            }
        }
        Value::Null if is_section => {}
        _ if is_section => problems.push(format!("{path}: expected a mapping, got {value}")),
        _ => problems.push(unknown(path)),
    }
}

fn unknown(path: &str) -> String {
    let sections = KEYS
        .iter()
        .filter_map(|(known, _)| Some(known.split_once('.')?.0));
    let known = KEYS.iter().map(|(known, _)| *known).chain(sections);
    match nearest(path, known) {
        Some(known) => format!("{path}: unknown key, the nearest known one is {known}"),
        None => format!("{path}: unknown key"),
    }
}

fn set<T: DeserializeOwned>(option: &mut Option<T>, value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    *option = Some(T::deserialize(value).map_err(|error| error.to_string())?);
    Ok(())
}
