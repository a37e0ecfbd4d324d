#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;
mod token;

use std::time::{Duration, UNIX_EPOCH};

use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::authentication::cookie;
use crate::header_edit::header_name;

pub use config::Config;

/// The last second that dates of HTTP can name, since the epoch: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// Definition of `csrf`.
pub struct Csrf;

impl PluginDef for Csrf {
    const NAME: &'static str = "csrf";
    const PRIORITY: i32 = 2980;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            header: header_name("name", &config.name)?,
            config,
        })
    }
}

/// `csrf`, ready to run.
pub struct Compiled {
    config: Config,
    header: HeaderName,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS];
        if safe.contains(&context.request.method) {
            return Step::Continue;
        }
        match self.check(context) {
            Ok(()) => Step::Continue,
            Err(text) => Step::respond(Response::error_msg(StatusCode::UNAUTHORIZED, text)),
        }
    }

    fn header_filter(&self, context: &mut Context) {
        let token = token::make(&self.config.key, context.host.random(), now(context));
        let mut text = format!("{}={token};path=/;SameSite=Lax", self.config.name);
        if let Ok(life @ 1..) = u64::try_from(self.config.expires) {
            let end = (context.host.unix_ms() / 1000)
                .saturating_add(life)
                .min(LAST);
            text.push_str(";Expires=");
            text.push_str(&httpdate::fmt_http_date(
                UNIX_EPOCH + Duration::from_secs(end),
            ));
        }
        if let (Some(response), Ok(value)) = (&mut context.response, HeaderValue::try_from(text)) {
            response.headers.append(SET_COOKIE, value);
        }
    }
}

impl Compiled {
    fn check(&self, context: &Context) -> Result<(), &'static str> {
        let sent = context.request.headers.get(&self.header);
        let sent = sent.and_then(|value| value.to_str().ok());
        let sent = sent.filter(|token| !token.is_empty());
        let sent = sent.ok_or("no csrf token in headers")?;
        let kept = cookie(context, &self.config.name).ok_or("no csrf cookie")?;
        if sent != kept {
            return Err("csrf token mismatch");
        }
        let Config { key, expires, .. } = &self.config;
        if !token::is_good(sent, key, *expires, now(context)) {
            return Err("Failed to verify the csrf token signature");
        }
        Ok(())
    }
}

/// Seconds since the epoch.
fn now(context: &Context) -> i64 {
    i64::try_from(context.host.unix_ms() / 1000).unwrap_or(i64::MAX)
}
