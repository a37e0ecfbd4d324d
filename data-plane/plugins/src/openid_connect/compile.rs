//! From the configuration to what runs.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Map, Value};
use weir_plugin_api::{CompileContext, PluginDef};

use super::bearer::{Check, Introspection};
use super::claims::Rules;
use super::client::Client;
use super::cookies::Cookies;
use super::dpop::Proofs;
use super::login::Redirect;
use super::provider::{Calls, Provider};
use super::proxies::Proxies;
use super::seal::Seal;
use super::session::Lives;
use super::store::Store;
use super::user::Told;
use super::{Compiled, Config, OpenidConnect, Pushed};
use crate::jwt::Algorithm;
use crate::service_call::{Complaint, header_names, url};

/// # Errors
/// What cannot work.
pub(super) fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
    refuse(&config)?;
    let discovery = url("discovery", &config.discovery)?;
    let seconds = |value: i64| u64::try_from(value).unwrap_or(0);
    let segment = config.cache_segment.clone().unwrap_or_default();
    let place = format!(
        "{}\u{0}{discovery}\u{0}{}\u{0}{segment}\u{0}{}",
        OpenidConnect::NAME,
        config.client_id,
        config.ssl_verify
    );
    let method = &config.token_endpoint_auth_method;
    let client = Client::compile(&config, "token_endpoint_auth_method", method)?;
    let dpop = config.dpop.as_ref().filter(|dpop| dpop.enabled);
    let session = config.session.as_ref();
    HeaderValue::from_str(&config.realm)
        .ok()
        .filter(|_| !config.realm.contains(['"', '\\']))
        .ok_or_else(|| format!("realm must be visible ASCII, got {:?}", config.realm))?;
    Ok(Compiled {
        provider: context.living.get_or_init(&place, Provider::default),
        calls: Calls {
            discovery,
            timeout: Duration::from_secs(seconds(config.timeout)),
            verify: config.ssl_verify,
            proxies: Proxies::compile(config.proxy_opts.as_ref())?,
            keys_kept: Duration::from_secs(seconds(config.jwk_expires_in)),
        },
        client,
        proofs: dpop.map(Proofs::compile).transpose()?.map(Arc::new),
        rules: Rules::compile(&config)?,
        check: check(&config)?,
        bearer_only: config.bearer_only,
        unauth_action: config.unauth_action,
        redirect: Redirect::compile(config.redirect_uri.as_deref())?,
        authorization_params: params(config.authorization_params.as_ref())?,
        par: pushed(&config)?,
        use_nonce: config.use_nonce,
        use_pkce: config.use_pkce,
        accepts_none: config.accept_none_alg,
        accepts_unsupported: config.accept_unsupported_alg,
        wants_user: config.set_userinfo_header || config.claim_schema.is_some(),
        renews: config.renew_access_token_on_expiry,
        leeway: seconds(config.access_token_expires_leeway),
        default_life: config.access_token_expires_in.map(seconds),
        confirm_every: config.refresh_session_interval.map(seconds),
        revokes: config.revoke_tokens_on_logout,
        told: Told {
            access_token: config.set_access_token_header,
            in_authorization: config.access_token_in_authorization_header,
            id_token: config.set_id_token_header,
            raw_id_token: config.set_raw_id_token_header,
            refresh_token: config.set_refresh_token_header,
            userinfo: config.set_userinfo_header,
        },
        seal: Seal::new(&secret(&config)?),
        cookies: Cookies::compile(session)?,
        store: Store::compile(session)?,
        lives: Lives::compile(session),
        complaint: Complaint::default(),
        client_secret: config.client_secret,
        realm: config.realm,
        scope: config.scope,
        logout_path: config.logout_path,
        post_logout_redirect_uri: config.post_logout_redirect_uri,
    })
}

/// Refuses what cannot work.
fn refuse(config: &Config) -> Result<(), String> {
    let refuse = |is_there: bool, text: &str| {
        if is_there {
            Err(text.to_owned())
        } else {
            Ok(())
        }
    };
    refuse(
        config.force_reauthorize,
        "force_reauthorize would send each request to the provider, also those that come back from it; \
         use refresh_session_interval",
    )?;
    let expected = config.token_signing_alg_values_expected.as_deref();
    refuse(
        expected.is_some_and(|name| name != "none" && Algorithm::named(name).is_none()),
        "token_signing_alg_values_expected: expected the name of an algorithm such as RS256",
    )
}

/// The secret of cookies; that of the client stands in, so that all agents have the same.
fn secret(config: &Config) -> Result<String, String> {
    match (&config.session, &config.client_secret) {
        (Some(session), _) => Ok(session.secret.clone()),
        (None, Some(secret)) => Ok(format!(
            "client_secret\u{0}{}\u{0}{secret}",
            config.client_id
        )),
        // Nothing is sealed then.
        (None, None) if config.bearer_only => Ok(String::new()),
        (None, None) => Err("session.secret is required where there is no client_secret".into()),
    }
}

fn check(config: &Config) -> Result<Option<Check>, String> {
    if let Some(pem) = &config.public_key {
        return Check::keys(pem).map(Some);
    }
    if config.use_jwks {
        return Ok(Some(Check::Published));
    }
    if !config.bearer_only && config.introspection_endpoint.is_none() {
        return Ok(None);
    }
    let field = "introspection_endpoint_auth_method";
    let method = &config.introspection_endpoint_auth_method;
    let endpoint = config.introspection_endpoint.as_deref();
    let addon = config.introspection_addon_headers.as_deref();
    let claim = config.introspection_expiry_claim.clone();
    Ok(Some(Check::Introspection(Box::new(Introspection {
        endpoint: endpoint
            .map(|place| url("introspection_endpoint", place))
            .transpose()?,
        client: Client::compile(config, field, method)?,
        expiry_claim: claim.unwrap_or_else(|| "exp".into()),
        interval: u64::try_from(config.introspection_interval).unwrap_or(0),
        addon_headers: header_names("introspection_addon_headers", addon.unwrap_or_default())?,
    }))))
}

fn pushed(config: &Config) -> Result<Option<Pushed>, String> {
    let Some(par) = config.par.as_ref().filter(|par| par.enabled) else {
        return Ok(None);
    };
    let method = par.endpoint_auth_method.as_ref();
    let method = method.unwrap_or(&config.token_endpoint_auth_method);
    let endpoint = par.endpoint.as_deref();
    Ok(Some(Pushed {
        endpoint: endpoint
            .map(|place| url("par.endpoint", place))
            .transpose()?,
        client: Client::compile(config, "par.endpoint_auth_method", method)?,
    }))
}

/// Parameters of the authorization request that are the operator's.
fn params(params: Option<&Map<String, Value>>) -> Result<Vec<(String, String)>, String> {
    const OURS: [&str; 9] = [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
    ];
    let read = |(name, value): (&String, &Value)| {
        if OURS.contains(&name.as_str()) {
            return Err(format!(
                "authorization_params.{name} is set by the gateway itself"
            ));
        }
        match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
            _ => Err(format!(
                "authorization_params.{name}: expected a text, a number or a boolean"
            )),
        }
    };
    params.into_iter().flatten().map(read).collect()
}
