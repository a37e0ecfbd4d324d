//! What a document means: checks that no schema can express, in APISIX's order and words.

use serde_json::Value;

use super::{Problem, Validation};
use crate::alias;
use crate::field::expr::Expr;
use crate::field::pattern::Pattern;
use crate::field::resolver;
use crate::graphql_cost_decoration::GraphqlCostDecoration;
use crate::registry::Registry;
use crate::resource::{Key, Kind};
use crate::route::Route;
use crate::service::Service;
use crate::ssl::{self, Ssl};
use crate::stream_route::StreamRoute;
use crate::upstream::{ActiveCheck, Upstream, check_host, check_socket, split_address};
use crate::{consumer, consumer_group, credential, global_rule, plugin_config, plugin_metadata};
use crate::{proto_file, references, route, schema, secret};

/// Two spellings of one matcher, which APISIX refuses before it looks at the schema.
pub(super) fn before_schema(kind: Kind, spec: &Value) -> Option<&'static str> {
    let both = |one, other| spec.get(one).is_some() && spec.get(other).is_some();
    if kind != Kind::Route {
        None
    } else if both("host", "hosts") {
        Some("only one of host or hosts is allowed")
    } else if both("remote_addr", "remote_addrs") {
        Some("only one of remote_addr or remote_addrs is allowed")
    } else {
        None
    }
}

/// Checks between schema and plugins.
pub(super) fn check(kind: Kind, spec: &Value, validation: &mut Validation) {
    match kind {
        Kind::Upstream => upstream(spec, "", validation),
        Kind::Route | Kind::Service | Kind::StreamRoute => {
            if let Some(inline) = spec.get("upstream") {
                upstream(inline, "upstream", validation);
            }
        }
        Kind::Ssl => certificates(spec, validation),
        _ => {}
    }
    if kind == Kind::StreamRoute && spec.get("protocol").is_some() {
        let message = "expected none: protocols inside of streams (xRPC) are not supported";
        let problem = placed(Problem::new("protocol", message));
        validation.problems.push(problem);
    }
}

/// Checks after plugins: expressions, scripts, and at last that the typed form can be made of it.
pub(super) fn after_plugins(key: &Key, spec: &Value, validation: &mut Validation) {
    if let Some(Err(error)) = spec.get("vars").map(Expr::parse) {
        let message = format!("failed to validate the 'vars' expression: {error}");
        validation.refuse(format!("vars{}", error.path), message);
    }
    validation.problems.extend(route::unsupported(spec));
    if key.kind == Kind::Upstream {
        own_fallback(key, spec, validation);
    }
    if validation.is_accepted()
        && let Err(problem) = typed(key, spec)
    {
        validation.problems.push(placed(problem));
    }
}

/// A problem that APISIX does not know, in the words of the Admin API: they name the place, since
/// its answers have no other room for it.
fn placed(problem: Problem) -> Problem {
    Problem {
        message: format!("invalid configuration: {problem}"),
        path: problem.path,
    }
}

/// An upstream that falls back on itself.
fn own_fallback(key: &Key, spec: &Value, validation: &mut Validation) {
    let mut targets = references::references(key.kind, spec).into_iter();
    if let Some(own) = targets.find(|reference| reference.target == *key) {
        let message = format!("expected another upstream than {} itself", key.leaf());
        validation
            .problems
            .push(placed(Problem::new(own.path, message)));
    }
}

/// Makes the typed form, so that whatever is stored can be read by an agent.
fn typed(key: &Key, spec: &Value) -> Result<(), Problem> {
    match key.kind {
        Kind::Route => Route::parse(spec).map(drop),
        Kind::Service => Service::parse(spec).map(drop),
        Kind::Upstream => Upstream::parse(spec).map(drop),
        Kind::Consumer => consumer::Consumer::parse(spec).map(drop),
        Kind::Credential => credential::Credential::parse(spec).map(drop),
        Kind::ConsumerGroup => consumer_group::ConsumerGroup::parse(spec).map(drop),
        Kind::PluginConfig => plugin_config::PluginConfig::parse(spec).map(drop),
        Kind::GlobalRule => global_rule::GlobalRule::parse(spec).map(drop),
        Kind::Ssl => Ssl::parse(spec).map(drop),
        Kind::PluginMetadata => plugin_metadata::PluginMetadata::parse(spec).map(drop),
        Kind::StreamRoute => StreamRoute::parse(spec).map(drop),
        Kind::Proto => proto_file::ProtoFile::parse(spec).map(drop),
        Kind::Secret => secret::Secret::parse(key, spec).map(drop),
        Kind::Registry => Registry::parse(spec).map(drop),
        Kind::GraphqlCostDecoration => GraphqlCostDecoration::parse(spec).map(drop),
    }
}

fn text<'a>(spec: &'a Value, field: &str) -> Option<&'a str> {
    spec.get(field).and_then(Value::as_str)
}

fn upstream(spec: &Value, place: &str, validation: &mut Validation) {
    let at = |path: &str, message: String| {
        let problem = Problem::new(path, message);
        if place.is_empty() {
            problem
        } else {
            problem.inside(place)
        }
    };
    let problems = &mut validation.problems;
    let mut refuse = |path: &str, message: String| problems.push(at(path, message));
    // What APISIX has no words for.
    let ours = |path: &str, message: String| placed(at(path, message)).message;
    for message in spec.get("nodes").map(addresses).unwrap_or_default() {
        let message = if message.starts_with("expected") {
            ours("nodes", message)
        } else {
            message
        };
        refuse("nodes", message);
    }
    if text(spec, "pass_host") == Some("rewrite")
        && text(spec, "upstream_host").unwrap_or_default().is_empty()
    {
        let message = "`upstream_host` can't be empty when `pass_host` is `rewrite`";
        refuse("upstream_host", message.to_owned());
    }
    if let Some(tls) = spec.get("tls")
        && let Err(message) = pair(text(tls, "client_cert"), text(tls, "client_key"))
    {
        refuse("tls.client_cert", message);
    }
    if let Some(authorities) = spec.pointer("/tls/ca_certs") {
        let texts = match authorities {
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
            one => Vec::from_iter(one.as_str()),
        };
        for message in texts
            .into_iter()
            .filter_map(|pem| pair(Some(pem), None).err())
        {
            refuse("tls.ca_certs", message);
        }
    }
    if text(spec, "http_version") == Some("1.1")
        && matches!(text(spec, "scheme"), Some("grpc" | "grpcs"))
    {
        let message = "expected 2 or auto, got 1.1: gRPC needs HTTP/2";
        refuse("http_version", ours("http_version", message.to_owned()));
    }
    if let Err(message) = hash_key(spec) {
        refuse("key", message);
    }
    for (index, resolver) in strings(spec, "dns_resolver").enumerate() {
        if resolver::address(resolver).is_none() {
            let message = format!("expected a resolver as IP or IP:PORT, got {resolver}");
            let path = format!("dns_resolver[{index}]");
            refuse(&path, ours(&path, message));
        }
    }
    let fields = spec
        .pointer("/checks/active/req_headers")
        .and_then(Value::as_array);
    for (index, line) in fields.into_iter().flatten().enumerate() {
        if line.as_str().and_then(ActiveCheck::field).is_none() {
            let message = format!("expected a header field as \"Name: value\", got {line}");
            let path = format!("checks.active.req_headers[{index}]");
            refuse(&path, ours(&path, message));
        }
    }
    if let Some(backoff) = spec.get("retry_backoff") {
        let bound = |name, default| backoff.get(name).and_then(Value::as_f64).unwrap_or(default);
        let (base, max) = (bound("base", 0.025), bound("max", 0.25));
        if base > max {
            let message = format!("expected base to be at most max, got base {base} and max {max}");
            refuse("retry_backoff", ours("retry_backoff", message));
        }
    }
}

/// Ports and IPv6 brackets of both forms of nodes.
fn addresses(nodes: &Value) -> Vec<String> {
    let brackets = |message: String| {
        if message.starts_with("IPv6") {
            format!("invalid configuration: {message}")
        } else {
            message
        }
    };
    match nodes {
        Value::Object(map) => map
            .keys()
            .filter_map(|address| {
                let split = split_address(address);
                split.and_then(|(host, _)| check_host(host)).err()
            })
            .map(brackets)
            .collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item_address(item).err())
            .map(brackets)
            .collect(),
        _ => Vec::new(),
    }
}

/// The address of a node in the list form.
fn item_address(item: &Value) -> Result<(), String> {
    let host = text(item, "host").unwrap_or_default();
    if host.starts_with("unix:") {
        if let Some(port) = item.get("port") {
            return Err(format!("expected no port beside {host}, got {port}"));
        }
        return check_socket(host);
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("IPv6 address must be enclosed with '[' and ']'".to_owned());
    }
    check_host(host.trim_start_matches('[').trim_end_matches(']'))
}

fn strings<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    let items = spec.get(field).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

/// Variables that may be hashed: those of APISIX, and request headers.
const HASHED_VARIABLE: &str = "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr\
    |query_string|host|hostname|mqtt_client_id)|(arg|http)_[0-9a-zA-z_-]+)$";

/// Headers and cookies that may be hashed.
const HASHED_NAME: &str = "^[a-zA-Z0-9-_]+$";

fn hash_key(spec: &Value) -> Result<(), String> {
    let balancer = text(spec, "type").unwrap_or("roundrobin");
    let hash_on = text(spec, "hash_on").unwrap_or("vars");
    if !matches!(balancer, "chash" | "chrr") || hash_on == "consumer" {
        return Ok(());
    }
    let key = match text(spec, "key") {
        Some(key) => key,
        // A session of chrr is the client address unless it says otherwise.
        None if balancer == "chrr" => return Ok(()),
        None => return Err("missing key".to_owned()),
    };
    let (pattern, key) = match hash_on {
        "vars" => (HASHED_VARIABLE, alias::variable(key)),
        "header" | "cookie" => (HASHED_NAME, key.into()),
        _ => return Ok(()),
    };
    let schema = serde_json::json!({"type": "string", "pattern": pattern});
    let mut key = Value::from(key);
    schema::check(&schema, &mut key)
        .map_err(|problem| format!("invalid configuration: {}", problem.message))
}

/// A certificate with its key, where they are written out.
fn pair(cert: Option<&str>, key: Option<&str>) -> Result<(), String> {
    if let Some(cert) = cert.filter(|cert| !secret::is_reference(cert)) {
        ssl::check_cert(cert)?;
    }
    match key.filter(|key| !secret::is_reference(key)) {
        Some(key) => ssl::check_key(key),
        None => Ok(()),
    }
}

fn certificates(spec: &Value, validation: &mut Validation) {
    if let Err(message) = pair(text(spec, "cert"), text(spec, "key")) {
        validation.refuse("cert", message);
    }
    let certs: Vec<&str> = strings(spec, "certs").collect();
    let keys: Vec<&str> = strings(spec, "keys").collect();
    if certs.len() != keys.len() {
        validation.refuse("certs", "mismatched number of certs and keys");
        return;
    }
    for (index, (cert, key)) in certs.into_iter().zip(keys).enumerate() {
        if let Err(message) = pair(Some(cert), Some(key)) {
            let message = format!("failed to handle cert-key pair[{}]: {message}", index + 1);
            validation.refuse(format!("certs[{index}]"), message);
        }
    }
    let Some(client) = spec.get("client") else {
        return;
    };
    if let Err(message) = pair(text(client, "ca"), None) {
        let message = format!("failed to validate client_cert: {message}");
        validation.refuse("client.ca", message);
    }
    for (index, source) in strings(client, "skip_mtls_uri_regex").enumerate() {
        if let Err(message) = Pattern::parse(source) {
            validation.refuse(format!("client.skip_mtls_uri_regex[{index}]"), message);
        }
    }
}
