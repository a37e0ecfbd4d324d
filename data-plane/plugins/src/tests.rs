//! Laws of the table, and what the tests of the plugins share.

mod access;
mod boundaries;
mod configurations;
mod documents;
mod examples;
mod judge;
mod pages;
mod table;
mod transforming;

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use weir_model::{Key, Kind, PluginCatalog, PluginPart, schema};
use weir_plugin_api::{CompileContext, Context, Living, PluginDef, Response, Step};

use crate::{BUILTIN, Builtin};

/// Compiles a configuration on the way that real ones take: schema, defaults, compiler.
pub(crate) fn compile_in<D: PluginDef>(
    mut config: Value,
    context: &CompileContext<'_>,
) -> Result<D::Compiled, String> {
    let schema: Value = serde_json::from_str(D::SCHEMA).unwrap();
    schema::check(&schema, &mut config).map_err(|problem| problem.message)?;
    D::compile(serde_json::from_value(config).unwrap(), context)
}

/// Compiles a configuration that stands alone.
pub(crate) fn compile<D: PluginDef>(config: Value) -> Result<D::Compiled, String> {
    compile_in::<D>(config, &CompileContext::dry())
}

/// Compiles a configuration that is known to be good.
pub(crate) fn plugin<D: PluginDef>(config: Value) -> D::Compiled {
    compile::<D>(config).unwrap()
}

/// What a good configuration is refused with.
pub(crate) fn refusal<D: PluginDef>(config: Value) -> String {
    match compile::<D>(config) {
        Ok(_) => panic!("it was accepted"),
        Err(text) => text,
    }
}

/// Surroundings of a plugin on route 1 with this fingerprint.
pub(crate) fn on_route<'a>(
    owner: &'a Key,
    fingerprint: &str,
    living: &Living,
    metadata: Option<Value>,
) -> CompileContext<'a> {
    CompileContext {
        owner: Some(owner),
        metadata: metadata.map(Arc::new),
        fingerprint: fingerprint.into(),
        living: living.clone(),
        ..CompileContext::dry()
    }
}

/// The answer that a step gives; `None` when it goes on at once.
pub(crate) fn answer(step: Step<'_>) -> Option<Response> {
    match step {
        Step::Continue => None,
        Step::Respond(response) => Some(*response),
        Step::Delay(delay) | Step::RespondAfter(delay, _) => panic!("it waits {delay:?}"),
        Step::ReadBody => panic!("it reads the body"),
        Step::Wait(_) => panic!("it waits"),
    }
}

/// What a step that waits comes to, when it comes to it at once.
pub(crate) fn at_once(step: Step<'_>) -> Step<'static> {
    match step {
        Step::Wait(future) => future.now_or_never().unwrap_or_else(|| panic!("it waits")),
        _ => panic!("it does not wait"),
    }
}

/// All values of a request header.
pub(crate) fn sent(context: &Context, name: &str) -> Vec<String> {
    let values = context.request.headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// Checks that `Config` has the defaults of the schema and a field for each of its properties.
fn config_follows_schema<C>(schema: &Value, minimal: Value)
where
    C: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut filled = minimal.clone();
    schema::check(schema, &mut filled).unwrap();
    let from_minimal: C = serde_json::from_value(minimal).unwrap();
    let from_filled: C = serde_json::from_value(filled).unwrap();
    assert_eq!(from_minimal, from_filled);
    let written = serde_json::to_value(&from_filled).unwrap();
    for property in schema["properties"].as_object().unwrap().keys() {
        assert!(written.get(property).is_some(), "no field {property}");
    }
}

fn schema_of(name: &str) -> &'static Value {
    Builtin.entry(name).unwrap().schema()
}

#[test]
fn metadata_follows_its_schema() {
    let schema = |name: &str| Builtin.entry(name).unwrap().metadata_schema().unwrap();
    config_follows_schema::<crate::authz_casbin::Metadata>(
        schema("authz-casbin"),
        json!({"model": "m", "policy": "p"}),
    );
    config_follows_schema::<crate::azure_functions::Metadata>(schema("azure-functions"), json!({}));
    config_follows_schema::<crate::batch_requests::Metadata>(schema("batch-requests"), json!({}));
    config_follows_schema::<crate::cors::Metadata>(schema("cors"), json!({}));
    config_follows_schema::<crate::limit_count::Metadata>(schema("limit-count"), json!({}));
    config_follows_schema::<crate::prometheus::Metadata>(schema("prometheus"), json!({}));
    config_follows_schema::<crate::datadog::Metadata>(schema("datadog"), json!({}));
    config_follows_schema::<crate::opentelemetry::Metadata>(schema("opentelemetry"), json!({}));
    config_follows_schema::<crate::error_page::Metadata>(schema("error-page"), json!({}));
    config_follows_schema::<crate::oas_validator::Metadata>(schema("oas-validator"), json!({}));
}

#[test]
fn every_schema_is_an_object() {
    for entry in BUILTIN {
        let schemas = Builtin.schemas(entry.name).unwrap();
        assert!(schemas.config.is_object(), "{}", entry.name);
        assert!(
            schemas.consumer.is_none_or(Value::is_object),
            "{}",
            entry.name
        );
        assert!(
            schemas.metadata.is_none_or(Value::is_object),
            "{}",
            entry.name
        );
        assert_eq!(schemas.consumer.is_some(), entry.auth, "{}", entry.name);
    }
}

#[test]
fn the_catalog_checks_every_part() {
    let check = |name, part, config| Builtin.check(name, part, &config);
    let config = json!({"count": 1, "time_window": 1, "_meta": {"disable": false}});
    assert_eq!(check("limit-count", PluginPart::Config, config), Ok(()));
    let config = json!({"count": 1, "time_window": 1, "policy": "redis"});
    assert_eq!(
        check("limit-count", PluginPart::Config, config),
        Err("redis_host is required".into())
    );
    assert_eq!(
        check("key-auth", PluginPart::Consumer, json!({"key": "a"})),
        Ok(())
    );
    assert_eq!(
        check(
            "limit-count",
            PluginPart::Metadata,
            json!({"reset_header": "a b"})
        ),
        Err("reset_header must be a header name, got \"a b\"".into())
    );
    assert_eq!(
        check("nothing", PluginPart::Config, json!({})),
        Err("unknown plugin [nothing]".into())
    );
}

#[test]
fn consumers_are_found_by_their_key() {
    let entry = Builtin.entry("key-auth").unwrap();
    assert_eq!(
        entry.consumer_key(&json!({"key": "a"})).as_deref(),
        Some("a")
    );
    assert_eq!(entry.consumer_key(&json!({})), None);
    let limit = Builtin.entry("limit-req").unwrap();
    assert_eq!(limit.consumer_key(&json!({"key": "a"})), None);
}

#[test]
fn route_key_names_the_owner_of_state() {
    let owner = Key::new(Kind::Route, "1");
    let living = Living::default();
    let one = on_route(&owner, "a", &living, None).state_key("limit-req");
    let other = on_route(&owner, "b", &living, None).state_key("limit-req");
    assert_ne!(one, other);
}
