//! `plugin_attr.prometheus`: where metrics are told, and what is the same for all of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use weir_plugins::prometheus::Attributes;

use super::document::Section;
use super::statics::path;

/// The prometheus plugin as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct PrometheusExport {
    /// Path of the metrics.
    pub uri: String,
    /// Put before each name.
    pub metric_prefix: String,
    /// Whether the metrics are served at all.
    pub enabled: bool,
    /// Where; `None` means on the status port.
    pub address: Option<SocketAddr>,
    /// Labels and buckets.
    pub attributes: Attributes,
}

impl Default for PrometheusExport {
    fn default() -> Self {
        Self {
            uri: "/apisix/prometheus/metrics".to_owned(),
            metric_prefix: "apisix_".to_owned(),
            enabled: true,
            address: None,
            attributes: Attributes::default(),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> PrometheusExport {
    let mut export = PrometheusExport::default();
    if let Some(uri) = path(section, "export_uri") {
        export.uri = uri;
    }
    if let Some(prefix) = section.text("metric_prefix") {
        export.metric_prefix = prefix;
    }
    if let Some(enabled) = section.switch("enable_export_server") {
        export.enabled = enabled;
    }
    let mut address = section.section("export_addr");
    let ip: Option<IpAddr> = address.parsed("ip", "an IP address");
    let port: Option<u16> = address.parsed("port", "a port");
    address.finish();
    if ip.is_some() || port.is_some() {
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        export.address = Some(SocketAddr::new(ip, port.unwrap_or(9091)));
    }
    let mut metrics = section.section("metrics");
    for name in Attributes::METRICS {
        let mut metric = metrics.section(name);
        read_labels(&mut metric, name, &mut export.attributes);
        metric.finish();
    }
    metrics.finish();
    read_buckets(section, &mut export.attributes);
    export
}

/// `extra_labels: [{NAME: $VARIABLE}]`.
fn read_labels(section: &mut Section<'_>, metric: &'static str, attributes: &mut Attributes) {
    for (index, item) in section.items("extra_labels").into_iter().enumerate() {
        let one = item.as_object().filter(|one| one.len() == 1);
        let one = one.and_then(|one| one.iter().next());
        let added = match one.and_then(|(name, value)| Some((name, value.as_str()?))) {
            Some((name, variable)) => attributes.add_label(metric, name, variable),
            None => Err("one name and its variable, such as upstream: $upstream_addr"),
        };
        if let Err(expected) = added {
            section.refuse(&format!("extra_labels[{index}]"), expected, &item);
        }
    }
}

fn read_buckets(section: &mut Section<'_>, attributes: &mut Attributes) {
    const NAME: &str = "default_buckets";
    let items = section.items(NAME);
    if items.is_empty() {
        return;
    }
    let bounds: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
    if let Err(expected) = attributes.set_buckets(bounds.unwrap_or_default()) {
        section.refuse(NAME, expected, &Value::Array(items));
    }
}
