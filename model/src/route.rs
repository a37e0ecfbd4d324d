//! Routes: which requests, and what happens to them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::expr::Expr;
use crate::field::labels::Labels;
use crate::field::pattern::Pattern;
use crate::field::timeout::Timeouts;
use crate::field::{address, id, uri};
use crate::plugin::Plugins;
use crate::resource::{Id, Kind};
use crate::upstream::Upstream;
use crate::validate::Problem;

/// A route in normal form: one spelling of everything, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Whether the route takes part in matching (`status: 1`).
    pub enabled: bool,
    /// Larger wins among routes on the same path node.
    pub priority: i64,
    /// Host patterns in lower case, from `host` or `hosts`; empty when the route has none (then
    /// those of its service count).
    pub hosts: Vec<String>,
    /// Path patterns, from `uri` or `uris`; never empty.
    pub uris: Vec<String>,
    /// The regexes of `uris` when `regex_uri` is true, anchored to the whole path; else empty.
    pub regexes: Vec<Pattern>,
    /// Methods in upper case; empty matches all.
    pub methods: Vec<String>,
    /// Client networks, from `remote_addr` or `remote_addrs`; empty matches all.
    pub remote_addrs: Vec<IpNet>,
    /// Conditions on variables; the empty expression when there are none.
    pub vars: Expr,
    /// Conditions on headers; all must hold.
    pub headers: Vec<HeaderMatch>,
    /// Plugins by name.
    pub plugins: Plugins,
    /// Shared plugins.
    pub plugin_config_id: Option<Id>,
    /// The service that the route belongs to.
    pub service_id: Option<Id>,
    /// The upstream by reference; wins over `upstream`.
    pub upstream_id: Option<Id>,
    /// The upstream written inside the route.
    pub upstream: Option<Upstream>,
    /// Limits that win over those of the upstream.
    pub timeout: Option<Timeouts>,
    /// Whether Upgrade is passed on; unset inherits from the service.
    pub enable_websocket: Option<bool>,
}

/// A condition on one request header.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMatch {
    /// Name in lower case.
    pub name: String,
    /// What the value must be.
    pub value: HeaderValue,
}

/// What a header must be.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// Exactly this text.
    Exact(String),
    /// Anything in which this is found (written `~REGEX`).
    Regex(Pattern),
}

impl HeaderValue {
    /// Whether a header value fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self {
            HeaderValue::Exact(text) => text == value,
            HeaderValue::Regex(pattern) => pattern.is_match(value),
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    labels: Labels,
    status: i64,
    priority: i64,
    #[serde(default)]
    hosts: Vec<String>,
    uris: Vec<String>,
    #[serde(default)]
    regex_uri: bool,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    remote_addrs: Vec<String>,
    vars: Option<Value>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    plugins: Plugins,
    #[serde(default, deserialize_with = "id::optional")]
    plugin_config_id: Option<Id>,
    #[serde(default, deserialize_with = "id::optional")]
    service_id: Option<Id>,
    #[serde(default, deserialize_with = "id::optional")]
    upstream_id: Option<Id>,
    upstream: Option<Value>,
    timeout: Option<Timeouts>,
    enable_websocket: Option<bool>,
}

impl Route {
    /// Reads a document that is valid by itself: schema checked, defaults filled, spellings unified.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let raw: Raw = document::read(Kind::Route, spec)?;
        // An agent that passed over one of these would let through what the operator keeps out.
        if let Some(problem) = unsupported(spec).into_iter().next() {
            return Err(problem);
        }
        let vars = match &raw.vars {
            Some(vars) => Expr::parse(vars).map_err(|error| {
                let text = format!("failed to validate the 'vars' expression: {error}");
                Problem::new(format!("vars{}", error.path), text)
            })?,
            None => Expr::default(),
        };
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            enabled: raw.status == 1,
            priority: raw.priority,
            hosts: lower(raw.hosts),
            regexes: if raw.regex_uri {
                regexes(spec, &raw.uris)?
            } else {
                paths(spec, &raw.uris)?;
                Vec::new()
            },
            uris: raw.uris,
            methods: raw.methods,
            remote_addrs: networks(&raw.remote_addrs)?,
            vars,
            headers: headers(&raw.headers)?,
            plugins: raw.plugins,
            plugin_config_id: raw.plugin_config_id,
            service_id: raw.service_id,
            upstream_id: raw.upstream_id,
            upstream: raw.upstream.map(Upstream::inline).transpose()?,
            timeout: raw.timeout,
            enable_websocket: raw.enable_websocket,
        })
    }

    /// Whether the route has a path that only a regex describes.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        !self.regexes.is_empty()
    }

    /// Whether a client address may use the route.
    #[must_use]
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = address::canonical(client);
        self.remote_addrs.is_empty() || self.remote_addrs.iter().any(|net| net.contains(&client))
    }
}

/// Hosts in lower case.
pub(crate) fn lower(hosts: Vec<String>) -> Vec<String> {
    hosts
        .into_iter()
        .map(|host| host.to_ascii_lowercase())
        .collect()
}

/// Fields of routes and services that would run code of the operator's.
#[must_use]
pub(crate) fn unsupported(spec: &Value) -> Vec<Problem> {
    let fields = [
        ("filter_func", "vars"),
        ("script", "plugins"),
        ("script_id", "plugins"),
    ];
    let set = fields
        .into_iter()
        .filter(|(field, _)| spec.get(field).is_some());
    set.map(|(field, instead)| {
        Problem::new(
            field,
            format!("{field} is not supported: use {instead} instead"),
        )
    })
    .collect()
}

/// Path of the uri at `index`, as the operator spells the field.
fn uri_path(spec: &Value, index: usize) -> String {
    match spec.get("uris") {
        Some(_) => format!("uris[{index}]"),
        None => "uri".to_owned(),
    }
}

fn paths(spec: &Value, uris: &[String]) -> Result<(), Problem> {
    for (index, text) in uris.iter().enumerate() {
        // Which characters are special depends on the agent's router; what is wrong does not.
        uri::pieces(text, false).map_err(|error| Problem::new(uri_path(spec, index), error))?;
    }
    Ok(())
}

fn regexes(spec: &Value, uris: &[String]) -> Result<Vec<Pattern>, Problem> {
    let regex = |(index, uri): (usize, &String)| {
        // The whole path must match.
        Pattern::parse(uri)
            .and_then(|_| Pattern::parse(&format!("^(?:{uri})$")))
            .map_err(|error| {
                let message = format!("with regex_uri true: {error}");
                Problem::new(uri_path(spec, index), message)
            })
    };
    uris.iter().enumerate().map(regex).collect()
}

/// Networks from texts that the schema has checked loosely.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<IpNet>, Problem> {
    texts
        .iter()
        .map(|text| {
            address::parse(text).ok_or_else(|| {
                let message = format!("expected an IP address or a CIDR network, got {text}");
                Problem::new("remote_addr", message)
            })
        })
        .collect()
}

fn headers(map: &serde_json::Map<String, Value>) -> Result<Vec<HeaderMatch>, Problem> {
    map.iter()
        .map(|(name, value)| {
            let text = value.as_str().unwrap_or_default();
            if !is_header_name(name) {
                let message = format!("expected the name of a header, got {name:?}");
                return Err(Problem::new(format!("headers.{name}"), message));
            }
            let value = match text.strip_prefix('~') {
                Some(regex) => HeaderValue::Regex(
                    Pattern::parse(regex)
                        .map_err(|error| Problem::new(format!("headers.{name}"), error))?,
                ),
                None => HeaderValue::Exact(text.to_owned()),
            };
            Ok(HeaderMatch {
                name: name.to_ascii_lowercase(),
                value,
            })
        })
        .collect()
}

/// A token of RFC 9110 section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

#[cfg(test)]
mod tests;
