//! Who names whom, until the model tells it.

use serde_json::Value;
use weir_model::{Key, Kind};

/// One reference of a document.
pub(crate) struct Reference {
    pub(crate) path: String,
    pub(crate) target: Key,
}

/// The references of a document.
pub(crate) fn references(kind: Kind, spec: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    let fields: &[(&str, Kind)] = match kind {
        Kind::Route => &[
            ("upstream_id", Kind::Upstream),
            ("service_id", Kind::Service),
            ("plugin_config_id", Kind::PluginConfig),
        ],
        Kind::Service => &[("upstream_id", Kind::Upstream)],
        Kind::StreamRoute => &[
            ("upstream_id", Kind::Upstream),
            ("service_id", Kind::Service),
            ("protocol.superior_id", Kind::StreamRoute),
        ],
        Kind::Consumer => &[("group_id", Kind::ConsumerGroup)],
        Kind::Upstream => &[
            ("fallback_upstream_id", Kind::Upstream),
            ("tls.client_cert_id", Kind::Ssl),
        ],
        _ => &[],
    };
    for (path, kind) in fields {
        let value = path
            .split('.')
            .try_fold(spec, |value, part| value.get(part));
        push(&mut found, (*path).to_owned(), *kind, value);
    }
    let path = "upstream.tls.client_cert_id";
    let inline = spec.pointer("/upstream/tls/client_cert_id");
    push(&mut found, path.to_owned(), Kind::Ssl, inline);
    let proto = spec.pointer("/plugins/grpc-transcode/proto_id");
    let path = "plugins.grpc-transcode.proto_id";
    push(&mut found, path.to_owned(), Kind::Proto, proto);
    let rules = spec
        .pointer("/plugins/traffic-split/rules")
        .and_then(Value::as_array);
    for (rule, value) in rules.into_iter().flatten().enumerate() {
        let upstreams = value.get("weighted_upstreams").and_then(Value::as_array);
        for (nth, upstream) in upstreams.into_iter().flatten().enumerate() {
            let path = format!(
                "plugins.traffic-split.rules[{rule}].weighted_upstreams[{nth}].upstream_id"
            );
            push(
                &mut found,
                path,
                Kind::Upstream,
                upstream.get("upstream_id"),
            );
        }
    }
    found
}

fn push(found: &mut Vec<Reference>, path: String, kind: Kind, value: Option<&Value>) {
    let id = match value {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return,
    };
    found.push(Reference {
        path,
        target: Key::new(kind, id),
    });
}
