//! `/v1/healthcheck` of the status port: APISIX's control API for health checks (objects.md
//! section 16), as JSON or as a page for people.

use std::fmt::Write;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugins::prometheus::UpstreamNode;
use weir_proxy::upstream::health::checkers::{Checked, Checkers};
use weir_proxy::upstream::health::target::Target;

use crate::status::Shown;

/// `GET /v1/healthcheck`.
pub(crate) async fn all(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let checks = shown.plane.gateway.checkers().checks();
    let infos = checks.iter().map(|(key, checked)| info(key, checked));
    answer(&headers, infos.collect(), Value::Array)
}

/// `GET /v1/healthcheck/{type}`: the id is missing.
pub(crate) async fn without_id(Path(kind): Path<String>) -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        &format!("missing src id for src type {kind}"),
    )
}

/// `GET /v1/healthcheck/{type}/{id}`.
pub(crate) async fn one(
    State(shown): State<Shown>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let key = match kind.as_str() {
        "routes" => Key::new(Kind::Route, id.as_str()),
        "services" => Key::new(Kind::Service, id.as_str()),
        "upstreams" => Key::new(Kind::Upstream, id.as_str()),
        "stream_routes" => Key::new(Kind::StreamRoute, id.as_str()),
        _ => {
            let text = format!("invalid src type {kind}");
            return refuse(StatusCode::BAD_REQUEST, &text);
        }
    };
    let checks = shown.plane.gateway.checkers().checks();
    if let Some(checked) = checks.get(&key) {
        let one = |mut infos: Vec<Value>| infos.pop().unwrap_or_default();
        return answer(&headers, vec![info(&key, checked)], one);
    }
    let known = shown.plane.facts.lock().set.get(&key).is_some();
    let text = if known {
        format!("no checker for {kind}[{id}]")
    } else {
        format!("{kind}[{id}] not found")
    };
    refuse(StatusCode::NOT_FOUND, &text)
}

/// The nodes as the `upstream_status` metric shows them.
pub(crate) fn nodes(checkers: &Checkers) -> Vec<UpstreamNode> {
    let checks = checkers.checks();
    let mut nodes = Vec::new();
    for (key, checked) in checks.iter() {
        let targets = checked.nodes.iter();
        nodes.extend(targets.map(|target| UpstreamNode {
            name: name(key),
            ip: target.place.ip,
            port: port(target),
            healthy: target.is_usable(),
        }));
    }
    nodes
}

fn name(key: &Key) -> String {
    format!("/apisix/{key}")
}

/// The port that is judged: that of the probes when they have one of their own.
fn port(target: &Target) -> u16 {
    let probed = target.probed_address().map(|address| address.port());
    probed.unwrap_or(target.place.port)
}

fn info(key: &Key, checked: &Checked) -> Value {
    let targets = checked.nodes.iter();
    let nodes: Vec<Value> = targets.map(|target| node(target)).collect();
    json!({"name": name(key), "type": checked.kind, "nodes": nodes})
}

fn node(target: &Target) -> Value {
    let shown = target.shown();
    let ip = shown.place.ip.to_string();
    let counters = shown.state.counters;
    let mut node = json!({
        "ip": ip,
        "port": port(target),
        "hostname": &*shown.place.hostname,
        "status": shown.state.status.as_str(),
        "counter": {
            "success": counters.success,
            "http_failure": counters.http_failure,
            "tcp_failure": counters.tcp_failure,
            "timeout_failure": counters.timeout,
        },
    });
    if let (Some(fields), Some(header)) = (node.as_object_mut(), &shown.place.host_header)
        && **header != *shown.place.hostname
    {
        fields.insert("hostheader".to_owned(), json!(&**header));
    }
    node
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"error_msg": text}))).into_response()
}

fn answer(
    headers: &HeaderMap,
    infos: Vec<Value>,
    json: impl FnOnce(Vec<Value>) -> Value,
) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        Html(page(&infos)).into_response()
    } else {
        Json(json(infos)).into_response()
    }
}

/// A table for people.
fn page(infos: &[Value]) -> String {
    const COLUMNS: [&str; 9] = [
        "Index",
        "Upstream",
        "Check type",
        "Host",
        "Status",
        "Success counts",
        "TCP failures",
        "HTTP failures",
        "Timeouts",
    ];
    let mut page = String::from(
        "<!DOCTYPE html>\n<title>Upstream health</title>\n<h1>Upstream health</h1>\n<table border=\"1\">\n<tr>",
    );
    // Writing into memory cannot fail.
    for column in COLUMNS {
        let _ = write!(page, "<th>{column}</th>");
    }
    page.push_str("</tr>\n");
    let empty = Vec::new();
    let nodes = infos.iter().flat_map(|info| {
        let nodes = info["nodes"].as_array().unwrap_or(&empty);
        nodes.iter().map(move |node| (info, node))
    });
    for (index, (info, node)) in nodes.enumerate() {
        let healthy = matches!(node["status"].as_str(), Some("healthy" | "mostly_healthy"));
        let counter = &node["counter"];
        page.push_str(if healthy {
            "<tr>"
        } else {
            "<tr bgcolor=\"#FF0000\">"
        });
        let cells = [
            (index + 1).to_string(),
            text(&info["name"]),
            text(&info["type"]),
            format!("{}:{}", text(&node["ip"]), text(&node["port"])),
            text(&node["status"]),
            text(&counter["success"]),
            text(&counter["tcp_failure"]),
            text(&counter["http_failure"]),
            text(&counter["timeout_failure"]),
        ];
        for cell in cells {
            let cell = cell.replace('&', "&amp;").replace('<', "&lt;");
            let _ = write!(page, "<td>{cell}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
    page
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
