//! The entry of one request.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use weir_plugin_api::{Context, Step};

use super::body::{self, Rule};
use super::format::Format;
use super::options::{EntryOptions, Metadata};

/// Id of a route in entries of requests that none took.
const NO_ROUTE: &str = "no-matched";

/// The entry of one request, on its way.
pub(crate) struct Entry {
    /// What is logged.
    pub(crate) fields: Value,
    /// When the request began, in milliseconds since the epoch.
    pub(crate) at_ms: u64,
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
    ///
    /// # Errors
    /// What is wrong with it; `name` is named.
    pub(crate) fn tagged(mut self, name: &str, tag: &Map<String, Value>) -> Result<Self, String> {
        self.tag = Some(Format::compile(name, tag)?);
        Ok(self)
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
        "headers": fields(&request.headers),
        "querystring": arguments(request.query.as_deref().unwrap_or_default()),
        "size": record.request_bytes,
    });
    let headers = context
        .response
        .as_ref()
        .map(|response| fields(&response.headers));
    let mut answered = json!({
        "status": record.status,
        "headers": headers.unwrap_or_else(|| json!({})),
        "size": record.response_bytes,
    });
    for (part, body) in [(&mut asked, request_body), (&mut answered, answer_body)] {
        if let (Some(body), Some(part)) = (body, part.as_object_mut()) {
            part.insert("body".into(), Value::from(body));
        }
    }
    let route = context.route.as_deref();
    let total = millis(record.total);
    let upstream = record.node.as_ref().map(|_| millis(record.upstream));
    let fields = json!({
        "request": asked,
        "response": answered,
        "server": {"hostname": context.host.hostname(), "version": env!("CARGO_PKG_VERSION")},
        "upstream": record.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        "service_id": route.map_or("", |route| &route.service_id),
        "route_id": route.map_or(NO_ROUTE, |route| &route.id),
        "client_ip": request.client_ip.to_string(),
        "start_time": begun(context),
        "latency": total,
        "apisix_latency": (total - upstream.unwrap_or_default()).max(0.0),
    });
    let Value::Object(mut entry) = fields else {
        return Map::new();
    };
    if let Some(upstream) = upstream {
        entry.insert("upstream_latency".into(), Value::from(upstream));
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

/// Header fields; a name that stands several times has a list.
fn fields(headers: &HeaderMap) -> Value {
    let mut map = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let mut values: Vec<Value> = values
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let value = match values.len() {
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        map.insert(name.as_str().to_owned(), value);
    }
    Value::Object(map)
}

/// Arguments of a query; the last of a name counts, one without value is `true`.
fn arguments(query: &str) -> Value {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
        decoded.into_owned()
    };
    let pairs = pairs.map(|pair| match pair.split_once('=') {
        Some((name, value)) => (decode(name), Value::from(decode(value))),
        None => (decode(pair), Value::Bool(true)),
    });
    Value::Object(pairs.collect())
}
