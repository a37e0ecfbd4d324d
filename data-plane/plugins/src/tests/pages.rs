//! `docs/plugins.md`: every plugin with its attributes, made of the READMEs and the schemas.
//! `UPDATE_PAGES=1 cargo test -p weir-plugins plugin_page` writes it anew.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};
use weir_plugin_api::{Entry, Phase};

use super::examples::{parts, readme};
use super::judge::texts;
use crate::{BUILTIN, ON_STREAMS};

/// Plugins by what they are for.
const GROUPS: [(&str, &[&str]); 8] = [
    (
        "Authentication",
        &[
            "authz-casbin",
            "basic-auth",
            "forward-auth",
            "hmac-auth",
            "jwe-decrypt",
            "jwt-auth",
            "key-auth",
            "ldap-auth",
            "multi-auth",
            "opa",
            "openid-connect",
            "upstream-auth",
        ],
    ),
    (
        "Security",
        &[
            "acl",
            "consumer-restriction",
            "cors",
            "csrf",
            "data-mask",
            "geo-restriction",
            "ip-restriction",
            "public-api",
            "referer-restriction",
            "ua-restriction",
            "uri-blocker",
        ],
    ),
    (
        "Traffic",
        &[
            "api-breaker",
            "circuit-breaker",
            "client-control",
            "limit-conn",
            "limit-count",
            "limit-req",
            "oas-validator",
            "proxy-cache",
            "proxy-control",
            "proxy-mirror",
            "request-id",
            "request-validation",
            "traffic-label",
            "traffic-split",
            "workflow",
        ],
    ),
    (
        "Transformation",
        &[
            "attach-consumer-label",
            "body-transformer",
            "brotli",
            "decompress-request",
            "degraphql",
            "error-page",
            "exit-transformer",
            "fault-injection",
            "grpc-transcode",
            "grpc-web",
            "gzip",
            "mocking",
            "proxy-rewrite",
            "redirect",
            "request-rewrite",
            "response-rewrite",
            "zstd",
        ],
    ),
    (
        "Functions",
        &[
            "aws-lambda",
            "azure-functions",
            "openfunction",
            "openwhisk",
            "serverless-post-function",
            "serverless-pre-function",
        ],
    ),
    (
        "Logs, metrics and traces",
        &[
            "clickhouse-logger",
            "datadog",
            "elasticsearch-logger",
            "error-log-logger",
            "file-logger",
            "google-cloud-logging",
            "http-logger",
            "kafka-logger",
            "loki-logger",
            "node-status",
            "opentelemetry",
            "prometheus",
            "server-info",
            "splunk-hec-logging",
            "syslog",
            "tcp-logger",
            "udp-logger",
            "zipkin",
        ],
    ),
    ("Others", &["batch-requests", "echo", "real-ip"]),
    ("On streams alone", &["mqtt-proxy"]),
];

/// The first sentence of a README, behind the name.
fn summary(name: &str, readme: &str) -> String {
    let first: Vec<_> = readme.lines().take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    let start = format!("`{name}`: ");
    let rest = first.strip_prefix(&start);
    let rest = rest.unwrap_or_else(|| panic!("{name}: expected {start} at the start"));
    let end = rest.find(". ").map_or(rest.len(), |end| end + 1);
    rest[..end].to_owned()
}

/// What the tables of a README say of each attribute, without the examples.
fn meanings(readme: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        // A `|` inside of code is no border.
        let mut cells = vec![String::new()];
        let mut in_code = false;
        for symbol in line.trim_matches('|').chars() {
            in_code ^= symbol == '`';
            match cells.last_mut() {
                Some(_) if symbol == '|' && !in_code => cells.push(String::new()),
                Some(cell) => cell.push(symbol),
                None => {}
            }
        }
        let (Some(names), Some(meaning)) = (cells.first(), cells.get(3)) else {
            continue;
        };
        let meaning = meaning.split("`{").next().unwrap_or_default().trim();
        let meaning = meaning.trim_end_matches([':', ' ', '(']);
        for name in names.split('`').skip(1).step_by(2) {
            found
                .entry(name.to_owned())
                .or_insert_with(|| meaning.to_owned());
        }
    }
    found
}

fn code(value: &Value) -> String {
    format!("`{}`", value.to_string().replace('|', "\\|"))
}

fn kind(schema: &Value) -> String {
    let of = |value: &Value| value.as_str().map(str::to_owned);
    match schema.get("type") {
        Some(Value::Array(kinds)) => {
            let kinds: Vec<_> = kinds.iter().filter_map(of).collect();
            kinds.join(" or ")
        }
        Some(kind) if kind == "array" => {
            let items = schema.get("items").map(self::kind).unwrap_or_default();
            format!("array of {items}")
                .trim_end_matches(" of ")
                .to_owned()
        }
        Some(kind) => of(kind).unwrap_or_default(),
        None => {
            let branches = ["oneOf", "anyOf"].iter().find_map(|name| schema.get(*name));
            let branches = branches.and_then(Value::as_array).into_iter().flatten();
            let mut kinds: Vec<_> = branches.map(self::kind).filter(|k| !k.is_empty()).collect();
            kinds.dedup();
            kinds.join(" or ")
        }
    }
}

fn range(schema: &Value) -> String {
    let mut said = Vec::new();
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        said.push(choices.iter().map(code).collect::<Vec<_>>().join(", "));
    }
    for (keyword, words) in [
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    ] {
        if let Some(bound) = schema.get(keyword) {
            said.push(format!("{words} {bound}"));
        }
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "items"),
        ("minProperties", "maxProperties", "fields"),
    ] {
        match (schema.get(least), schema.get(most)) {
            (Some(least), Some(most)) => said.push(format!("{least} to {most} {unit}")),
            (Some(least), None) => said.push(format!("{least} {unit} and more")),
            (None, Some(most)) => said.push(format!("{most} {unit} and less")),
            (None, None) => {}
        }
    }
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        said.push("all different".to_owned());
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        said.push(format!(
            "`{}`",
            pattern.replace('|', "\\|").replace('`', "'")
        ));
    }
    said.join("; ")
}

fn attributes(page: &mut String, schema: &Value, meanings: &HashMap<String, String>) {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = texts(schema.get("required"));
    let mut names: Vec<_> = properties.unwrap_or(&none).iter().collect();
    names.sort_by_key(|(name, _)| (!required.contains(&name.as_str()), name.as_str()));
    for (name, property) in names {
        let needed = if required.contains(&name.as_str()) {
            "yes"
        } else {
            ""
        };
        let default = property.get("default").map(code).unwrap_or_default();
        let meaning = meanings.get(name).map_or("", String::as_str);
        let (kind, range) = (kind(property), range(property));
        _ = writeln!(
            page,
            "| `{name}` | {kind} | {needed} | {default} | {range} | {meaning} |"
        );
    }
}

fn phases(entry: &Entry) -> String {
    let all = [
        (Phase::Rewrite, "rewrite"),
        (Phase::Access, "access"),
        (Phase::BeforeProxy, "before_proxy"),
        (Phase::HeaderFilter, "header_filter"),
        (Phase::BodyFilter, "body_filter"),
        (Phase::Log, "log"),
    ];
    let runs = all
        .iter()
        .filter(|(phase, _)| entry.phases.contains(*phase));
    runs.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

const HEADER: &str = "\n| attribute | type | required | default | range | meaning |\n\
                      |---|---|---|---|---|---|\n";

fn plugin(page: &mut String, name: &str) {
    let readme = readme(name);
    let meanings = meanings(&readme);
    let folder = name.replace('-', "_");
    _ = writeln!(page, "\n### {name}\n\n{}\n", summary(name, &readme));
    let on_http = BUILTIN.iter().find(|entry| entry.name == name);
    let on_streams = ON_STREAMS.iter().find(|entry| entry.name == name);
    let mut facts = Vec::new();
    if let Some(entry) = on_http {
        facts.push(format!("Priority {}", entry.priority));
        match phases(entry) {
            none if none.is_empty() => {}
            phases => facts.push(phases),
        }
    }
    if let Some(entry) = on_streams {
        facts.push(format!("on streams (priority {})", entry.priority));
    }
    let examples = format!("[README](../data-plane/plugins/src/{folder}/README.md)");
    _ = writeln!(
        page,
        "{}. Examples and answers: {examples}.",
        facts.join("; ")
    );
    let of_http = on_http.map(parts).unwrap_or_default();
    let tables = of_http.into_iter().map(|(part, schema)| match part {
        weir_model::PluginPart::Consumer => ("On consumers and credentials:", schema),
        weir_model::PluginPart::Metadata => ("Plugin metadata:", schema),
        _ => ("", schema),
    });
    let of_streams = on_streams.filter(|_| on_http.is_none());
    let of_streams = of_streams.map(|entry| ("", entry.schema()));
    for (title, schema) in tables.chain(of_streams) {
        let properties = schema.get("properties").and_then(Value::as_object);
        if properties.is_none_or(Map::is_empty) {
            continue;
        }
        if !title.is_empty() {
            _ = writeln!(page, "\n{title}");
        }
        page.push_str(HEADER);
        attributes(page, schema, &meanings);
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Plugins\n\nMade of the READMEs and schemas of the plugins by a test \
         (`data-plane/plugins/src/tests/pages.rs`); change those. Types and ranges are those of the \
         first level; required is what every configuration needs.\n\n| group | plugins |\n|---|---|\n",
    );
    for (group, names) in GROUPS {
        let links: Vec<_> = names
            .iter()
            .map(|name| format!("[{name}](#{name})"))
            .collect();
        _ = writeln!(page, "| {group} | {} |", links.join(", "));
    }
    for (group, names) in GROUPS {
        _ = writeln!(page, "\n## {group}");
        for name in names {
            plugin(&mut page, name);
        }
    }
    page
}

#[test]
fn the_plugin_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins.md");
    let made = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made
        .lines()
        .zip(kept.lines())
        .find(|(made, kept)| made != kept);
    assert_eq!(differs, None, "run again with UPDATE_PAGES=1");
    assert_eq!(made.len(), kept.len(), "run again with UPDATE_PAGES=1");
}

#[test]
fn every_plugin_is_in_one_group() {
    let mut grouped: Vec<_> = GROUPS
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    let http = BUILTIN.iter().map(|entry| entry.name);
    let streams = ON_STREAMS.iter().map(|entry| entry.name);
    let mut all: Vec<_> = http.chain(streams).collect();
    all.sort_unstable();
    all.dedup();
    grouped.sort_unstable();
    assert_eq!(grouped, all);
}
