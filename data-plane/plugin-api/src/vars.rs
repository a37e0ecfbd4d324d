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
            "balancer_ip" => owned(record.node.as_ref()?.ip()?),
            "balancer_port" => owned(record.node.as_ref()?.port()?),
            "upstream_addr" => owned(record.node.as_ref()?),
            "upstream_status" => last_status(&record.upstream_statuses),
            "upstream_response_time" => record
                .node
                .as_ref()
                .and_then(|_| owned(seconds(record.upstream))),
            "request_time" => owned(seconds(record.total)),
            "status" => self.status(),
            "bytes_sent" => owned(record.response_bytes),
            "body_bytes_sent" => owned(record.body_bytes),
            // Grows while the body goes by.
            "request_length" => owned(record.request_bytes),
            "time_iso8601" => Some(Cow::Owned(iso8601(self.host.unix_ms() / 1000))),
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

/// Seconds since the epoch as `2023-11-14T22:13:20+00:00`.
fn iso8601(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// Year, month and day (from 1) of a number of days since the epoch.
///
/// Counts in eras of 400 years that begin on a 1 March, so that the leap day is the last of a year.
#[must_use]
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::context::RouteInfo;
    use crate::host::Consumer;
    use crate::testkit::{FakeHost, request};

    fn text(variables: &dyn Variables, name: &str) -> Option<String> {
        match variables.get(name)? {
            Var::Text(text) => Some(text.into_owned()),
            Var::List(_) => None,
        }
    }

    #[test]
    fn the_head_is_known_before_the_route() {
        let head = request("/a%20b?x=1&y=a+b&x=2")
            .header("x-version", "v1")
            .header("x-version", "v2")
            .header("cookie", "a=1; session=s=2")
            .head();
        let params = [
            (Arc::from("id"), "7".to_owned()),
            (Arc::from("1"), "r".into()),
        ];
        let variables = HeadVariables {
            head: &head,
            params: &params,
        };
        for (name, value) in [
            ("uri", Some("/a b")),
            ("request_uri", Some("/a b?x=1&y=a+b&x=2")),
            ("real_request_uri", Some("/a%20b?x=1&y=a+b&x=2")),
            ("args", Some("x=1&y=a+b&x=2")),
            ("is_args", Some("?")),
            ("host", Some("example.com")),
            ("scheme", Some("http")),
            ("request_method", Some("GET")),
            ("remote_addr", Some("192.0.2.1")),
            ("client_ip", Some("192.0.2.1")),
            ("remote_port", Some("50000")),
            ("server_port", Some("9080")),
            ("arg_x", Some("1")),
            ("query_arg_y", Some("a b")),
            ("http_x_version", Some("v1, v2")),
            ("header_x-version", Some("v1, v2")),
            ("cookie_session", Some("s=2")),
            ("cookie_none", None),
            ("uri_param_id", Some("7")),
            ("1", Some("r")),
            ("id", None),
            ("route_id", None),
            ("", None),
        ] {
            assert_eq!(text(&variables, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn the_rest_is_known_as_the_request_goes_on() {
        let host = FakeHost::shared();
        host.advance(Duration::from_millis(1500));
        let mut context = request("/").context(host);
        assert_eq!(text(&context, "route_id"), None);
        assert_eq!(text(&context, "consumer_name"), None);
        assert_eq!(text(&context, "balancer_ip"), None);
        context.route = Some(Arc::new(RouteInfo {
            id: "r".into(),
            ..RouteInfo::default()
        }));
        context.attach_consumer(Arc::new(Consumer {
            name: "jack".into(),
            group_id: Some("g".into()),
            ..Consumer::default()
        }));
        context.record.node = "127.0.0.1:80".parse().ok();
        context.record.upstream_statuses = vec![502, 200];
        context.record.request_bytes = 120;
        for (name, value) in [
            ("route_id", "r"),
            ("consumer_name", "jack"),
            ("consumer_group_id", "g"),
            ("balancer_ip", "127.0.0.1"),
            ("balancer_port", "80"),
            ("upstream_addr", "127.0.0.1:80"),
            ("upstream_status", "200"),
            ("request_length", "120"),
            ("hostname", "test-host"),
            ("msec", "1700000001.500"),
            ("time_iso8601", "2023-11-14T22:13:21+00:00"),
        ] {
            assert_eq!(text(&context, name).as_deref(), Some(value), "{name}");
        }
        // Empty means absent, so that templates can fall back.
        assert_eq!(text(&context, "route_name"), None);
    }

    #[test]
    fn days_have_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
        assert_eq!(civil(20_818), (2026, 12, 31));
    }
}
