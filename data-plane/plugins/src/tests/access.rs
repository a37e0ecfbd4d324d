//! Plugins that decide who may do what.

use serde_json::json;

use super::{config_follows_schema, schema_of};

#[test]
fn configurations_of_access_plugins_follow_their_schemas() {
    config_follows_schema::<crate::acl::Config>(
        schema_of("acl"),
        json!({"allow_labels": {"a": ["b"]}}),
    );
    config_follows_schema::<crate::authz_casbin::Config>(
        schema_of("authz-casbin"),
        json!({"username": "user"}),
    );
    config_follows_schema::<crate::forward_auth::Config>(
        schema_of("forward-auth"),
        json!({"uri": "http://a"}),
    );
    config_follows_schema::<crate::jwe_decrypt::Config>(
        schema_of("jwe-decrypt"),
        json!({"header": "Authorization", "forward_header": "Authorization"}),
    );
    config_follows_schema::<crate::ldap_auth::Config>(
        schema_of("ldap-auth"),
        json!({"base_dn": "a", "ldap_uri": "b"}),
    );
    config_follows_schema::<crate::opa::Config>(
        schema_of("opa"),
        json!({"host": "http://a", "policy": "b"}),
    );
    config_follows_schema::<crate::openid_connect::Config>(
        schema_of("openid-connect"),
        json!({"client_id": "a", "discovery": "http://b"}),
    );
    config_follows_schema::<crate::upstream_auth::Config>(
        schema_of("upstream-auth"),
        json!({"key": {"header": "a", "value": "b"}}),
    );
}
