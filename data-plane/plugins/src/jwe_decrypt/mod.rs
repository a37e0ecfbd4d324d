#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;
mod token;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use weir_model::secret::is_reference;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Prepared, Response, Step,
};

use crate::header_edit::header_name;
use token::{Key, Token};

pub use config::Config;

/// Definition of `jwe-decrypt`.
pub struct JweDecrypt;

impl PluginDef for JweDecrypt {
    const NAME: &'static str = "jwe-decrypt";
    const PRIORITY: i32 = 2509;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            header: header_name("header", &config.header)?,
            forward_header: header_name("forward_header", &config.forward_header)?,
            strict: config.strict,
        })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("key")?.as_str().map(str::to_owned)
    }

    fn check_consumer(config: &Value) -> Result<(), String> {
        let secret = config.get("secret").and_then(Value::as_str);
        if secret.is_some_and(is_reference) {
            return Ok(());
        }
        match secret_of(config) {
            Some(secret) if secret.len() == 32 => Ok(()),
            _ if is_encoded(config) => {
                Err("the secret length after base64 decode should be 32 chars".into())
            }
            _ => Err("the secret length should be 32 chars".into()),
        }
    }

    fn prepare_consumer(config: &Value) -> Prepared {
        let key = secret_of(config).and_then(|secret| Key::new(&secret));
        key.map_or_else(Prepared::default, Prepared::new)
    }
}

fn is_encoded(config: &Value) -> bool {
    config.get("is_base64_encoded") == Some(&Value::Bool(true))
}

fn secret_of(config: &Value) -> Option<Vec<u8>> {
    let secret = config.get("secret")?.as_str()?;
    if is_encoded(config) {
        return URL_SAFE_NO_PAD.decode(secret.trim_end_matches('=')).ok();
    }
    Some(secret.as_bytes().to_vec())
}

/// `jwe-decrypt`, ready to run.
pub struct Compiled {
    header: HeaderName,
    forward_header: HeaderName,
    strict: bool,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(value) = context.request.headers.get(&self.header).cloned() else {
            // What a client puts there would pass for a clear text.
            context.request.headers.remove(&self.forward_header);
            if !self.strict {
                return Step::Continue;
            }
            let text = "missing JWE token in request";
            return Step::respond(Response::message(StatusCode::FORBIDDEN, text));
        };
        match Self::open(&value, context) {
            Ok(clear) => {
                let headers = &mut context.request.headers;
                headers.insert(self.forward_header.clone(), clear);
                Step::Continue
            }
            Err(text) => Step::respond(Response::message(StatusCode::BAD_REQUEST, text)),
        }
    }
}

impl Compiled {
    /// The clear text; its consumer is attached then.
    fn open(value: &HeaderValue, context: &mut Context) -> Result<HeaderValue, &'static str> {
        const FAILED: &str = "failed to decrypt JWE token";
        let text = value.to_str().unwrap_or_default();
        let bare = text
            .get(..7)
            .filter(|head| head.eq_ignore_ascii_case("bearer "));
        let text = bare.and_then(|_| text.get(7..)).unwrap_or(text).trim();
        let token = Token::parse(text).ok_or("JWE token invalid")?;
        let key = token.key_id().ok_or("missing kid in JWE token")?;
        let consumer = context.host.find_consumer(JweDecrypt::NAME, key);
        let consumer = consumer.ok_or("invalid kid in JWE token")?;
        let clear = consumer.prepared.get().and_then(|key| token.open(key));
        let clear = HeaderValue::from_bytes(&clear.ok_or(FAILED)?).map_err(|_| FAILED)?;
        context.attach_consumer(consumer);
        Ok(clear)
    }
}
