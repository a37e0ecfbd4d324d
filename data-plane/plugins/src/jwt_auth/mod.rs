#![doc = include_str!("README.md")]

mod config;
mod credential;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderName;
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Prepared, Step,
};

use crate::authentication::{Gate, cookie, hide_argument, hide_cookie, only};
use crate::header_edit::header_name;
use crate::jwt::{Demand, Times, Token, is_timely, members, object};
use credential::Credential;

pub use config::{Claim, Config};

/// Definition of `jwt-auth`.
pub struct JwtAuth;

impl PluginDef for JwtAuth {
    const NAME: &'static str = "jwt-auth";
    const PRIORITY: i32 = 2510;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        // An empty list is no wish to take tokens that are over.
        let named = config.claims_to_verify.filter(|claims| !claims.is_empty());
        let demand = |claim: Claim| match &named {
            None => Demand::Optional,
            Some(claims) if claims.contains(&claim) => Demand::Required,
            Some(_) => Demand::Ignored,
        };
        Ok(Compiled {
            exp: demand(Claim::Exp),
            nbf: demand(Claim::Nbf),
            header: header_name("header", &config.header)?,
            query: config.query,
            cookie: config.cookie,
            hide_credentials: config.hide_credentials,
            key_claim: config.key_claim_name,
            store_claims: config.store_in_ctx,
            gate: Gate::new("Bearer", &config.realm, config.anonymous_consumer)?,
        })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("key")?.as_str().map(str::to_owned)
    }

    fn check_consumer(config: &Value) -> Result<(), String> {
        Credential::check(config)
    }

    /// A credential that cannot be read, since a reference of it is not resolved, never matches.
    fn prepare_consumer(config: &Value) -> Prepared {
        Credential::read(config).map_or_else(|_| Prepared::default(), Prepared::new)
    }
}

/// `jwt-auth`, ready to run.
pub struct Compiled {
    header: HeaderName,
    query: String,
    cookie: String,
    hide_credentials: bool,
    key_claim: String,
    store_claims: bool,
    exp: Demand,
    nbf: Demand,
    gate: Gate,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let authenticated = self.authenticate(context);
        if self.hide_credentials {
            // Valid or not.
            self.hide(context);
        }
        match authenticated {
            Ok((consumer, claims)) => {
                context.attach_consumer(consumer);
                context.jwt_claims = claims.map(Arc::new);
                Step::Continue
            }
            Err(message) => self
                .gate
                .fall_back(context, message)
                .unwrap_or(Step::Continue),
        }
    }
}

impl Compiled {
    fn authenticate(
        &self,
        context: &Context,
    ) -> Result<(Arc<Consumer>, Option<Value>), &'static str> {
        let text = self.token(context).ok_or("Missing JWT token in request")?;
        let token = Token::reading(&text, |claims| self.read(claims));
        let token = token.ok_or("JWT token invalid")?;
        let key = token.claims.key.as_ref();
        let key = key.ok_or("missing user key in JWT token")?.as_deref();
        let consumer = key.and_then(|key| context.host.find_consumer(JwtAuth::NAME, key));
        let consumer = consumer.ok_or("Invalid user key in JWT token")?;
        let now = context.host.unix_ms() / 1000;
        let is_good = consumer
            .prepared
            .get()
            .is_some_and(|credential: &Credential| {
                token.is_signed_by(&credential.key)
                    && is_timely(&token.claims, now, credential.leeway, self.exp, self.nbf)
            });
        if !is_good {
            return Err("failed to verify jwt");
        }
        Ok((consumer, token.claims.all))
    }

    /// Reads the claims that are looked at, and the others only where later plugins may ask for them.
    fn read(&self, text: &str) -> Option<Claims> {
        let [key, exp, nbf] = members(text, [&self.key_claim, "exp", "nbf"])?;
        let all = match self.store_claims {
            true => Some(object(text)?),
            false => None,
        };
        Some(Claims {
            key: key.map(|key| key.text().map(str::to_owned)),
            exp: exp.map(|exp| exp.number()),
            nbf: nbf.map(|nbf| nbf.number()),
            all,
        })
    }

    /// The token, from the first place that has one.
    fn token<'c>(&self, context: &'c Context) -> Option<Cow<'c, str>> {
        if let Some(text) = only(context, &self.header) {
            let bare = |scheme| text.strip_prefix(scheme);
            let token = bare("Bearer ").or_else(|| bare("bearer ")).unwrap_or(text);
            return Some(Cow::Borrowed(token));
        }
        if let Some(token) = context.query_arg(&self.query) {
            return Some(token);
        }
        cookie(context, &self.cookie).map(Cow::Borrowed)
    }

    /// Takes the token out of the place that it was taken from.
    fn hide(&self, context: &mut Context) {
        if context.request.headers.contains_key(&self.header) {
            context.request.headers.remove(&self.header);
        } else if context.query_arg(&self.query).is_some() {
            hide_argument(context, &self.query);
        } else {
            hide_cookie(context, &self.cookie);
        }
    }
}

/// What is looked at of a token. A claim that is there may be of another kind than is wanted.
struct Claims {
    key: Option<Option<String>>,
    exp: Option<Option<f64>>,
    nbf: Option<Option<f64>>,
    /// All of them, where they are kept.
    all: Option<Value>,
}

impl Times for Claims {
    fn number(&self, claim: &str) -> Option<Option<f64>> {
        match claim {
            "exp" => self.exp,
            "nbf" => self.nbf,
            _ => None,
        }
    }
}
