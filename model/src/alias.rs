//! Second spellings of a setting, brought to the first one.
//!
//! Users of the guide write some settings under other names than APISIX. Both are taken; when both
//! are there and disagree, the document is refused with both named.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::field::number;
use crate::resource::Kind;
use crate::validate::Problem;

/// A variable under its usual name: `client_ip` is `remote_addr`, `header_x` is `http_x`,
/// `query_arg_x` is `arg_x`; others are unchanged. Used wherever a `key` names a variable.
#[must_use]
pub fn variable(name: &str) -> Cow<'_, str> {
    if name == "client_ip" {
        return Cow::Borrowed("remote_addr");
    }
    if let Some(header) = name.strip_prefix("header_") {
        let header = header.to_ascii_lowercase().replace('-', "_");
        return Cow::Owned(format!("http_{header}"));
    }
    match name.strip_prefix("query_arg_") {
        Some(argument) => Cow::Owned(format!("arg_{argument}")),
        None => Cow::Borrowed(name),
    }
}

/// Rewrites a document to one spelling of everything. What has an unexpected type is left alone:
/// the schema says what is wrong with it.
///
/// # Errors
/// When two spellings of one setting disagree; the problem names both.
pub(crate) fn normalise(kind: Kind, doc: &mut Value) -> Result<(), Problem> {
    let Some(fields) = doc.as_object_mut() else {
        return Ok(());
    };
    match kind {
        Kind::Route => {
            listed(fields, "host", "hosts")?;
            listed(fields, "uri", "uris")?;
            listed(fields, "remote_addr", "remote_addrs")?;
        }
        Kind::Service => listed(fields, "host", "hosts")?,
        Kind::Upstream => upstream(fields)?,
        _ => {}
    }
    if let Some(inline) = fields.get_mut("upstream").and_then(Value::as_object_mut) {
        upstream(inline).map_err(|problem| problem.inside("upstream"))?;
    }
    Ok(())
}

fn upstream(fields: &mut Map<String, Value>) -> Result<(), Problem> {
    let wants_tls = match object(fields, "tls") {
        Some(tls) => node_tls(tls).map_err(|problem| problem.inside("tls"))?,
        None => false,
    };
    if wants_tls {
        fields
            .entry("scheme")
            .or_insert_with(|| Value::from("https"));
    }
    let Some(checks) = object(fields, "checks") else {
        return Ok(());
    };
    for side in ["active", "passive"] {
        if let Some(healthy) = object(checks, side).and_then(|check| object(check, "healthy")) {
            renamed(healthy, "http_successes", "successes")
                .map_err(|problem| problem.inside(&format!("checks.{side}.healthy")))?;
        }
    }
    match object(checks, "active") {
        Some(active) => active_check(active).map_err(|problem| problem.inside("checks.active")),
        None => Ok(()),
    }
}

/// Unifies the TLS settings. Says whether the operator asked, by a name that only we know, for
/// nodes to be verified: that is asking for TLS, and APISIX's default of `http` is not meant.
fn node_tls(tls: &mut Map<String, Value>) -> Result<bool, Problem> {
    let ours = tls.contains_key("verify_upstream_cert");
    renamed(tls, "verify_upstream_cert", "verify")?;
    let against = tls.contains_key("upstream_validation_id");
    if against {
        // Whoever names a CA wants nodes to be verified, unless they say otherwise.
        tls.entry("verify").or_insert(Value::Bool(true));
    }
    Ok((ours || against) && tls.get("verify") == Some(&Value::Bool(true)))
}

fn active_check(active: &mut Map<String, Value>) -> Result<(), Problem> {
    renamed(active, "http_host", "host")?;
    if active.contains_key("tcp_port") {
        renamed(active, "tcp_port", "port")?;
        let kind = active
            .entry("type")
            .or_insert_with(|| Value::String("tcp".to_owned()));
        if kind != "tcp" {
            let message = format!("tcp_port means type tcp, but type is {kind}");
            return Err(Problem::new("tcp_port", message));
        }
    }
    if let Some(interval) = active.shift_remove("interval") {
        for side in ["healthy", "unhealthy"] {
            let side = active
                .entry(side)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(side) = side.as_object_mut() {
                side.entry("interval").or_insert_with(|| interval.clone());
            }
        }
    }
    Ok(())
}

fn object<'a>(
    fields: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_object_mut)
}

/// Moves `alias` to `name`.
fn renamed(fields: &mut Map<String, Value>, alias: &str, name: &str) -> Result<(), Problem> {
    match fields.shift_remove(alias) {
        Some(value) => put(fields, alias, name, value),
        None => Ok(()),
    }
}

/// Moves `single` (one value, or a list of them) to the list `name`.
fn listed(fields: &mut Map<String, Value>, single: &str, name: &str) -> Result<(), Problem> {
    match fields.shift_remove(single) {
        Some(value @ Value::Array(_)) => put(fields, single, name, value),
        Some(value) => put(fields, single, name, Value::Array(vec![value])),
        None => Ok(()),
    }
}

fn put(
    fields: &mut Map<String, Value>,
    alias: &str,
    name: &str,
    value: Value,
) -> Result<(), Problem> {
    match fields.get(name) {
        Some(other) if !number::equal(other, &value) => Err(Problem::new(
            alias,
            format!("{alias} and {name} are the same setting but disagree: {value} and {other}"),
        )),
        _ => {
            fields.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normal(kind: Kind, mut doc: Value) -> Result<Value, Problem> {
        normalise(kind, &mut doc).map(|()| doc)
    }

    #[test]
    fn variables_have_one_name() {
        assert_eq!(variable("client_ip"), "remote_addr");
        assert_eq!(variable("header_X-Tenant"), "http_x_tenant");
        assert_eq!(variable("query_arg_user"), "arg_user");
        assert_eq!(variable("uri"), "uri");
    }

    #[test]
    fn one_host_or_several_become_a_list() {
        assert_eq!(
            normal(Kind::Service, json!({"host": "a.com"})),
            Ok(json!({"hosts": ["a.com"]}))
        );
        assert_eq!(
            normal(Kind::Route, json!({"host": ["a.com", "b.com"], "uri": "/"})),
            Ok(json!({"hosts": ["a.com", "b.com"], "uris": ["/"]}))
        );
    }

    #[test]
    fn spellings_that_agree_are_one() {
        assert_eq!(
            normal(Kind::Service, json!({"host": "a.com", "hosts": ["a.com"]})),
            Ok(json!({"hosts": ["a.com"]}))
        );
    }

    #[test]
    fn spellings_that_disagree_are_refused_with_both_named() {
        let problem = normal(
            Kind::Route,
            json!({"upstream": {"tls": {"verify": false, "verify_upstream_cert": true}}}),
        )
        .unwrap_err();
        assert_eq!(problem.path, "upstream.tls.verify_upstream_cert");
        assert_eq!(
            problem.message,
            "verify_upstream_cert and verify are the same setting but disagree: true and false"
        );
    }

    #[test]
    fn asking_for_verified_nodes_asks_for_tls() {
        let normal = |doc| normal(Kind::Upstream, doc).unwrap();
        assert_eq!(
            normal(json!({"tls": {"verify_upstream_cert": true}})),
            json!({"tls": {"verify": true}, "scheme": "https"})
        );
        assert_eq!(
            normal(json!({"tls": {"upstream_validation_id": "ca"}, "scheme": "grpcs"})),
            json!({"tls": {"upstream_validation_id": "ca", "verify": true}, "scheme": "grpcs"})
        );
        // APISIX's own name for it leaves the scheme alone.
        let apisix = json!({"tls": {"verify": true}});
        assert_eq!(normal(apisix.clone()), apisix);
    }

    #[test]
    fn checks_of_the_guide_become_checks_of_apisix() {
        let doc = json!({"checks": {
            "active": {"interval": 5, "http_host": "h", "unhealthy": {"interval": 2},
                       "healthy": {"http_successes": 1}},
            "passive": {"healthy": {"http_successes": 3}}
        }});
        assert_eq!(
            normal(Kind::Upstream, doc),
            Ok(json!({"checks": {
                "active": {"host": "h", "unhealthy": {"interval": 2},
                           "healthy": {"successes": 1, "interval": 5}},
                "passive": {"healthy": {"successes": 3}}
            }}))
        );
    }

    #[test]
    fn a_tcp_port_makes_the_check_a_tcp_check() {
        assert_eq!(
            normal(
                Kind::Upstream,
                json!({"checks": {"active": {"tcp_port": 1}}})
            ),
            Ok(json!({"checks": {"active": {"port": 1, "type": "tcp"}}}))
        );
        let doc = json!({"checks": {"active": {"tcp_port": 1, "type": "http"}}});
        let problem = normal(Kind::Upstream, doc).unwrap_err();
        assert_eq!(problem.path, "checks.active.tcp_port");
    }
}
