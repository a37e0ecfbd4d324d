#![doc = include_str!("README.md")]

mod config;
mod minted;
#[cfg(test)]
mod tests;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use weir_plugin_api::request::{encode_path, query_without};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::authentication::{hide_argument, hide_cookie};
use crate::header_edit::{basic_value, header_name, secret_value};
use crate::service_call::header_names;
use minted::Minted;

pub use config::{Basic, Config, Jwt, Key, Strip};

/// Definition of `upstream-auth`.
pub struct UpstreamAuth;

impl PluginDef for UpstreamAuth {
    const NAME: &'static str = "upstream-auth";
    /// Behind everything that reads what the client sent, and behind `proxy-mirror`, whose copies
    /// are not to carry credentials for the node.
    const PRIORITY: i32 = 1007;
    const PHASES: Phases = Phases::of(&[Phase::BeforeProxy]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let credential = match (config.key, config.basic, config.jwt) {
            (Some(key), None, None) => key_of(key)?,
            (None, Some(basic), None) => {
                if basic.username.contains(':') {
                    return Err("basic.username must not have a colon in it".into());
                }
                let pair = format!("{}:{}", basic.username, basic.password);
                let value = basic_value("basic", &pair)?;
                Credential::Header(AUTHORIZATION, value)
            }
            (None, None, Some(jwt)) => Credential::Minted(Box::new(Minted::compile(jwt)?)),
            _ => return Err("expected one of key, basic and jwt".into()),
        };
        let strip = config.strip.unwrap_or_default();
        Ok(Compiled {
            credential,
            headers: header_names("strip.headers", &strip.headers)?,
            query: strip.query,
            cookies: strip.cookies,
        })
    }
}

fn key_of(key: Key) -> Result<Credential, String> {
    match (key.header, key.query) {
        (Some(name), None) => {
            let name = header_name("key.header", &name)?;
            Ok(Credential::Header(
                name,
                secret_value("key.value", &key.value)?,
            ))
        }
        (None, Some(name)) => {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let pair = format!("{}={}", encode(&name), encode(&key.value));
            Ok(Credential::Argument { name, pair })
        }
        _ => Err("key: expected one of header and query".into()),
    }
}

/// What the node is shown.
enum Credential {
    Header(HeaderName, HeaderValue),
    Argument { name: String, pair: String },
    Minted(Box<Minted>),
}

/// `upstream-auth`, ready to run.
pub struct Compiled {
    credential: Credential,
    headers: Vec<HeaderName>,
    query: Vec<String>,
    cookies: Vec<String>,
}

impl Plugin for Compiled {
    fn before_proxy<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        for name in &self.headers {
            context.request.headers.remove(name);
        }
        for name in &self.query {
            hide_argument(context, name);
        }
        for name in &self.cookies {
            hide_cookie(context, name);
        }
        let (name, value) = match &self.credential {
            Credential::Header(name, value) => (name, Ok(value.clone())),
            Credential::Minted(minted) => (&minted.header, minted.value(context)),
            Credential::Argument { name, pair } => {
                context.target.uri = Some(with_argument(context, name, pair));
                return Step::Continue;
            }
        };
        match value {
            Ok(value) => {
                context.request.headers.insert(name.clone(), value);
                Step::Continue
            }
            Err(problem) => {
                tracing::error!(%problem, "upstream-auth: the node would not know who asks");
                Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }
}

/// What the node is asked for, with an argument in the place of all that are called the same.
fn with_argument(context: &Context, name: &str, pair: &str) -> String {
    let request = &context.request;
    let own = || match &request.query {
        Some(query) => format!("{}?{query}", encode_path(&request.path)),
        None => encode_path(&request.path),
    };
    let target = context.target.uri.clone().unwrap_or_else(own);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match query_without(query, name).filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}&{pair}"),
        None => format!("{path}?{pair}"),
    }
}
