#![doc = include_str!("README.md")]

mod bearer;
mod claims;
mod client;
mod compile;
mod config;
mod cookies;
mod dpop;
mod fetched;
mod kept;
mod login;
mod logout;
mod options;
mod provider;
mod proxies;
mod remembered;
mod seal;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod user;

use std::sync::Arc;

use http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode, Uri};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::service_call::Complaint;
use bearer::{Bearer, Check, Failure};
use claims::Rules;
use client::Client;
use cookies::Cookies;
use dpop::Proofs;
use login::Redirect;
use provider::{Calls, Provider};
use seal::Seal;
use session::Lives;
use store::Store;
use user::Told;

pub use config::Config;
pub use options::{
    Audience, ClaimValidator, Cookie, Dpop, Issuer, Par, ProxyOpts, Redis, Session, Storage,
    UnauthAction,
};

/// Definition of `openid-connect`.
pub struct OpenidConnect;

impl PluginDef for OpenidConnect {
    const NAME: &'static str = "openid-connect";
    const PRIORITY: i32 = 2599;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        compile::compile(config, context)
    }
}

/// `openid-connect`, ready to run.
pub struct Compiled {
    provider: Arc<Provider>,
    calls: Calls,
    client: Client,
    proofs: Option<Arc<Proofs>>,
    client_secret: Option<String>,
    rules: Rules,
    check: Option<Check>,
    bearer_only: bool,
    realm: String,
    unauth_action: UnauthAction,
    redirect: Redirect,
    scope: String,
    authorization_params: Vec<(String, String)>,
    par: Option<Pushed>,
    use_nonce: bool,
    use_pkce: bool,
    accepts_none: bool,
    accepts_unsupported: bool,
    wants_user: bool,
    renews: bool,
    leeway: u64,
    default_life: Option<u64>,
    confirm_every: Option<u64>,
    logout_path: String,
    post_logout_redirect_uri: Option<String>,
    revokes: bool,
    told: Told,
    seal: Seal,
    cookies: Cookies,
    /// Where sessions are kept that are not in cookies.
    store: Option<Store>,
    lives: Lives,
    complaint: Complaint,
}

/// Pushed authorization requests.
struct Pushed {
    endpoint: Option<Uri>,
    client: Client,
}

/// Cookies that the answer to a request brings.
#[derive(Default)]
struct ToSet(Vec<HeaderValue>);

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        Step::Wait(Box::pin(self.run(context)))
    }

    fn header_filter(&self, context: &mut Context) {
        let lines = std::mem::take(&mut context.local_mut::<ToSet>().0);
        if let Some(response) = &mut context.response {
            for line in lines {
                response.headers.append(SET_COOKIE, line);
            }
        }
    }
}

impl Compiled {
    async fn run(&self, context: &mut Context) -> Step<'static> {
        let bearer = match &self.check {
            Some(_) => bearer::token(context),
            None => Bearer::Nothing,
        };
        Told::clear(&mut context.request.headers);
        match (&self.check, bearer) {
            (Some(_), Bearer::Malformed) => {
                return Step::respond(Response::page(StatusCode::BAD_REQUEST));
            }
            (Some(check), Bearer::Token(token)) => {
                let claims = match self.bearer(check, context, &token).await {
                    Ok(claims) => claims,
                    Err(failure) => return self.refuse(failure, context),
                };
                let headers = &mut context.request.headers;
                self.told.tell_access(headers, &token);
                self.told.tell_user(headers, &claims);
                context.external_user = Some(claims);
                return Step::Continue;
            }
            _ if self.bearer_only => return Step::respond(self.challenge(None)),
            _ => {}
        }
        self.with_session(context).await
    }

    async fn with_session(&self, context: &mut Context) -> Step<'static> {
        let path = &context.request.path;
        if self.redirect.is_here(path) {
            return self.come_back(context).await;
        }
        if *path == self.logout_path {
            return self.logout(context).await;
        }
        let known = match self.session(context).await {
            Ok(known) => known,
            Err(error) => return self.fail(context, StatusCode::SERVICE_UNAVAILABLE, &error),
        };
        let Some(mut session) = known else {
            let step = self.nobody(context).await;
            self.cookies.hide(context);
            return step;
        };
        let now = context.host.unix_ms() / 1000;
        let mut is_new = false;
        if session.has_ended(self.leeway, now) {
            let renewed = if self.renews {
                self.renew(context, &mut session).await
            } else {
                Err("the access token has ended".into())
            };
            if let Err(problem) = renewed {
                tracing::debug!(%problem, "openid-connect: a login ends");
                let step = self.nobody(context).await;
                self.cookies.hide(context);
                return step;
            }
            is_new = true;
        }
        let confirmed = session.confirmed;
        let is_due = |every: u64| now >= confirmed.saturating_add(every);
        if self.unauth_action == UnauthAction::Auth && self.confirm_every.is_some_and(is_due) {
            return self.to_provider(context, true, None).await;
        }
        is_new |= self.lives.touch(&mut session, now);
        if is_new {
            match self.keep(context, &mut session).await {
                Ok(lines) => context.local_mut::<ToSet>().0 = lines,
                Err(problem) => {
                    return self.fail(context, StatusCode::INTERNAL_SERVER_ERROR, &problem);
                }
            }
        }
        self.cookies.hide(context);
        match self.tell(context, &session) {
            Ok(()) => Step::Continue,
            Err(fault) => self.refuse(Failure::Fault(fault), context),
        }
    }

    /// 401 with what is wrong with a token.
    fn challenge(&self, error: Option<(&str, &str)>) -> Response {
        let mut text = format!("Bearer realm=\"{}\"", self.realm);
        if let Some((code, description)) = error {
            let is_plain = |c: &char| matches!(c, ' '..='~') && !['"', '\\'].contains(c);
            let description: String = description.chars().filter(is_plain).take(200).collect();
            text.push_str(&format!(
                ", error=\"{code}\", error_description=\"{description}\""
            ));
        }
        let answer = Response::page(StatusCode::UNAUTHORIZED);
        match HeaderValue::from_str(&text) {
            Ok(value) => answer.with_header(WWW_AUTHENTICATE, value),
            Err(_) => answer,
        }
    }

    /// The answer when a login cannot go on.
    fn fail(&self, context: &Context, status: StatusCode, problem: &str) -> Step<'static> {
        self.complain(context, problem);
        Step::respond(Response::page(status))
    }

    fn complain(&self, context: &Context, problem: &str) {
        if self.complaint.is_due(&*context.host) {
            let provider = &self.calls.discovery;
            tracing::warn!(%provider, problem, "openid-connect: a request cannot be served");
        }
    }
}
