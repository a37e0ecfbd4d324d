#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::authentication::{Gate, authorization};

pub use config::Config;

/// Definition of `basic-auth`.
pub struct BasicAuth;

impl PluginDef for BasicAuth {
    const NAME: &'static str = "basic-auth";
    const PRIORITY: i32 = 2520;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            hide_credentials: config.hide_credentials,
            gate: Gate::new("Basic", &config.realm, config.anonymous_consumer)?,
        })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("username")?.as_str().map(str::to_owned)
    }

    fn check_consumer(config: &Value) -> Result<(), String> {
        match config.get("password").and_then(Value::as_str) {
            Some("") => Err("password must not be empty".to_owned()),
            _ => Ok(()),
        }
    }
}

/// `basic-auth`, ready to run.
pub struct Compiled {
    hide_credentials: bool,
    gate: Gate,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match authenticate(context) {
            Ok(consumer) => context.attach_consumer(consumer),
            Err(message) => {
                if let Some(refusal) = self.gate.fall_back(context, message) {
                    return refusal;
                }
            }
        }
        if self.hide_credentials {
            context.request.headers.remove(AUTHORIZATION);
        }
        Step::Continue
    }
}

fn authenticate(context: &Context) -> Result<Arc<Consumer>, &'static str> {
    const REFUSED: &str = "Invalid user authorization";
    let field = authorization(context).ok_or("Missing authorization in request")?;
    let (user, password) = credentials(field).ok_or("Invalid authorization in request")?;
    let consumer = context.host.find_consumer(BasicAuth::NAME, &user);
    let consumer = consumer.ok_or(REFUSED)?;
    let expected = consumer.auth_config.get("password").and_then(Value::as_str);
    // No password is none, whatever a consumer or a secret store says.
    let expected = expected.filter(|password| !password.is_empty());
    let expected = expected.ok_or(REFUSED)?.as_bytes();
    verify_slices_are_equal(expected, password.as_bytes()).map_err(|_| REFUSED)?;
    Ok(consumer)
}

/// User and password (RFC 7617 section 2), read as APISIX reads them: without any white space, and
/// with the password up to its first colon.
fn credentials(field: &str) -> Option<(String, String)> {
    let (scheme, encoded) = field.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let mut parts = decoded.split(':');
    let solid = |part: &str| part.split_whitespace().collect::<String>();
    Some((solid(parts.next()?), solid(parts.next()?)))
}
