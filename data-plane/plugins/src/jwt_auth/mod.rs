#![doc = include_str!("README.md")]

mod config;
mod credential;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Prepared, Step,
};

use crate::authentication::{Gate, cookie, hide_argument, hide_cookie, only};
use crate::header_edit::header_name;
use crate::jwt::{Demand, Token, is_timely};
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
        match self.authenticate(context) {
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
        context: &mut Context,
    ) -> Result<(Arc<Consumer>, Option<Value>), &'static str> {
        let text = self.take(context).ok_or("Missing JWT token in request")?;
        let token = Token::parse(&text).ok_or("JWT token invalid")?;
        let key = token.claims.get(&self.key_claim);
        let key = key.ok_or("missing user key in JWT token")?.as_str();
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
        Ok((consumer, self.store_claims.then_some(token.claims)))
    }

    /// The token, from the first place that has one; hidden there if asked, valid or not.
    fn take(&self, context: &mut Context) -> Option<String> {
        if let Some(text) = only(context, &self.header) {
            let bare = |scheme| text.strip_prefix(scheme);
            let token = bare("Bearer ")
                .or_else(|| bare("bearer "))
                .unwrap_or(text)
                .to_owned();
            if self.hide_credentials {
                context.request.headers.remove(&self.header);
            }
            return Some(token);
        }
        if let Some(token) = context.query_arg(&self.query) {
            let token = token.into_owned();
            if self.hide_credentials {
                hide_argument(context, &self.query);
            }
            return Some(token);
        }
        let token = cookie(context, &self.cookie)?.to_owned();
        if self.hide_credentials {
            hide_cookie(context, &self.cookie);
        }
        Some(token)
    }
}
