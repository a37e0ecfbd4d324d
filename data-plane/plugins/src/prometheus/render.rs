//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use weir_plugin_api::Living;

use super::facts::{Discovered, NodeFacts, Pools};
use super::family::{Bounds, Histogram, Registry};
use super::stream::STATUS_LABELS as STREAM_LABELS;
use super::{STATUS_LABELS, TRAFFIC_LABELS};
use crate::logging::{Known, Labels};
use crate::table::Evictions;

/// Media type of the answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, for `/apisix/prometheus/metrics`.
#[must_use]
pub fn render(living: &Living, facts: &NodeFacts) -> String {
    let mut page = Page {
        text: String::with_capacity(16 * 1024),
        prefix: &facts.metric_prefix,
    };
    if let Some(registry) = Registry::known(living) {
        traffic(&mut page, &registry);
        streams(&mut page, &registry);
    }
    node(&mut page, living, facts);
    page.text
}

fn traffic(page: &mut Page<'_>, registry: &Registry) {
    page.head(
        "bandwidth",
        "counter",
        "Total bandwidth in bytes per service in APISIX",
    );
    let names = registry.bandwidth_labels.behind(&TRAFFIC_LABELS);
    for (values, series) in registry.bandwidth.sorted() {
        for (kind, bytes) in [
            ("egress", &series.cell.egress),
            ("ingress", &series.cell.ingress),
        ] {
            let labels = labels(&[("type", kind)], &names, &values);
            page.line("bandwidth", &labels, bytes.load(Ordering::Relaxed));
        }
    }
    let help = "HTTP request latency in milliseconds per service in APISIX";
    page.head("http_latency", "histogram", help);
    let names = registry.latency_labels.behind(&TRAFFIC_LABELS);
    for (values, series) in registry.latency.sorted() {
        for (kind, histogram) in [
            ("apisix", &series.cell.gateway),
            ("request", &series.cell.request),
            ("upstream", &series.cell.upstream),
        ] {
            let labels = labels(&[("type", kind)], &names, &values);
            page.histogram("http_latency", &labels, histogram, &registry.bounds);
        }
    }
    page.head(
        "http_status",
        "counter",
        "HTTP status codes per service in APISIX",
    );
    let names = registry.status_labels.behind(&STATUS_LABELS);
    for (values, series) in registry.status.sorted() {
        let labels = labels(&[], &names, &values);
        page.line("http_status", &labels, series.cell.load(Ordering::Relaxed));
    }
    let help = "Changes that found no room for their label set";
    let name = "weir_prometheus_dropped_total";
    page.head(name, "counter", help);
    page.line(name, "", registry.dropped.load(Ordering::Relaxed));
}

/// What the plugin counted on streams; nothing where it runs on none.
fn streams(page: &mut Page<'_>, registry: &Registry) {
    let listeners = registry.listeners.sorted();
    if listeners.is_empty() {
        return;
    }
    let name = "stream_connection_total";
    let help = "Total number of connections of each stream route";
    page.head(name, "counter", help);
    for (values, series) in registry.streams.sorted() {
        let labels = labels(&[], &["route"], &values);
        page.line(name, &labels, series.cell.load(Ordering::Relaxed));
    }
    let name = "stream_active_connections";
    page.head(name, "gauge", "Streams that are open, by listener");
    for (values, series) in &listeners {
        let labels = labels(&[], &["listen_addr"], values);
        page.line(name, &labels, series.cell.open.load(Ordering::Relaxed));
    }
    let name = "stream_status";
    page.head(name, "counter", "Streams that are over, by how they ended");
    for (values, series) in registry.stream_status.sorted() {
        let labels = labels(&[], &STREAM_LABELS, &values);
        page.line(name, &labels, series.cell.load(Ordering::Relaxed));
    }
    let name = "stream_bandwidth";
    page.head(name, "counter", "Bytes of streams that are over");
    for (values, series) in &listeners {
        let bytes = &series.cell.bytes;
        for (kind, bytes) in [("egress", &bytes.egress), ("ingress", &bytes.ingress)] {
            let pairs = [("type", kind), ("side", "downstream")];
            let labels = labels(&pairs, &["listen_addr"], values);
            page.line(name, &labels, bytes.load(Ordering::Relaxed));
        }
    }
}

/// What the batch processors of logging plugins hold and have lost.
fn logs(page: &mut Page<'_>, living: &Living) {
    let counts = Known::counts(living);
    let of = |processor: &Labels| {
        let pairs = [
            ("name", processor.name.as_str()),
            ("route_id", &processor.route_id),
            ("server_addr", &processor.server_addr),
        ];
        labels(&pairs, &[], &[])
    };
    let name = "batch_process_entries";
    page.head(name, "gauge", "Log entries that wait or are under way");
    for (processor, (pending, _)) in &counts {
        page.line(name, &of(processor), *pending);
    }
    let name = "weir_log_entries_dropped_total";
    let help = "Log entries that found no room or could not be sent";
    page.head(name, "counter", help);
    for (processor, (_, dropped)) in &counts {
        page.line(name, &of(processor), *dropped);
    }
}

fn pools(page: &mut Page<'_>, pools: &Pools) {
    for (name, kind, help, value) in [
        (
            "weir_upstream_connects_total",
            "counter",
            "Connections opened to nodes",
            pools.opened,
        ),
        (
            "weir_upstream_reuses_total",
            "counter",
            "Requests that took an idle connection",
            pools.reused,
        ),
        (
            "weir_upstream_idle_connections",
            "gauge",
            "Idle connections to nodes",
            pools.idle,
        ),
    ] {
        page.head(name, kind, help);
        page.line(name, "", value);
    }
    let name = "weir_upstream_connections";
    page.head(name, "gauge", "Connections to each node, by what they do");
    for one in &pools.nodes {
        for (state, count) in [("active", one.active), ("idle", one.idle)] {
            let pairs = [("node", one.node.as_str()), ("state", state)];
            page.line(name, &labels(&pairs, &[], &[]), count);
        }
    }
}

fn discovery(page: &mut Page<'_>, discovered: &[Discovered]) {
    let of = |one: &Discovered| labels(&[("lookup", one.lookup.as_str())], &[], &[]);
    let name = "weir_discovery_endpoints";
    page.head(name, "gauge", "Endpoints of services in registries");
    for one in discovered {
        page.line(name, &of(one), one.endpoints);
    }
    let name = "weir_discovery_unchanged_seconds";
    let help = "Time for which the endpoints of a service have been the same";
    page.head(name, "gauge", help);
    for one in discovered {
        page.line(name, &of(one), one.changed.as_secs());
    }
}

fn node(page: &mut Page<'_>, living: &Living, facts: &NodeFacts) {
    let name = "etcd_modify_indexes";
    page.head(
        name,
        "gauge",
        "Revision of the configuration in use, per kind",
    );
    for (key, revision) in &facts.modify_indexes {
        page.line(name, &labels(&[("key", key)], &[], &[]), revision);
    }
    let name = "etcd_reachable";
    let help = "Whether the control plane is reachable from this agent, 0 is unreachable";
    page.head(name, "gauge", help);
    page.line(name, "", u8::from(facts.config_reachable));

    let name = "http_requests_total";
    page.head(
        name,
        "gauge",
        "The total number of client requests since APISIX started",
    );
    page.line(name, "", facts.requests);

    let name = "nginx_http_current_connections";
    page.head(name, "gauge", "Number of HTTP connections");
    let connections = &facts.connections;
    for (state, count) in [
        ("accepted", connections.accepted),
        ("active", connections.active),
        ("handled", connections.handled),
        ("reading", connections.reading),
        ("waiting", connections.waiting),
        ("writing", connections.writing),
    ] {
        page.line(name, &labels(&[("state", state)], &[], &[]), count);
    }

    let name = "node_info";
    page.head(name, "gauge", "Info of APISIX node");
    let pairs = [
        ("hostname", facts.hostname.as_str()),
        ("version", facts.version.as_str()),
    ];
    page.line(name, &labels(&pairs, &[], &[]), 1);

    let name = "upstream_status";
    page.head(name, "gauge", "Upstream status from health check");
    for node in &facts.upstreams {
        let (ip, port) = (node.ip.to_string(), node.port.to_string());
        let pairs = [("name", node.name.as_str()), ("ip", &ip), ("port", &port)];
        page.line(name, &labels(&pairs, &[], &[]), u8::from(node.healthy));
    }

    pools(page, &facts.pools);
    discovery(page, &facts.discovered);
    let name = "weir_failures_total";
    page.head(name, "counter", "Failures by reason, tries included");
    for (reason, count) in &facts.failures {
        page.line(name, &labels(&[("reason", reason)], &[], &[]), count);
    }

    let name = "weir_limit_keys_evicted_total";
    page.head(
        name,
        "counter",
        "Keys in use that a full table of limits dropped",
    );
    page.line(name, "", Evictions::total(living));
    logs(page, living);
}

struct Page<'f> {
    text: String,
    prefix: &'f str,
}

// Writing to a string cannot fail.
impl Page<'_> {
    /// A name of ours is whole; APISIX's names get the prefix.
    fn name(&self, name: &str) -> String {
        if name.starts_with("weir_") {
            name.to_owned()
        } else {
            format!("{}{name}", self.prefix)
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let name = self.name(name);
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let name = self.name(name);
        let _ = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
    }

    /// A histogram that never saw anything is left out.
    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram, bounds: &Bounds) {
        let (counts, total, sum) = histogram.read();
        if total == 0 {
            return;
        }
        let name = self.name(name);
        for (bound, count) in bounds.told.iter().zip(counts) {
            let _ = writeln!(
                self.text,
                "{name}_bucket{{{labels},le=\"{bound}\"}} {count}"
            );
        }
        let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}");
        let _ = writeln!(self.text, "{name}_count{{{labels}}} {total}");
        let _ = writeln!(self.text, "{name}_sum{{{labels}}} {sum}");
    }
}

fn labels(pairs: &[(&str, &str)], names: &[&str], values: &[Box<str>]) -> String {
    let rest = names
        .iter()
        .copied()
        .zip(values.iter().map(|value| &**value));
    let mut text = String::new();
    for (name, value) in pairs.iter().copied().chain(rest) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let text = labels(&[("a", "x\"y\\z\n")], &["b"], &["c".into()]);
        assert_eq!(text, r#"a="x\"y\\z\n",b="c""#);
    }
}
