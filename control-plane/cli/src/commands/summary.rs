//! Which columns a kind shows in a table, and what stands in them.

use serde_json::Value;
use weir_model::{Kind, Resource};

type Column = (&'static str, fn(&Resource) -> String);

/// Headers and rows for resources of one kind.
pub(crate) fn table(kind: Kind, resources: &[&Resource]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let columns = columns(kind);
    let headers = columns.iter().map(|(header, _)| *header).collect();
    let rows = resources
        .iter()
        .map(|resource| columns.iter().map(|(_, cell)| cell(resource)).collect())
        .collect();
    (headers, rows)
}

fn columns(kind: Kind) -> Vec<Column> {
    let mut columns: Vec<Column> = vec![("ID", |resource| resource.key.id.to_string())];
    let own: &[Column] = match kind {
        Kind::Route => &[
            ("NAME", |r| text(r, "name")),
            ("METHODS", |r| either(r, &["methods"])),
            ("HOSTS", |r| either(r, &["host", "hosts"])),
            ("URIS", |r| either(r, &["uri", "uris"])),
            ("TARGET", target),
            ("PLUGINS", plugins),
            ("STATUS", status),
        ],
        Kind::Service => &[
            ("NAME", |r| text(r, "name")),
            ("HOSTS", |r| either(r, &["host", "hosts"])),
            ("TARGET", target),
            ("PLUGINS", plugins),
        ],
        Kind::Upstream => &[
            ("NAME", |r| text(r, "name")),
            ("TYPE", |r| text(r, "type")),
            ("SCHEME", |r| text(r, "scheme")),
            ("NODES", |r| nodes(&r.spec)),
        ],
        Kind::Consumer => &[
            ("GROUP", |r| text(r, "group_id")),
            ("PLUGINS", plugins),
            ("DESC", |r| text(r, "desc")),
        ],
        Kind::Ssl => &[
            ("TYPE", |r| text(r, "type")),
            ("SNIS", |r| either(r, &["sni", "snis"])),
            ("STATUS", status),
        ],
        Kind::StreamRoute => &[
            ("PORT", |r| text(r, "server_port")),
            ("SNI", |r| text(r, "sni")),
            ("TARGET", target),
            ("PLUGINS", plugins),
        ],
        Kind::Credential | Kind::ConsumerGroup | Kind::PluginConfig | Kind::GlobalRule => {
            &[("PLUGINS", plugins), ("DESC", |r| text(r, "desc"))]
        }
        Kind::Registry => &[("TYPE", |r| text(r, "type"))],
        Kind::GraphqlCostDecoration => &[("FIELD", |r| text(r, "field_path"))],
        Kind::PluginMetadata => &[("FIELDS", |r| names(&r.spec))],
        Kind::Proto | Kind::Secret => &[("DESC", |r| text(r, "desc"))],
    };
    columns.extend_from_slice(own);
    columns.push(("MODIFIED", |resource| resource.modified.to_string()));
    columns
}

/// A field as text; `-` when it is not there.
fn text(resource: &Resource, field: &str) -> String {
    resource.spec.get(field).map_or_else(dash, plain)
}

/// The first of several fields that is there.
fn either(resource: &Resource, fields: &[&str]) -> String {
    fields
        .iter()
        .find_map(|field| resource.spec.get(*field))
        .map_or_else(dash, plain)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => dash(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => dash(),
        Value::Array(items) => few(items.iter().map(plain).collect()),
        other => other.to_string(),
    }
}

/// At most three, and how many more there are.
fn few(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(3);
    items.truncate(3);
    let mut text = items.join(",");
    if more > 0 {
        text.push_str(&format!(",+{more}"));
    }
    text
}

/// Where requests go.
fn target(resource: &Resource) -> String {
    let reference = |field: &str, kind: &str| {
        let id = resource.spec.get(field)?;
        Some(format!("{kind}/{}", plain(id)))
    };
    let inline = || {
        let upstream = resource.spec.get("upstream")?;
        Some(nodes(upstream))
    };
    reference("upstream_id", "upstreams")
        .or_else(inline)
        .or_else(|| reference("service_id", "services"))
        .unwrap_or_else(dash)
}

fn nodes(upstream: &Value) -> String {
    match upstream.get("nodes") {
        Some(Value::Object(nodes)) => few(nodes.keys().cloned().collect()),
        Some(Value::Array(nodes)) => few(nodes.iter().map(node).collect()),
        _ => upstream.get("service_name").map_or_else(dash, plain),
    }
}

fn node(node: &Value) -> String {
    let host = node.get("host").map_or_else(dash, plain);
    match node.get("port") {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

fn plugins(resource: &Resource) -> String {
    resource.spec.get("plugins").map_or_else(dash, names)
}

fn names(value: &Value) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => few(fields.keys().cloned().collect()),
        _ => dash(),
    }
}

fn status(resource: &Resource) -> String {
    match resource.spec.get("status").and_then(Value::as_i64) {
        Some(0) => "disabled".to_owned(),
        _ => "enabled".to_owned(),
    }
}

fn dash() -> String {
    "-".to_owned()
}
