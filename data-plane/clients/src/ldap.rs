//! LDAP: simple binds, on kept connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult};
use weir_net::causes;
use weir_plugin_api::outside::{CallError, LdapServer};

use crate::tls::Configs;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept for one server.
const MAX_IDLE: usize = 16;
/// Servers with idle connections; beyond, those that nobody used lately are forgotten.
const MAX_SERVERS: usize = 256;

/// The server says that user or password are wrong (RFC 4511 appendix A): noSuchObject,
/// invalidDNSyntax, inappropriateAuthentication, invalidCredentials.
const WRONG: [u32; 4] = [32, 34, 48, 49];

/// Connections nobody uses, each with when it was used last.
type Idle = HashMap<LdapServer, Vec<(Ldap, Instant)>>;

/// Connections to all servers.
pub(crate) struct Servers {
    tls: Configs,
    idle: Mutex<Idle>,
}

impl Servers {
    pub(crate) fn new(tls: Configs) -> Self {
        Self {
            tls,
            idle: Mutex::default(),
        }
    }

    /// Whether the server takes this password for this name.
    pub(crate) async fn bind(
        &self,
        server: &LdapServer,
        dn: &str,
        password: &str,
    ) -> Result<bool, CallError> {
        // A connection that the server has closed meanwhile says nothing of the password.
        if let Some(mut ldap) = self.take(server)
            && let Ok(result) = ldap.simple_bind(dn, password).await
        {
            return self.judge(server, ldap, &result);
        }
        let mut ldap = self.connect(server).await?;
        let result = ldap.simple_bind(dn, password).await;
        let result = result.map_err(|error| CallError::Broken {
            address: shown(server),
            cause: causes(&error),
        })?;
        self.judge(server, ldap, &result)
    }

    fn judge(
        &self,
        server: &LdapServer,
        ldap: Ldap,
        result: &LdapResult,
    ) -> Result<bool, CallError> {
        let is_right = match result.rc {
            0 => true,
            code if WRONG.contains(&code) => false,
            code => {
                return Err(CallError::Refused {
                    address: shown(server),
                    answer: format!("result code {code}"),
                });
            }
        };
        self.give(server, ldap);
        Ok(is_right)
    }

    async fn connect(&self, server: &LdapServer) -> Result<Ldap, CallError> {
        let scheme = if server.tls.is_some() {
            "ldaps"
        } else {
            "ldap"
        };
        let mut settings = LdapConnSettings::new().set_conn_timeout(server.timeout);
        if let Some(verify) = server.tls {
            settings = settings.set_config(Arc::clone(self.tls.get(verify)));
        }
        let url = format!("{scheme}://{}", shown(server));
        let connected = LdapConnAsync::with_settings(settings, &url).await;
        let (connection, ldap) = connected.map_err(|error| match error {
            LdapError::UrlParsing { .. } | LdapError::UnknownScheme(_) => CallError::Address {
                address: shown(server),
                problem: causes(&error),
            },
            error => CallError::Connect {
                address: shown(server),
                cause: causes(&error),
            },
        })?;
        // It ends with the last handle.
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to an LDAP server ended");
            }
        });
        Ok(ldap)
    }

    fn take(&self, server: &LdapServer) -> Option<Ldap> {
        let mut idle = self.idle();
        let kept = idle.get_mut(server)?;
        while let Some((mut ldap, used)) = kept.pop() {
            if used.elapsed() < IDLE && !ldap.is_closed() {
                return Some(ldap);
            }
        }
        None
    }

    fn give(&self, server: &LdapServer, ldap: Ldap) {
        let mut idle = self.idle();
        if idle.len() >= MAX_SERVERS {
            idle.retain(|_, kept| kept.last().is_some_and(|(_, used)| used.elapsed() < IDLE));
        }
        if idle.len() >= MAX_SERVERS && !idle.contains_key(server) {
            return;
        }
        let kept = idle.entry(server.clone()).or_default();
        kept.retain(|(_, used)| used.elapsed() < IDLE);
        if kept.len() < MAX_IDLE {
            kept.push((ldap, Instant::now()));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address as shown in errors.
pub(crate) fn shown(server: &LdapServer) -> String {
    crate::address(&server.host, server.port)
}
