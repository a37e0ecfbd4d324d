//! Settings that are stored but that agents do not act on yet. Whoever makes one of them work
//! deletes its line here.

use serde_json::Value;

use super::Problem;
use crate::references::plugin_upstreams;
use crate::resource::Kind;

/// Kinds that agents do not read at all.
const KINDS: [(Kind, &str); 1] = [(
    Kind::GraphqlCostDecoration,
    "agents do not weigh GraphQL queries yet",
)];

/// When a setting matters.
enum When {
    /// It is one of these texts.
    Is(&'static [&'static str]),
    /// It is a text other than these.
    IsNot(&'static [&'static str]),
}

/// Protocols towards nodes that are not spoken yet.
const SCHEMES: When = When::Is(&["kafka"]);

/// What streams are proxied with, and requests are not.
const STREAM_SCHEMES: When = When::Is(&["tcp", "tls", "udp"]);

const BALANCERS: When = When::IsNot(&[
    "roundrobin",
    "weighted_round_robin",
    "chash",
    "least_conn",
    "ewma",
    "chrr",
]);

type Line = (&'static str, When, &'static str);

/// Types of registries that are known at all; other texts name none.
const KNOWN_REGISTRIES: When = When::IsNot(&[
    "consul",
    "consul_kv",
    "nacos",
    "eureka",
    "dns",
    "kubernetes",
]);

const UPSTREAM: [Line; 3] = [
    (
        "discovery_type",
        KNOWN_REGISTRIES,
        "no registry of this type is known: requests are answered with 503",
    ),
    (
        "type",
        BALANCERS,
        "no balancer of this name is known: requests are answered with 502",
    ),
    ("scheme", SCHEMES, "agents do not speak kafka to nodes yet"),
];

const SERVICE: [Line; 1] = [("scheme", SCHEMES, "agents do not speak kafka to nodes yet")];

const SPLIT_CHECKS: &str = "an upstream inside traffic-split is not probed, as in APISIX: make an \
                            upstream object of it";

const UPSTREAM_OF_ROUTE: [Line; 1] = [(
    "scheme",
    STREAM_SCHEMES,
    "requests are answered with 502: nodes that take requests speak http, https, grpc or grpcs",
)];

/// Finds the settings of a valid document that agents do not act on yet.
pub(super) fn find(kind: Kind, spec: &Value, pending: &mut Vec<Problem>) {
    if let Some((_, reason)) = KINDS.iter().find(|(pending, _)| *pending == kind) {
        pending.push(Problem::new("", *reason));
        return;
    }
    match kind {
        Kind::Upstream => lines(&UPSTREAM, spec, "", pending),
        Kind::Service => lines(&SERVICE, spec, "", pending),
        _ => {}
    }
    if let Some(inline) = spec.get("upstream") {
        lines(&UPSTREAM, inline, "upstream", pending);
        if kind == Kind::Route {
            lines(&UPSTREAM_OF_ROUTE, inline, "upstream", pending);
        }
    }
    if plugin_upstreams(spec).any(|upstream| upstream.get("checks").is_some()) {
        pending.push(Problem::new("plugins.traffic-split", SPLIT_CHECKS));
    }
}

fn lines(table: &[Line], spec: &Value, place: &str, pending: &mut Vec<Problem>) {
    for (field, when, reason) in table {
        let Some(value) = spec.get(field) else {
            continue;
        };
        let matters = match when {
            When::Is(texts) => value.as_str().is_some_and(|text| texts.contains(&text)),
            When::IsNot(texts) => value.as_str().is_some_and(|text| !texts.contains(&text)),
        };
        if matters {
            let problem = Problem::new(*field, *reason);
            pending.push(if place.is_empty() {
                problem
            } else {
                problem.inside(place)
            });
        }
    }
}
