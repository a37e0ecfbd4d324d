//! The entry of one request.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_plugin_api::{Context, Step, Tried};

use super::body::{self, Rule};
use super::format::Format;
use super::options::{EntryOptions, Metadata};
use crate::request_json::{arguments, headers};

/// Id of a route in entries of requests that none took.
const NO_ROUTE: &str = "no-matched";

/// The entry of one request, on its way.
pub(crate) struct Entry {
    /// What is logged.
    pub(crate) fields: Value,
    /// When the request began, in milliseconds since the epoch.
    pub(crate) at_ms: u64,
    /// Whether an operator chose the fields, in place of the default ones.
    pub(crate) is_chosen: bool,
    /// What only the plugin that sends it looks at: labels, an index.
    pub(crate) tag: Map<String, Value>,
}

/// Makes entries.
pub(crate) struct Entries {
    format: Option<Format>,
    extra: Option<Format>,
    pub(super) request_body: Option<Rule>,
    answer_body: Option<Rule>,
    tag: Option<Format>,
}

impl Entries {
    /// Compiles the options; a format of the plugin wins over that of the metadata.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn compile(options: &EntryOptions, metadata: &Metadata) -> Result<Self, String> {
        let format = |name, own: &Option<_>, common: &Option<_>| {
            let fields = own.as_ref().or(common.as_ref());
            fields
                .map(|fields| Format::compile(name, fields))
                .transpose()
        };
        Ok(Self {
            format: format("log_format", &options.log_format, &metadata.log_format)?,
            extra: format(
                "log_format_extra",
                &options.log_format_extra,
                &metadata.log_format_extra,
            )?,
            request_body: Rule::compile(
                "include_req_body_expr",
                options.include_req_body,
                options.include_req_body_expr.as_ref(),
                options.max_req_body_bytes,
            )?,
            answer_body: Rule::compile(
                "include_resp_body_expr",
                options.include_resp_body,
                options.include_resp_body_expr.as_ref(),
                options.max_resp_body_bytes,
            )?,
            tag: None,
        })
    }

    /// The same with a tag on each entry.
    #[must_use]
    pub(crate) fn tagged(mut self, tag: Format) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Reads the request's body, if it is logged.
    pub(crate) fn look_at_request(&self, context: &Context) -> Step<'static> {
        match &self.request_body {
            Some(rule) => body::read(rule, context),
            None => Step::Continue,
        }
    }

    /// Keeps the answer's body, if it is logged.
    pub(crate) fn look_at_answer(&self, context: &mut Context, chunk: &Bytes) {
        if let Some(rule) = &self.answer_body {
            body::keep(rule, context, chunk);
        }
    }

    /// The entry of a finished request.
    pub(crate) fn make(&self, context: &mut Context) -> Entry {
        let answer = body::of_answer(context);
        let request = self.request_body.as_ref();
        let request = request.and_then(|rule| body::of_request(rule, context));
        let mut entry = match &self.format {
            Some(format) => chosen(format, context, request, answer),
            None => usual(context, request, answer),
        };
        if let Some(extra) = &self.extra {
            extra.write(context, &mut entry);
        }
        let mut tag = Map::new();
        if let Some(format) = &self.tag {
            format.write(context, &mut tag);
        }
        Entry {
            fields: Value::Object(entry),
            at_ms: begun(context),
            is_chosen: self.format.is_some(),
            tag,
        }
    }
}

fn chosen(
    format: &Format,
    context: &Context,
    request_body: Option<String>,
    answer_body: Option<String>,
) -> Map<String, Value> {
    let mut entry = Map::new();
    format.write(context, &mut entry);
    if let Some(route) = &context.route {
        entry.insert("route_id".into(), Value::from(&*route.id));
        if !route.service_id.is_empty() {
            entry.insert("service_id".into(), Value::from(&*route.service_id));
        }
    }
    for (part, body) in [("request", request_body), ("response", answer_body)] {
        if let Some(body) = body {
            let part = entry.entry(part).or_insert_with(|| json!({}));
            if let Some(part) = part.as_object_mut() {
                part.insert("body".into(), Value::from(body));
            }
        }
    }
    entry
}

/// The default entry (objects.md section 15).
fn usual(
    context: &Context,
    request_body: Option<String>,
    answer_body: Option<String>,
) -> Map<String, Value> {
    let request = &context.request;
    let record = &context.record;
    let uri = &request.raw_target;
    let port = request.local.port();
    let mut asked = json!({
        "url": format!("{}://{}:{port}{uri}", request.scheme.as_str(), request.host),
        "uri": uri,
        "method": request.method.as_str(),
        "headers": headers(&request.headers),
        "querystring": arguments(request.query.as_deref().unwrap_or_default()),
        "size": record.request_bytes,
    });
    let answer = context.response.as_ref();
    let answer_headers = answer.map(|response| headers(&response.headers));
    let mut answered = json!({
        "status": record.status,
        "headers": answer_headers.unwrap_or_else(|| json!({})),
        "size": record.response_bytes,
    });
    for (part, body) in [(&mut asked, request_body), (&mut answered, answer_body)] {
        if let (Some(body), Some(part)) = (body, part.as_object_mut()) {
            part.insert("body".into(), Value::from(body));
        }
    }
    let route = context.route.as_deref();
    let upstream = record.node.as_ref().map(|_| record.upstream);
    let own = record.total.saturating_sub(upstream.unwrap_or_default());
    let fields = json!({
        "request": asked,
        "response": answered,
        "server": {"hostname": context.host.hostname(), "version": env!("CARGO_PKG_VERSION")},
        "upstream": Tried::addresses(&record.tries, record.node.as_ref()).unwrap_or_default(),
        // As in APISIX: what nobody serves goes by the host that was asked for.
        "service_id": route.map_or(&*request.host, |route| &route.service_id),
        "route_id": route.map_or(NO_ROUTE, |route| &route.id),
        "client_ip": request.client_ip.to_string(),
        "start_time": begun(context),
        "latency": millis(record.total),
        "apisix_latency": millis(own),
    });
    let Value::Object(mut entry) = fields else {
        return Map::new();
    };
    if let Some(upstream) = upstream {
        entry.insert("upstream_latency".into(), millis(upstream).into());
    }
    if let Some(consumer) = &context.consumer {
        entry.insert("consumer".into(), json!({"username": consumer.name}));
    }
    entry
}

/// When the request began.
fn begun(context: &Context) -> u64 {
    let total = u64::try_from(context.record.total.as_millis()).unwrap_or_default();
    context.host.unix_ms().saturating_sub(total)
}

fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
