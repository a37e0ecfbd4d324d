//! From the wire to a question: everything about it is checked here.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use weir_model::Problem;
use weir_plugin_api::Scheme;
use weir_proto::control::ExplainRequest;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::explain::{CLIENT, Question};

/// Near misses that are told unless the question says otherwise.
const MISSES: usize = 10;
/// Near misses that are told at most.
const MAX_MISSES: usize = 1000;

/// Names of the modes, as agents have them in their file.
const MODES: [(&str, RouterMode); 3] = [
    ("radixtree_host_uri", RouterMode::HostUri),
    ("radixtree_uri", RouterMode::Uri),
    ("radixtree_uri_with_parameter", RouterMode::UriWithParameter),
];

/// A question that can be answered.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) mode: RouterMode,
    pub(super) mode_name: &'static str,
    pub(super) misses: usize,
}

impl Asked {
    pub(super) fn read(request: &ExplainRequest) -> Result<Self, Problem> {
        let (mode_name, mode) = mode(&request.router_mode)?;
        let misses = match request.max_misses {
            0 => MISSES,
            wanted => usize::try_from(wanted)
                .unwrap_or(MAX_MISSES)
                .min(MAX_MISSES),
        };
        let client: IpAddr = match request.remote_addr.as_str() {
            "" => CLIENT,
            text => text.parse().map_err(|_| {
                Problem::new(
                    "remote_addr",
                    format!("expected an IP address, got {text:?}"),
                )
            })?,
        };
        let (scheme, asked) = http_request(request)?;
        Ok(Self {
            question: Question {
                request: asked,
                scheme,
                client,
                consumer: Some(request.consumer.clone()).filter(|name| !name.is_empty()),
            },
            mode,
            mode_name,
            misses,
        })
    }
}

fn mode(name: &str) -> Result<(&'static str, RouterMode), Problem> {
    let [default, ..] = MODES;
    if name.is_empty() {
        return Ok(default);
    }
    let found = MODES.iter().find(|(known, _)| *known == name);
    found.copied().ok_or_else(|| {
        let known = MODES.map(|(known, _)| known).join(", ");
        Problem::new(
            "router_mode",
            format!("expected one of {known}, got {name:?}"),
        )
    })
}

/// The request as it would come over HTTP/1.1.
fn http_request(asked: &ExplainRequest) -> Result<(Scheme, Request<Bytes>), Problem> {
    let bad_url = || {
        let text = &asked.url;
        Problem::new(
            "url",
            format!("expected a path or an http:// or https:// URL, got {text:?}"),
        )
    };
    let method = match asked.method.as_str() {
        "" => Method::GET,
        text => Method::from_bytes(text.as_bytes())
            .map_err(|_| Problem::new("method", format!("expected a method, got {text:?}")))?,
    };
    let uri: Uri = asked.url.parse().map_err(|_| bad_url())?;
    let scheme = match uri.scheme_str() {
        None if asked.url.starts_with('/') || asked.url == "*" => Scheme::Http,
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(bad_url()),
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(Bytes::from(asked.body.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().map_err(|_| bad_url())?;
    let headers = request.headers_mut();
    for (position, field) in asked.headers.iter().enumerate() {
        let bad = |what: &str, got: &str| {
            let message = format!("expected the {what} of a header, got {got:?}");
            Problem::new(format!("headers[{position}]"), message)
        };
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| bad("name", &field.name))?;
        let value = HeaderValue::from_str(&field.value);
        headers.append(name, value.map_err(|_| bad("value", &field.value))?);
    }
    if !headers.contains_key(HOST) {
        let host = uri
            .authority()
            .map_or("localhost", |authority| authority.as_str());
        // Browsers and curl make a header of it; a Host never has it.
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| bad_url())?);
    }
    if !asked.body.is_empty() && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(asked.body.len()));
    }
    Ok((scheme, request))
}
