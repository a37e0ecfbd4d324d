//! The metrics of one request as lines of the DogStatsD protocol.

use std::fmt::{Display, Write};

use weir_plugin_api::Context;

use super::config::{Config, Metadata};

/// What does not depend on the request.
pub(super) struct Lines {
    /// `apisix.`, or nothing.
    prefix: String,
    /// `|#source:apisix`, or nothing.
    constant: String,
    prefer_name: bool,
    include_path: bool,
    include_method: bool,
}

impl Lines {
    pub(super) fn new(config: &Config, metadata: &Metadata) -> Self {
        let mut constant = String::new();
        for tag in metadata.constant_tags.iter().chain(&config.constant_tags) {
            push(&mut constant, "", tag);
        }
        let mut prefix = metadata.namespace.clone();
        if !prefix.is_empty() {
            prefix.push('.');
        }
        Self {
            prefix,
            constant,
            prefer_name: config.prefer_name,
            include_path: config.include_path,
            include_method: config.include_method,
        }
    }

    /// The lines of a finished request, one after the other.
    pub(super) fn of(&self, context: &Context) -> String {
        let record = &context.record;
        let tags = self.tags(context);
        let total = record.total.as_micros() as f64 / 1000.0;
        let upstream = record.node.as_ref();
        let upstream = upstream.map(|_| record.upstream.as_micros() as f64 / 1000.0);
        let mut text = String::with_capacity(6 * (tags.len() + 40));
        let mut line = |name: &str, value: &dyn Display, kind: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}{name}:{value}|{kind}{tags}", self.prefix);
        };
        line("request.counter", &1, "c");
        line("request.latency", &total, "h");
        if let Some(upstream) = &upstream {
            line("upstream.latency", upstream, "h");
        }
        let own = (total - upstream.unwrap_or_default()).max(0.0);
        // Of a difference of milliseconds, microseconds are what is known.
        line("apisix.latency", &((own * 1000.0).round() / 1000.0), "h");
        line("ingress.size", &record.request_bytes, "ms");
        line("egress.size", &record.response_bytes, "ms");
        text
    }

    fn tags(&self, context: &Context) -> String {
        let mut tags = self.constant.clone();
        let named = |name: &str, id: &str| match name {
            "" => id.to_owned(),
            _ if !self.prefer_name => id.to_owned(),
            name => name.to_owned(),
        };
        if let Some(route) = &context.route {
            push(&mut tags, "route_name:", &named(&route.name, &route.id));
            if !route.service_id.is_empty() {
                let service = named(&route.service_name, &route.service_id);
                push(&mut tags, "service_name:", &service);
            }
        }
        if let Some(consumer) = &context.consumer {
            push(&mut tags, "consumer:", &consumer.name);
        }
        if let Some(ip) = context.record.node.as_ref().and_then(|node| node.ip()) {
            push(&mut tags, "balancer_ip:", &ip.to_string());
        }
        let status = context.record.status;
        push(&mut tags, "response_status:", &status.to_string());
        let class = format!("{}xx", status / 100);
        push(&mut tags, "response_status_class:", &class);
        push(&mut tags, "scheme:", context.request.scheme.as_str());
        if self.include_path && !context.matched_uri.is_empty() {
            push(&mut tags, "path:", &context.matched_uri);
        }
        if self.include_method {
            push(&mut tags, "method:", context.request.method.as_str());
        }
        tags
    }
}

/// Adds a tag. What would end it, or the line, is replaced.
fn push(tags: &mut String, name: &str, value: &str) {
    tags.push_str(if tags.is_empty() { "|#" } else { "," });
    tags.push_str(name);
    let safe = |c: char| match c {
        ',' | '|' => '_',
        c if c.is_control() => '_',
        c => c,
    };
    tags.extend(value.chars().map(safe));
}
