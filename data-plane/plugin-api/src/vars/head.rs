//! Variables that are known before a route is chosen.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use weir_model::field::variable::{Known, Source, Var, Variable};

use super::{HeadVariables, Text, borrowed, header, owned, time};
use crate::request::{RequestHead, query_arg};
use crate::text::ip_text;

pub(super) fn get<'a>(from: &HeadVariables<'a>, variable: &Variable) -> Option<Var<'a>> {
    let head = from.head;
    let text = match variable.source() {
        Source::Known(known) if known.is_of_graphql() => return head.body.graphql(head, *known),
        Source::Known(known) => self::known(from, *known),
        Source::Header(name) => match &**name {
            // HTTP/2 may leave the field out.
            "host" => borrowed(&head.authority),
            name => header(&head.headers, name),
        },
        Source::Argument(name) => query_arg(head.query.as_deref()?, name),
        Source::Cookie(name) => cookie(&head.headers, name),
        Source::Parameter(name) => {
            let found = from.params.iter().find(|(key, _)| **key == **name);
            found.map(|(_, value)| Cow::Borrowed(value.as_str()))
        }
        Source::FormField(name) => head.body.form_field(head.content_type(), name),
        Source::BodyPath(path) => return head.body.at(head.content_type(), path),
        Source::SentHeader(_) | Source::Unknown => None,
    };
    text.map(Var::Text)
}

fn known<'a>(from: &HeadVariables<'a>, known: Known) -> Text<'a> {
    let head = from.head;
    match known {
        Known::Uri => borrowed(&head.path),
        Known::RequestUri => Some(with_query(&head.path, head.query.as_deref())),
        Known::RealRequestUri => borrowed(&head.raw_target),
        Known::Args => head.query.as_deref().map(Cow::Borrowed),
        Known::IsArgs => borrowed(match &head.query {
            Some(query) if !query.is_empty() => "?",
            _ => "",
        }),
        Known::Host => borrowed(&head.host),
        Known::Scheme => borrowed(head.scheme.as_str()),
        Known::Https => (head.scheme.as_str() == "https").then_some(Cow::Borrowed("on")),
        Known::Method => borrowed(head.method.as_str()),
        Known::RemoteAddr => address(head.client_ip),
        Known::RemotePort => owned(head.client_port),
        Known::PeerAddr => address(tcp_peer(head).ip()),
        Known::PeerPort => owned(tcp_peer(head).port()),
        Known::ProxyAddr => head.relay.and_then(|_| address(head.peer.ip())),
        Known::ProxyPort => head.relay.and_then(|_| owned(head.peer.port())),
        Known::ProxyServerAddr => head.relay.and_then(|relay| address(relay.destination.ip())),
        Known::ProxyServerPort => head.relay.and_then(|relay| owned(relay.destination.port())),
        Known::ServerAddr => address(head.local.ip()),
        Known::ServerPort => owned(head.local.port()),
        Known::Protocol => borrowed(head.protocol()),
        Known::ContentType => header(&head.headers, "content-type"),
        Known::ContentLength => header(&head.headers, "content-length"),
        Known::RequestLine => owned(format_args!(
            "{} {} {}",
            head.method,
            head.raw_target,
            head.protocol()
        )),
        Known::RemoteUser => user(&head.headers).map(Cow::Owned),
        Known::RequestBody => head.body.text(),
        Known::RequestLength => owned(head.size()),
        Known::GeoipCountry => from.host.location(head.client_ip)?.country.map(Cow::Owned),
        Known::GeoipContinent => from
            .host
            .location(head.client_ip)?
            .continent
            .map(Cow::Owned),
        Known::Hostname => borrowed(from.host.hostname()),
        Known::Msec => owned(time::msec(from.host.unix_ms())),
        Known::TimeIso8601 => owned(time::iso8601(from.host.unix_ms() / 1000)),
        Known::TimeLocal => owned(time::local(from.host.unix_ms() / 1000)),
        Known::RequestType => borrowed("traditional_http"),
        _ => None,
    }
}

fn address<'a>(address: IpAddr) -> Text<'a> {
    Some(Cow::Owned(ip_text(address)))
}

/// Whoever the connection is with, whomever it speaks for.
fn tcp_peer(head: &RequestHead) -> SocketAddr {
    head.relay.map_or(head.peer, |relay| relay.address)
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

/// User of basic authentication (RFC 7617).
fn user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, _) = decoded.split_once(':')?;
    Some(user.to_owned())
}

fn with_query<'a>(path: &'a str, query: Option<&str>) -> Cow<'a, str> {
    match query {
        Some(query) => Cow::Owned(format!("{path}?{query}")),
        None => Cow::Borrowed(path),
    }
}
