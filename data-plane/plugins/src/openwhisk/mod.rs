#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use weir_plugin_api::outside::HttpAnswer;
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{Body, CompileContext, Context, Phase, Phases, Plugin, PluginDef};
use weir_plugin_api::{Response, Step};

use crate::function_call::{Function, answered};
use crate::header_edit::basic_value;

pub use config::Config;

/// Definition of `openwhisk`.
pub struct OpenWhisk;

impl PluginDef for OpenWhisk {
    const NAME: &'static str = "openwhisk";
    const PRIORITY: i32 = -1901;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let host = config.api_host.trim_end_matches('/');
        let timeout = config.call.service.timeout;
        let function = Function::new(
            Self::NAME,
            "api_host",
            host,
            config.call,
            StatusCode::PAYLOAD_TOO_LARGE,
        )?;
        let package = config.package.map(|package| format!("{package}/"));
        let path = encode_path(&format!(
            "/api/v1/namespaces/{}/actions/{}{}",
            config.namespace,
            package.unwrap_or_default(),
            config.action
        ));
        Ok(Compiled {
            path: function.below(&path),
            query: format!("blocking=true&result={}&timeout={timeout}", config.result),
            authorization: basic_value("service_token", &config.service_token)?,
            result: config.result,
            function,
        })
    }
}

/// `openwhisk`, ready to run.
pub struct Compiled {
    function: Function,
    path: String,
    query: String,
    authorization: HeaderValue,
    result: bool,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let body = match self.function.body(context) {
            Ok(body) => body,
            Err(step) => return step,
        };
        let mut call = match self.function.call(Method::POST, &self.path, &self.query) {
            Ok(call) => call,
            Err(step) => return step,
        };
        call.body = body;
        call.headers
            .insert(AUTHORIZATION, self.authorization.clone());
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let made = if self.result { result } else { answered };
        self.function.ask(call, context, made)
    }
}

/// The answer that the result of an action describes: `statusCode`, `headers` and `body`, each of
/// which may be missing.
fn result(answer: HttpAnswer) -> Result<Response, String> {
    let told: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("its result is no JSON: {error}"))?;
    let mut response = answered(answer)?;
    // What is no object describes no answer: it is one.
    let Value::Object(mut told) = told else {
        return Ok(response);
    };
    if let Some(status) = told.get("statusCode") {
        let code = status.as_u64().and_then(|code| u16::try_from(code).ok());
        response.status = code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .filter(|status| !status.is_informational())
            .ok_or_else(|| format!("statusCode of its result must be a status, got {status}"))?;
    }
    if let Some(Value::Object(headers)) = told.get("headers") {
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("its result has a header that is none: {name:?}"))?;
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let value = HeaderValue::from_str(&text)
                .map_err(|_| format!("its result has a value of {name} that is none"))?;
            response.headers.retain(|(known, _)| *known != name);
            response.headers.push((name, value));
        }
    }
    match told.remove("body") {
        None => {}
        Some(Value::String(text)) => response.body = Body::Text(text.into()),
        Some(other) => response.body = Body::Json(other),
    }
    Ok(response)
}
