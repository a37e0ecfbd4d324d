//! The authorization code flow: to the provider, back from it, and out.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{Context, Response, Step};

use super::Compiled;
use super::options::UnauthAction;
use super::provider::{Metadata, form_of, json};
use super::seal::random_text;

/// Behind the path of a request, where the provider sends users back to unless it is configured.
const BESIDE: &str = "/.apisix/redirect";

/// Seconds that a user may take to log in.
const LOGIN_TAKES: u64 = 600;

/// Logins that one user may have under way.
const MOST_LOGINS: usize = 4;

/// Bytes of a target that is kept during a login.
const LONGEST_TARGET: usize = 2048;

/// A login under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) state: String,
    pub(super) nonce: Option<String>,
    pub(super) verifier: Option<String>,
    pub(super) redirect_uri: String,
    /// Where the user wanted to go.
    pub(super) target: String,
    made: u64,
    /// Whether it is a question to the provider that the user does not see.
    pub(super) is_silent: bool,
}

/// Where the provider sends users back to.
pub(super) enum Redirect {
    /// A URL, and its path.
    Url(String, String),
    /// A path of ours.
    Path(String),
    /// Beside what was asked for.
    Beside,
}

impl Redirect {
    /// # Errors
    /// It is neither URL nor path.
    pub(super) fn compile(configured: Option<&str>) -> Result<Self, String> {
        match configured {
            None => Ok(Self::Beside),
            Some(path) if path.starts_with('/') => Ok(Self::Path(path.to_owned())),
            Some(url) => {
                let uri = crate::service_call::url("redirect_uri", url)?;
                Ok(Self::Url(url.to_owned(), uri.path().to_owned()))
            }
        }
    }

    /// Whether a request comes back from the provider.
    pub(super) fn is_here(&self, path: &str) -> bool {
        match self {
            Self::Url(_, own) | Self::Path(own) => own == path,
            Self::Beside => path.ends_with(BESIDE),
        }
    }

    fn uri(&self, context: &Context) -> String {
        match self {
            Self::Url(url, _) => url.clone(),
            Self::Path(path) => format!("{}{path}", origin(context)),
            Self::Beside => {
                let path = context.request.path.trim_end_matches(BESIDE);
                let path = encode_path(path);
                format!("{}{}{BESIDE}", origin(context), path.trim_end_matches('/'))
            }
        }
    }
}

/// Scheme and authority under which the user knows the gateway.
fn origin(context: &Context) -> String {
    let told = |name: &str| {
        let value = context.header(name)?.split(',').next()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let scheme = told("x-forwarded-proto").filter(|scheme| scheme == "http" || scheme == "https");
    let scheme = scheme.unwrap_or_else(|| context.request.scheme.as_str().to_owned());
    let host = told("x-forwarded-host").unwrap_or_else(|| context.request.authority.clone());
    format!("{scheme}://{host}")
}

/// 302, which nobody keeps, with these cookies.
pub(super) fn redirect(location: &str, cookies: Vec<HeaderValue>) -> Step<'static> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let mut answer = Response::page(StatusCode::FOUND)
        .with_header(LOCATION, location)
        .with_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        answer = answer.with_header(SET_COOKIE, cookie);
    }
    Step::respond(answer)
}

impl Compiled {
    /// What becomes of a request without a login.
    pub(super) async fn nobody(&self, context: &Context) -> Step<'static> {
        match self.unauth_action {
            UnauthAction::Pass => Step::Continue,
            UnauthAction::Deny => Step::respond(Response::page(StatusCode::UNAUTHORIZED)),
            UnauthAction::Auth => self.to_provider(context, false, None).await,
        }
    }

    /// Sends the user to the provider; `is_silent` asks it not to ask the user anything. `target` is
    /// where the user wants to go, unless that is the request itself.
    pub(super) async fn to_provider(
        &self,
        context: &Context,
        is_silent: bool,
        target: Option<&str>,
    ) -> Step<'static> {
        let metadata = match self.calls.metadata(&self.provider, &*context.host).await {
            Ok(metadata) => metadata,
            Err(error) => return self.fail(context, StatusCode::SERVICE_UNAVAILABLE, &error),
        };
        match self
            .authorization(context, &metadata, is_silent, target)
            .await
        {
            Ok((location, cookies)) => redirect(&location, cookies),
            Err(error) => self.fail(context, StatusCode::INTERNAL_SERVER_ERROR, &error),
        }
    }

    async fn authorization(
        &self,
        context: &Context,
        metadata: &Metadata,
        is_silent: bool,
        target: Option<&str>,
    ) -> Result<(String, Vec<HeaderValue>), String> {
        const NO_RANDOMNESS: &str = "there is no randomness";
        let random = || random_text().ok_or(NO_RANDOMNESS);
        let target = target.unwrap_or(&context.request.raw_target);
        let login = Login {
            state: random()?,
            nonce: if self.use_nonce {
                Some(random()?)
            } else {
                None
            },
            verifier: if self.use_pkce { Some(random()?) } else { None },
            redirect_uri: self.redirect.uri(context),
            target: if target.len() <= LONGEST_TARGET {
                target
            } else {
                "/"
            }
            .to_owned(),
            made: context.host.unix_ms() / 1000,
            is_silent,
        };
        let challenge = login
            .verifier
            .as_ref()
            .map(|verifier| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())));
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", &login.redirect_uri),
            ("scope", &self.scope),
            ("state", &login.state),
        ];
        fields.extend(login.nonce.as_deref().map(|nonce| ("nonce", nonce)));
        if let Some(challenge) = &challenge {
            fields.push(("code_challenge", challenge));
            fields.push(("code_challenge_method", "S256"));
        }
        let more = self.authorization_params.iter();
        let more = more.filter(|(name, _)| !(is_silent && name == "prompt"));
        fields.extend(more.map(|(name, value)| (name.as_str(), value.as_str())));
        if is_silent {
            fields.push(("prompt", "none"));
        }
        let endpoint = metadata.endpoint("authorization_endpoint")?.to_string();
        let query = match &self.par {
            None => form_of(&fields),
            Some(par) => {
                let uri = match &par.endpoint {
                    Some(uri) => uri.clone(),
                    None => metadata.endpoint("pushed_authorization_request_endpoint")?,
                };
                let call = par.client.post(&self.calls, &*context.host, uri, &fields)?;
                let answer = json(&*context.host.outside(), call).await?;
                let pushed = answer.get("request_uri").and_then(|uri| uri.as_str());
                let pushed = pushed.ok_or("the provider took no pushed request")?;
                form_of(&[("client_id", &self.client.id), ("request_uri", pushed)])
            }
        };
        let join = if endpoint.contains('?') { '&' } else { '?' };
        let cookies = self.login_cookies(context, &login)?;
        Ok((format!("{endpoint}{join}{query}"), cookies))
    }

    /// Keeps a login under way; the ones before it go when there are too many.
    fn login_cookies(&self, context: &Context, login: &Login) -> Result<Vec<HeaderValue>, String> {
        let sealed = self.seal.seal(&self.purpose("login"), login);
        let sealed = sealed.ok_or("a login could not be sealed")?;
        let name = self.cookies.login(&login.state);
        let line = self
            .cookies
            .line(context, &name, &sealed, Some(LOGIN_TAKES));
        let mut lines = vec![line.ok_or("a login cannot stand in a cookie")?];
        let before = self.cookies.logins(context);
        if before.len() >= MOST_LOGINS {
            let ended = before
                .iter()
                .filter_map(|name| self.cookies.end(context, name));
            lines.extend(ended);
        }
        Ok(lines)
    }

    /// The user is back from the provider.
    pub(super) async fn come_back(&self, context: &Context) -> Step<'static> {
        let metadata = match self.calls.metadata(&self.provider, &*context.host).await {
            Ok(metadata) => metadata,
            Err(error) => return self.fail(context, StatusCode::SERVICE_UNAVAILABLE, &error),
        };
        let login = match self.login(context) {
            Ok(login) => login,
            Err(error) => return self.fail(context, StatusCode::INTERNAL_SERVER_ERROR, &error),
        };
        if context.query_arg("error").is_some() && login.is_silent {
            // The provider would have to ask: so it shall.
            return self.to_provider(context, false, Some(&login.target)).await;
        }
        match self.enter(context, &metadata, &login).await {
            Ok(mut cookies) => {
                let name = self.cookies.login(&login.state);
                cookies.extend(self.cookies.end(context, &name));
                redirect(&landing(&login.target), cookies)
            }
            Err(error) => self.fail(context, StatusCode::INTERNAL_SERVER_ERROR, &error),
        }
    }

    /// The login that an answer of the provider belongs to.
    fn login(&self, context: &Context) -> Result<Login, String> {
        let state = context
            .query_arg("state")
            .ok_or("the provider sent no state")?;
        let name = self.cookies.login(&state);
        let sealed = crate::authentication::cookie(context, &name);
        let sealed = sealed.ok_or("no login of this state is under way")?;
        let login: Option<Login> = self.seal.open(&self.purpose("login"), sealed);
        let login = login.filter(|login| login.state == state);
        let login = login.ok_or("no login of this state is under way")?;
        let now = context.host.unix_ms() / 1000;
        if now >= login.made.saturating_add(LOGIN_TAKES) {
            return Err("the login took too long".into());
        }
        Ok(login)
    }

    /// Changes the code for tokens; the cookies of the session.
    async fn enter(
        &self,
        context: &Context,
        metadata: &Arc<Metadata>,
        login: &Login,
    ) -> Result<Vec<HeaderValue>, String> {
        if let Some(error) = context.query_arg("error") {
            let shown: String = error.chars().take(100).collect();
            return Err(format!("the provider refused the login: {shown:?}"));
        }
        if let (Some(told), Some(issuer)) = (context.query_arg("iss"), metadata.issuer())
            && told != issuer
        {
            return Err("the answer is of another provider".into());
        }
        let code = context
            .query_arg("code")
            .ok_or("the provider sent no code")?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &login.redirect_uri),
        ];
        fields.extend(
            login
                .verifier
                .as_deref()
                .map(|verifier| ("code_verifier", verifier)),
        );
        let mut session = self
            .session_of_code(context, metadata, login, &fields)
            .await?;
        self.keep(context, &mut session).await
    }

    /// The purpose of a cookie, which no other configuration shares.
    pub(super) fn purpose(&self, what: &str) -> String {
        format!("{what}\u{0}{}\u{0}{}", self.cookies.name, self.client.id)
    }
}

/// A target on this host, whatever a client asked for: `//a.test` would be another one.
fn landing(target: &str) -> String {
    format!("/{}", target.trim_start_matches(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_land_on_this_host() {
        assert_eq!(landing("/a?b=c"), "/a?b=c");
        assert_eq!(landing("//evil.test/a"), "/evil.test/a");
        assert_eq!(landing("/\\evil.test"), "/evil.test");
    }
}
