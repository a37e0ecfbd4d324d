//! The plugins of this build: names, schemas, reload.

use http::Method;
use serde_json::{Map, Value, json};
use weir_model::{PluginCatalog, PluginSchemas};

use super::error::Error;
use super::query::Query;
use super::respond::Answer;

/// Version of every built-in plugin, as the original tells it.
const VERSION: f64 = 0.1;

/// `plugins/list`: names, highest priority first.
pub(super) fn list(catalog: &dyn PluginCatalog, query: &Query) -> Result<Answer, Error> {
    match query.get("subsystem") {
        None | Some("http") => Ok(Answer::json(json!(catalog.names()))),
        Some("stream") => Ok(Answer::json(json!(catalog.stream_names()))),
        Some(_) => Err(Error::Plain("invalid subsystem passed")),
    }
}

/// `plugins/{name}` and `plugins?all=true`.
pub(super) fn get(
    catalog: &dyn PluginCatalog,
    name: Option<&str>,
    query: &Query,
) -> Result<Answer, Error> {
    let subsystem = match query.get("subsystem") {
        None => "http",
        Some(known @ ("http" | "stream")) => known,
        Some(other) => return Err(Error::Invalid(format!("unsupported subsystem: {other}"))),
    };
    let http = subsystem == "http";
    let schemas_of = |name: &str| match http {
        true => catalog.schemas(name),
        false => catalog.stream_schemas(name),
    };
    if query.get("all") == Some("true") {
        let names = match http {
            true => catalog.names(),
            false => catalog.stream_names(),
        };
        let facts = names
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), facts(&schemas_of(name)?))));
        return Ok(Answer::json(Value::Object(facts.collect())));
    }
    let schemas = name
        .and_then(schemas_of)
        .ok_or_else(|| Error::NotFound(format!("plugin not found in subsystem {subsystem}")))?;
    let schema = match query.get("schema_type") {
        Some("consumer") => schemas.consumer,
        Some("metadata") => schemas.metadata,
        _ => Some(schemas.config),
    };
    let schema = schema.ok_or_else(|| Error::invalid("not found schema"))?;
    Ok(Answer::json(schema.clone()))
}

fn facts(schemas: &PluginSchemas<'_>) -> Value {
    let mut facts = Map::new();
    facts.insert("version".to_owned(), VERSION.into());
    facts.insert("priority".to_owned(), schemas.priority.into());
    facts.insert("schema".to_owned(), schemas.config.clone());
    if let Some(schema) = schemas.consumer {
        facts.insert("consumer_schema".to_owned(), schema.clone());
    }
    if let Some(schema) = schemas.metadata {
        facts.insert("metadata_schema".to_owned(), schema.clone());
    }
    if schemas.auth {
        facts.insert("type".to_owned(), "auth".into());
    }
    Value::Object(facts)
}

/// `plugins/reload`: built-in plugins are always the newest there are.
pub(super) fn reload(method: &Method) -> Result<Answer, Error> {
    if method == Method::PUT {
        Ok(Answer::text("done"))
    } else {
        Err(Error::Reload(method.clone()))
    }
}
