//! Variables of a request, as expressions and templates see them (objects.md section 5).
//!
//! Variables that need the request body are absent.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};
use weir_model::field::expr::{Var, Variables};

use crate::context::Context;
use crate::request::{RequestHead, query_arg};

/// What is known before a route is chosen: the head, and the captures of a candidate.
pub struct HeadVariables<'a> {
    /// Head of the request.
    pub head: &'a RequestHead,
    /// Captures of the path.
    pub params: &'a [(Arc<str>, String)],
}

impl Variables for HeadVariables<'_> {
    fn get(&self, name: &str) -> Option<Var<'_>> {
        head_variable(self.head, self.params, name).map(Var::Text)
    }
}

impl Variables for Context {
    fn get(&self, name: &str) -> Option<Var<'_>> {
        head_variable(&self.request, &self.params, name)
            .or_else(|| self.later_variable(name))
            .map(Var::Text)
    }
}

type Text<'a> = Option<Cow<'a, str>>;

fn borrowed(text: &str) -> Text<'_> {
    Some(Cow::Borrowed(text))
}

fn owned<'a>(value: impl ToString) -> Text<'a> {
    Some(Cow::Owned(value.to_string()))
}

/// Text that is absent when empty.
fn filled(text: &str) -> Text<'_> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn head_variable<'a>(
    head: &'a RequestHead,
    params: &'a [(Arc<str>, String)],
    name: &str,
) -> Text<'a> {
    match name {
        "uri" | "document_uri" => borrowed(&head.path),
        "request_uri" => Some(with_query(&head.path, head.query.as_deref())),
        "real_request_uri" => borrowed(&head.raw_target),
        "args" | "query_string" => head.query.as_deref().map(Cow::Borrowed),
        "is_args" => borrowed(if head.query.as_deref().is_some_and(|q| !q.is_empty()) {
            "?"
        } else {
            ""
        }),
        "host" | "server_name" => borrowed(&head.host),
        "scheme" => borrowed(head.scheme.as_str()),
        "https" => (head.scheme.as_str() == "https").then_some(Cow::Borrowed("on")),
        "request_method" | "method" => borrowed(head.method.as_str()),
        "remote_addr" | "client_ip" => owned(head.client_ip),
        "remote_port" => owned(head.peer.port()),
        "realip_remote_addr" => owned(head.peer.ip()),
        "server_addr" => owned(head.local.ip()),
        "server_port" => owned(head.local.port()),
        "server_protocol" => borrowed(match head.version {
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2.0",
            http::Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }),
        "content_type" => header(&head.headers, "content-type"),
        "content_length" => header(&head.headers, "content-length"),
        "request_length" => header(&head.headers, "content-length"),
        _ => prefixed_variable(head, params, name),
    }
}

fn prefixed_variable<'a>(
    head: &'a RequestHead,
    params: &'a [(Arc<str>, String)],
    name: &str,
) -> Text<'a> {
    if let Some(name) = name
        .strip_prefix("http_")
        .or_else(|| name.strip_prefix("header_"))
    {
        return header(&head.headers, &name.replace('_', "-"));
    }
    if let Some(name) = name
        .strip_prefix("arg_")
        .or_else(|| name.strip_prefix("query_arg_"))
    {
        return query_arg(head.query.as_deref()?, name);
    }
    if let Some(name) = name.strip_prefix("cookie_") {
        return cookie(&head.headers, name);
    }
    let param = name.strip_prefix("uri_param_").unwrap_or(name);
    let numbered = param.bytes().all(|byte| byte.is_ascii_digit());
    if param.len() < name.len() || numbered {
        let found = params.iter().find(|(key, _)| **key == *param);
        return found.map(|(_, value)| Cow::Borrowed(value.as_str()));
    }
    None
}

/// All values of a header, joined as one; names without regard to case.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Text<'a> {
    let name = HeaderName::try_from(name).ok()?;
    let mut values = headers
        .get_all(name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |all, next| Cow::Owned(format!("{all}, {next}"))))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Text<'a> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|line| {
            line.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then_some(Cow::Borrowed(value))
            })
        })
}

fn with_query<'a>(path: &'a str, query: Option<&str>) -> Cow<'a, str> {
    match query {
        Some(query) => Cow::Owned(format!("{path}?{query}")),
        None => Cow::Borrowed(path),
    }
}

impl Context {
    /// Variables that are known only later than the head.
    fn later_variable(&self, name: &str) -> Text<'_> {
        let route = self.route.as_deref();
        let record = &self.record;
        match name {
            "route_id" => filled(&route?.id),
            "route_name" => filled(&route?.name),
            "service_id" => filled(&route?.service_id),
            "service_name" => filled(&route?.service_name),
            "matched_uri" => filled(&self.matched_uri),
            "matched_host" => filled(&self.matched_host),
            "consumer_name" => borrowed(&self.consumer.as_ref()?.name),
            "consumer_group_id" => self
                .consumer
                .as_ref()?
                .group_id
                .as_deref()
                .map(Cow::Borrowed),
            "hostname" => borrowed(self.host.hostname()),
            "apisix_request_id" | "request_id" => filled(&record.request_id),
            "request_type" => borrowed("traditional_http"),
            "balancer_ip" => owned(record.node?.ip()),
            "balancer_port" => owned(record.node?.port()),
            "upstream_addr" => owned(record.node?),
            "upstream_status" => last_status(&record.upstream_statuses),
            "upstream_response_time" => record.node.and_then(|_| owned(seconds(record.upstream))),
            "request_time" => owned(seconds(record.total)),
            "status" => self.status(),
            "bytes_sent" => owned(record.response_bytes),
            "body_bytes_sent" => owned(record.body_bytes),
            "msec" => owned(format!("{:.3}", self.host.unix_ms() as f64 / 1000.0)),
            _ => {
                let name = name.strip_prefix("sent_http_")?;
                header(&self.response.as_ref()?.headers, &name.replace('_', "-"))
            }
        }
    }

    fn status(&self) -> Text<'_> {
        let head = self.response.as_ref().map(|head| head.status.as_u16());
        head.or_else(|| Some(self.record.status).filter(|status| *status != 0))
            .and_then(owned)
    }
}

fn last_status<'a>(statuses: &[u16]) -> Text<'a> {
    statuses.last().and_then(owned)
}

fn seconds(time: std::time::Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
