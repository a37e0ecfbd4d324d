#![doc = include_str!("README.md")]

mod config;
mod name;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use serde_json::Value;
use weir_plugin_api::outside::LdapServer;
use weir_plugin_api::{CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::authentication::{Gate, authorization};
use crate::service_call::Complaint;
use name::escaped;

pub use config::Config;

/// To connect, and for each call, as in APISIX.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a user's name or password at most.
const LONGEST: usize = 1024;

const REFUSED: &str = "Invalid user authorization";

/// Definition of `ldap-auth`.
pub struct LdapAuth;

impl PluginDef for LdapAuth {
    const NAME: &'static str = "ldap-auth";
    const PRIORITY: i32 = 2540;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if config.uid.is_empty() || !config.uid.bytes().all(plain) {
            return Err(format!("uid must name an attribute, got {:?}", config.uid));
        }
        Ok(Compiled {
            server: Arc::new(server(&config)?),
            base_dn: config.base_dn,
            uid: config.uid,
            hide_credentials: config.hide_credentials,
            gate: Gate::new("Basic", &config.realm, None)?,
            complaint: Complaint::default(),
        })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("user_dn")?.as_str().map(str::to_owned)
    }
}

fn server(config: &Config) -> Result<LdapServer, String> {
    let wrong = || {
        format!(
            "ldap_uri: expected HOST or HOST:PORT, got {:?}",
            config.ldap_uri
        )
    };
    let uri = config.ldap_uri.trim_end_matches('/');
    let (is_tls, place) = match uri.split_once("://") {
        None => (config.use_tls, uri),
        Some(("ldap", place)) => (config.use_tls, place),
        Some(("ldaps", place)) => (true, place),
        Some(_) => return Err(wrong()),
    };
    let default = if uri.starts_with("ldaps://") {
        636
    } else {
        389
    };
    let authority: http::uri::Authority = place.parse().map_err(|_| wrong())?;
    // An address of version 6 has colons of its own, in brackets.
    let names_port = place
        .rsplit(']')
        .next()
        .is_some_and(|rest| rest.contains(':'));
    let port = match authority.port_u16() {
        Some(port) => port,
        None if names_port => return Err(wrong()),
        None => default,
    };
    if authority.host().is_empty() || place.contains('@') {
        return Err(wrong());
    }
    Ok(LdapServer {
        host: authority.host().trim_matches(['[', ']']).to_owned(),
        port,
        tls: is_tls.then_some(config.tls_verify),
        timeout: TIMEOUT,
    })
}

/// `ldap-auth`, ready to run.
pub struct Compiled {
    server: Arc<LdapServer>,
    base_dn: String,
    uid: String,
    hide_credentials: bool,
    gate: Gate,
    complaint: Complaint,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(field) = authorization(context) else {
            return self.gate.refuse("Missing authorization in request");
        };
        let Some((user, password)) = credentials(field) else {
            return self.gate.refuse("Invalid authorization in request");
        };
        // A server takes a name without a password for nobody, and says yes (RFC 4513 section 5.1.2).
        if user.is_empty() || password.is_empty() {
            return self.gate.refuse(REFUSED);
        }
        let dn = format!("{}={},{}", self.uid, escaped(&user), self.base_dn);
        Step::Wait(Box::pin(self.bind(context, dn, password)))
    }
}

impl Compiled {
    async fn bind(&self, context: &mut Context, dn: String, password: String) -> Step<'static> {
        match self.consumer(context, dn, password).await {
            Ok(consumer) => {
                context.attach_consumer(consumer);
                if self.hide_credentials {
                    context.request.headers.remove(AUTHORIZATION);
                }
                Step::Continue
            }
            Err(message) => self.gate.refuse(message),
        }
    }

    async fn consumer(
        &self,
        context: &Context,
        dn: String,
        password: String,
    ) -> Result<Arc<Consumer>, &'static str> {
        let outside = context.host.outside();
        match outside.ldap_bind(&self.server, dn.clone(), password).await {
            Ok(true) => {}
            Ok(false) => return Err(REFUSED),
            Err(problem) => {
                if self.complaint.is_due(&*context.host) {
                    tracing::warn!(%problem, "ldap-auth: passwords cannot be checked");
                }
                return Err(REFUSED);
            }
        }
        if !context.host.has_consumers(LdapAuth::NAME) {
            return Err("Missing related consumer");
        }
        let consumer = context.host.find_consumer(LdapAuth::NAME, &dn);
        consumer.ok_or(REFUSED)
    }
}

/// User and password (RFC 7617 section 2).
fn credentials(field: &str) -> Option<(String, String)> {
    let (scheme, encoded) = field.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    if user.len() > LONGEST || password.len() > LONGEST {
        return None;
    }
    Some((user.to_owned(), password.to_owned()))
}
