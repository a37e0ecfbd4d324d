//! Attributes of spans.

use http::HeaderMap;
use weir_model::field::variable::{Variable, Variables};
use weir_plugin_api::Context;

use super::config::Config;
use super::proto::{AnyKind, KeyValue};

/// What an operator asked for besides the usual attributes.
pub(super) struct Attributes {
    variables: Vec<Variable>,
    headers: Vec<Header>,
}

enum Header {
    Name(String),
    Prefix(String),
}

impl Attributes {
    pub(super) fn new(config: &Config) -> Self {
        let variables = config.additional_attributes.iter().flatten();
        let headers = config.additional_header_prefix_attributes.iter().flatten();
        let header = |text: &String| {
            let text = text.to_ascii_lowercase();
            // A star alone is a name, which no header has.
            match text.strip_suffix('*').filter(|prefix| !prefix.is_empty()) {
                Some(prefix) => Header::Prefix(prefix.to_owned()),
                None => Header::Name(text),
            }
        };
        Self {
            variables: variables.map(|name| Variable::parse(name)).collect(),
            headers: headers.map(header).collect(),
        }
    }

    /// Those of headers.
    pub(super) fn of_headers(&self, headers: &HeaderMap) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        if self.headers.is_empty() {
            return attributes;
        }
        for name in headers.keys() {
            let is_wanted = self.headers.iter().any(|wanted| match wanted {
                Header::Name(wanted) => name.as_str() == wanted,
                Header::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
            });
            if is_wanted {
                let values = headers.get_all(name).iter();
                let values: Vec<_> = values
                    .map(|value| String::from_utf8_lossy(value.as_bytes()))
                    .collect();
                attributes.push(KeyValue::text(name.as_str(), &values.join(", ")));
            }
        }
        attributes
    }

    /// Those of a finished request.
    pub(super) fn of_request(&self, context: &Context, attributes: &mut Vec<KeyValue>) {
        let mut text = |key: &str, value: &str| {
            if !value.is_empty() {
                attributes.push(KeyValue::text(key, value));
            }
        };
        let request = &context.request;
        text("net.host.name", &request.host);
        text("http.method", request.method.as_str());
        text("http.scheme", request.scheme.as_str());
        text("http.target", &request.raw_target);
        text(
            "http.user_agent",
            context.header("user-agent").unwrap_or_default(),
        );
        text("http.route", &context.matched_uri);
        if let Some(route) = &context.route {
            text("apisix.route_id", &route.id);
            text("apisix.route_name", &route.name);
            text("apisix.service_id", &route.service_id);
            text("apisix.service_name", &route.service_name);
        }
        for variable in &self.variables {
            if let Some(value) = context.get(variable) {
                text(variable.name(), &value.into_text());
            }
        }
        let status = AnyKind::Int(i64::from(context.record.status));
        attributes.push(KeyValue::new("http.status_code", status));
    }
}
