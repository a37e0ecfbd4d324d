//! LDAP servers, as far as they say whether a password is right.

use std::time::Duration;

/// A server. Connections are shared by all that are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LdapServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first byte, and whether the certificate is verified.
    pub tls: Option<bool>,
    /// To connect, and for each call.
    pub timeout: Duration,
}
