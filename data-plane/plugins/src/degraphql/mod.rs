#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use weir_plugin_api::body::graphql;
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::{form, json};

pub use config::Config;

/// Definition of `degraphql`.
pub struct Degraphql;

impl PluginDef for Degraphql {
    const NAME: &'static str = "degraphql";
    const PRIORITY: i32 = 509;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let definitions = graphql::definitions(&config.query);
        let definitions =
            definitions.map_err(|reason| format!("failed to parse query: {reason}"))?;
        if definitions > 1 && config.operation_name.is_none() {
            return Err(
                "operation_name is required if multiple operations are present in the query".into(),
            );
        }
        Ok(Compiled { config })
    }
}

/// `degraphql`, ready to run.
pub struct Compiled {
    config: Config,
}

/// Why a request is not translated.
enum Refused {
    /// Its body must be read first.
    Unread,
    With(StatusCode),
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let translated = match context.request.method {
            Method::POST => self.post(context),
            Method::GET => self.get(context),
            _ => Err(Refused::With(StatusCode::METHOD_NOT_ALLOWED)),
        };
        match translated {
            Ok(()) => Step::Continue,
            Err(Refused::Unread) => Step::ReadBody,
            Err(Refused::With(status)) => Step::respond(Response::page(status)),
        }
    }
}

impl Compiled {
    fn post(&self, context: &mut Context) -> Result<(), Refused> {
        let body = match context.request.body.whole(self.config.max_req_body_size) {
            WholeBody::Unread => return Err(Refused::Unread),
            WholeBody::TooLarge => return Err(Refused::With(StatusCode::PAYLOAD_TOO_LARGE)),
            WholeBody::Read(body) => body,
        };
        let mut made = Map::new();
        if let Some(names) = &self.config.variables {
            let given = match json::parse::<Value>(body) {
                Ok(Value::Object(given)) => given,
                // As a table of Lua it has no such names.
                Ok(Value::Array(_)) => Map::new(),
                _ => {
                    tracing::debug!("degraphql: the body is missing or no JSON object");
                    return Err(Refused::With(StatusCode::BAD_REQUEST));
                }
            };
            made.insert("variables".into(), chosen(names, given));
        }
        self.finish(&mut made);
        let text = json::print(&made).map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
        context.request.body.replace(Bytes::from(text));
        let headers = &mut context.request.headers;
        headers.remove(CONTENT_ENCODING);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(())
    }

    fn get(&self, context: &mut Context) -> Result<(), Refused> {
        let mut made = Map::new();
        if let Some(names) = &self.config.variables {
            let query = context.request.query.as_deref().unwrap_or_default();
            let given = form::fields(query.as_bytes());
            let given = given.map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
            let variables = chosen(names, given).to_string();
            made.insert("variables".into(), Value::String(variables));
        }
        self.finish(&mut made);
        let mut query = Serializer::new(String::new());
        for (name, value) in &made {
            query.append_pair(name, value.as_str().unwrap_or_default());
        }
        // Another plugin may have changed the path already.
        let path = match &context.target.uri {
            Some(uri) => uri.split('?').next().unwrap_or_default().to_owned(),
            None => encode_path(&context.request.path),
        };
        context.target.uri = Some(format!("{path}?{}", query.finish()));
        Ok(())
    }

    fn finish(&self, made: &mut Map<String, Value>) {
        if let Some(name) = &self.config.operation_name {
            made.insert("operationName".into(), Value::from(name.as_str()));
        }
        made.insert("query".into(), Value::from(self.config.query.as_str()));
    }
}

/// The variables that a request gives.
fn chosen(names: &[String], mut given: Map<String, Value>) -> Value {
    let chosen = names.iter().filter_map(|name| {
        let value = given.remove(name)?;
        Some((name.clone(), value))
    });
    Value::Object(chosen.collect())
}
