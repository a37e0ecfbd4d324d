//! The texts of refusals, one by one.

use serde_json::json;

use super::{first, judge, node};
use crate::validate::Problem;

#[test]
fn refusals_of_routes_have_the_texts_of_apisix() {
    for (spec, text) in [
        (
            json!({"uri": "/", "upstream": {"nodes": node()}, "create_time": 1, "update_time": 2}),
            "the property is forbidden:  create_time update_time",
        ),
        (
            json!({"uri": "/", "upstream": {"nodes": node(), "create_time": 1}}),
            "the property is forbidden:  upstream.create_time",
        ),
        (
            json!({"uri": "/", "service_id": 1, "host": "a", "hosts": ["a"]}),
            "only one of host or hosts is allowed",
        ),
        (
            json!({"uri": "/", "service_id": 1, "remote_addr": "10.0.0.1", "remote_addrs": ["10.0.0.1"]}),
            "only one of remote_addr or remote_addrs is allowed",
        ),
        (
            json!({"uri": 1, "service_id": 1}),
            "invalid configuration: property \"uri\" validation failed: wrong type: expected string, got number",
        ),
        (
            json!({"uri": "/", "service_id": 1, "colour": "red"}),
            "invalid configuration: additional properties forbidden, found colour",
        ),
        (
            json!({"uri": "/", "uris": ["/"], "service_id": 1}),
            "invalid configuration: allOf 1 failed: value should match only one schema, but matches both schemas 1 and 2",
        ),
        (
            json!({"service_id": 1}),
            "invalid configuration: allOf 1 failed: value should match only one schema, but matches none",
        ),
        (
            json!({"uri": "/"}),
            "invalid configuration: object matches none of the required: [\"plugins\",\"uri\"] or \
             [\"upstream\",\"uri\"] or [\"upstream_id\",\"uri\"] or [\"service_id\",\"uri\"] or \
             [\"plugins\",\"uris\"] or [\"upstream\",\"uris\"] or [\"upstream_id\",\"uris\"] or \
             [\"service_id\",\"uris\"] or [\"script\",\"uri\"] or [\"script\",\"uris\"]",
        ),
        (
            json!({"uri": "/", "service_id": 1, "vars": ["arg_a", "==", "1"]}),
            "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
        ),
        (
            json!({"uri": "/", "service_id": 1, "vars": [["arg_a", "=", "1"]]}),
            "failed to validate the 'vars' expression: invalid operator '='",
        ),
        (
            json!({"uri": "/", "service_id": 1, "vars": [["remote_adr", "==", "1"]]}),
            "failed to validate the 'vars' expression: unknown variable 'remote_adr'; did you mean 'remote_addr'?",
        ),
        (
            json!({"uri": "/", "service_id": 1, "vars": [["post_arg.messages[.c", "has", "x"]]}),
            "failed to validate the 'vars' expression: invalid expression: variable 'post_arg.messages[.c': expected a number, '*' or a name in quotes at \".c\"",
        ),
        (
            json!({"uri": "/", "service_id": 1, "filter_func": "function(vars) return true end"}),
            "filter_func is not supported: use vars instead",
        ),
        (
            json!({"uri": "/", "script": "return {}   "}),
            "script is not supported: use plugins instead",
        ),
        (
            json!({"uri": "/", "plugins": {"nothing": {}}}),
            "unknown plugin [nothing]",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": "x"}}),
            "invalid plugin conf \"x\" for plugin [limit-count]",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {}}}),
            "failed to check the configuration of plugin limit-count err: property \"count\" is required",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {"count": 1, "policy": "redis"}}}),
            "failed to check the configuration of plugin limit-count err: then clause did not match",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {"count": 13}}}),
            "failed to check the configuration of plugin limit-count err: 13 brings bad luck",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {"count": 1, "_meta": {"x": 1}}}}),
            "failed to check the configuration of plugin limit-count err: property \"_meta\" \
             validation failed: additional properties forbidden, found x",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {"count": 1, "_meta": {"filter": ["a", "==", "b"]}}}}),
            "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
        ),
        (
            json!({"uri": "/", "plugins": {"limit-count": {"count": 1, "_meta": {"pre_function": "return 1"}}}}),
            "failed to load _meta.pre_function in plugin limit-count: Lua functions are not supported",
        ),
        (
            json!({"uri": "/(", "regex_uri": true, "service_id": 1}),
            "invalid configuration: uri: with regex_uri true: invalid regex \"/(\": unclosed group",
        ),
        (
            json!({"uri": "/", "service_id": 1, "headers": {"X-V": "~("}}),
            "invalid configuration: headers.X-V: invalid regex \"(\": unclosed group",
        ),
    ] {
        assert_eq!(first("routes/1", &spec), text, "{spec}");
    }
}

#[test]
fn refusals_of_upstreams_have_the_texts_of_apisix() {
    for (spec, text) in [
        (json!({"nodes": {"a:0": 1}}), "invalid port 0"),
        (json!({"nodes": {"a:65536": 1}}), "invalid port 65536"),
        (
            json!({"nodes": {"::1:80": 1}}),
            "invalid configuration: IPv6 address must be enclosed with '[' and ']'",
        ),
        (
            json!({"nodes": [{"host": "::1", "port": 80, "weight": 1}]}),
            "invalid configuration: IPv6 address must be enclosed with '[' and ']'",
        ),
        (
            json!({"nodes": node(), "pass_host": "rewrite"}),
            "`upstream_host` can't be empty when `pass_host` is `rewrite`",
        ),
        (json!({"nodes": node(), "type": "chash"}), "missing key"),
        (
            json!({"nodes": node(), "type": "chash", "hash_on": "header", "key": "a b"}),
            "invalid configuration: failed to match pattern \"^[a-zA-Z0-9-_]+$\" with \"a b\"",
        ),
        (
            json!({"nodes": node(), "service_name": "a", "discovery_type": "dns"}),
            "invalid configuration: value should match only one schema, but matches both schemas 1 and 2",
        ),
        (
            json!({}),
            "invalid configuration: value should match only one schema, but matches none",
        ),
        (
            json!({"nodes": node(), "checks": {}}),
            "invalid configuration: property \"checks\" validation failed: object matches none of \
             the required: [\"active\"] or [\"passive\"]",
        ),
        (
            json!({"nodes": node(), "tls": {"client_cert": "x".repeat(128), "client_key": "x".repeat(64)}}),
            "failed to parse cert: no certificate found in PEM",
        ),
        (
            json!({"nodes": node(), "dns_resolver": ["resolver"]}),
            "invalid configuration: dns_resolver[0]: expected a resolver as IP or IP:PORT, got resolver",
        ),
        (
            json!({"nodes": node(), "dns_resolver": ["127.0.0.1", "127.0.0.1:0"]}),
            "invalid configuration: dns_resolver[1]: expected a resolver as IP or IP:PORT, got 127.0.0.1:0",
        ),
        (
            json!({"nodes": {"a b:80": 1}}),
            "invalid configuration: nodes: expected a host name or an IP address, got \"a b\"",
        ),
        (
            json!({"nodes": {"[::g]:80": 1}}),
            "invalid configuration: nodes: expected a host name or an IP address, got \"::g\"",
        ),
        (
            json!({"nodes": node(), "fallback_upstream_id": 1}),
            "invalid configuration: fallback_upstream_id: expected another upstream than 1 itself",
        ),
        (
            json!({"nodes": node(), "retry_backoff": {"base": 2, "max": 1}}),
            "invalid configuration: retry_backoff: expected base to be at most max, got base 2 and max 1",
        ),
        (
            json!({"nodes": node(), "tls": {"verify": true, "verify_upstream_cert": false}}),
            "invalid configuration: tls.verify_upstream_cert: verify_upstream_cert and verify are the same setting but disagree: false and true",
        ),
    ] {
        assert_eq!(first("upstreams/1", &spec), text, "{spec}");
    }
    let inline = json!({"uri": "/", "upstream": {"nodes": node(), "type": "chash"}});
    let problems = judge("routes/1", &inline).problems;
    assert_eq!(problems, [Problem::new("upstream.key", "missing key")]);
}
