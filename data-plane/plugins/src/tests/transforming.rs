//! Plugins that check and transform messages.

use serde_json::json;

use super::{config_follows_schema, schema_of};

#[test]
fn configurations_of_transforming_plugins_follow_their_schemas() {
    config_follows_schema::<crate::oas_validator::Config>(
        schema_of("oas-validator"),
        json!({"spec": "x"}),
    );
    config_follows_schema::<crate::geo_restriction::Config>(
        schema_of("geo-restriction"),
        json!({"allowlist": {"countries": ["DE"]}}),
    );
    config_follows_schema::<crate::grpc_transcode::Config>(
        schema_of("grpc-transcode"),
        json!({"proto_id": "1", "service": "a", "method": "b"}),
    );
    config_follows_schema::<crate::grpc_web::Config>(schema_of("grpc-web"), json!({}));
    config_follows_schema::<crate::degraphql::Config>(
        schema_of("degraphql"),
        json!({"query": "{ x }"}),
    );
    config_follows_schema::<crate::request_rewrite::Config>(
        schema_of("request-rewrite"),
        json!({"template": "x"}),
    );
    config_follows_schema::<crate::body_transformer::Config>(
        schema_of("body-transformer"),
        json!({"request": {"template": ""}}),
    );
    config_follows_schema::<crate::request_validation::Config>(
        schema_of("request-validation"),
        json!({"body_schema": {}}),
    );
}
