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
        // No plugin of this build runs on streams.
        Some("stream") => Ok(Answer::json(json!([]))),
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
    if query.get("all") == Some("true") {
        let names = if http { catalog.names() } else { Vec::new() };
        let facts = names
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), facts(&catalog.schemas(name)?))));
        return Ok(Answer::json(Value::Object(facts.collect())));
    }
    let schemas = name
        .filter(|_| http)
        .and_then(|name| catalog.schemas(name))
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
