//! Certificates: offered to clients, or shown to nodes.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::labels::Labels;
use crate::field::pattern::Pattern;
use crate::resource::Kind;
use crate::validate::Problem;

/// An ssl object in normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Ssl {
    /// Labels.
    pub labels: Labels,
    /// Who sees the certificates.
    pub role: SslRole,
    /// Whether it is used (`status: 1`).
    pub enabled: bool,
    /// Names, from `sni` or `snis`, in lower case without a trailing dot; `*.` stands for one label.
    pub snis: Vec<String>,
    /// Certificate chains with their keys: `cert`/`key` first, then `certs`/`keys`. Never empty.
    pub pairs: Vec<KeyPair>,
    /// Check of client certificates.
    pub client: Option<ClientAuth>,
    /// TLS versions, as written (`TLSv1.2`); empty means those of the process.
    pub protocols: Vec<String>,
    /// Responses of OCSP responders that go with the certificates; `None` is without.
    pub stapling: Option<Stapling>,
}

/// How OCSP responses are stapled: the fields of APISIX's plugin `ocsp-stapling`, and ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stapling {
    /// Whether responses are stapled without being looked at.
    pub skip_verify: bool,
    /// Longest time between two questions to the responder.
    pub cache_ttl: Duration,
    /// URL of the responder, in place of the one that the certificate names.
    pub responder: Option<String>,
    /// Responses, base64 of DER, in the order of the certificates; there may be fewer.
    pub responses: Vec<String>,
}

/// A certificate chain with its key. Both may be `$secret://` or `$env://` references.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// PEM chain.
    pub cert: String,
    /// PEM key.
    pub key: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// Who sees a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SslRole {
    /// Offered to clients.
    Server,
    /// Shown to nodes.
    Client,
}

/// How client certificates are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientAuth {
    /// PEM of the trusted CAs.
    pub ca: String,
    /// Longest chain.
    pub depth: u32,
    /// Paths that need no certificate.
    pub skip_mtls_uri_regex: Vec<Pattern>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    labels: Labels,
    #[serde(rename = "type")]
    role: SslRole,
    status: i64,
    sni: Option<String>,
    #[serde(default)]
    snis: Vec<String>,
    cert: String,
    key: String,
    #[serde(default)]
    certs: Vec<String>,
    #[serde(default)]
    keys: Vec<String>,
    client: Option<RawClient>,
    #[serde(default)]
    ssl_protocols: Vec<String>,
    ocsp_stapling: Option<RawStapling>,
}

#[derive(Deserialize)]
struct RawStapling {
    enabled: bool,
    skip_verify: bool,
    cache_ttl: u64,
    responder: Option<String>,
    #[serde(default)]
    responses: Vec<String>,
}

#[derive(Deserialize)]
struct RawClient {
    ca: String,
    depth: u32,
    #[serde(default)]
    skip_mtls_uri_regex: Vec<String>,
}

impl Ssl {
    /// Reads a document: schema checked, defaults filled. The PEM texts are not decoded here.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let raw: Raw = document::read(Kind::Ssl, spec)?;
        if raw.certs.len() != raw.keys.len() {
            return Err(Problem::new("", "mismatched number of certs and keys"));
        }
        let first = KeyPair {
            cert: raw.cert,
            key: raw.key,
        };
        let further = raw.certs.into_iter().zip(raw.keys);
        let further = further.map(|(cert, key)| KeyPair { cert, key });
        Ok(Self {
            labels: raw.labels,
            role: raw.role,
            enabled: raw.status == 1,
            snis: raw
                .sni
                .into_iter()
                .chain(raw.snis)
                .map(normal_name)
                .collect(),
            pairs: std::iter::once(first).chain(further).collect(),
            client: raw.client.map(client_auth).transpose()?,
            protocols: raw.ssl_protocols,
            stapling: raw
                .ocsp_stapling
                .filter(|raw| raw.enabled)
                .map(|raw| Stapling {
                    skip_verify: raw.skip_verify,
                    cache_ttl: Duration::from_secs(raw.cache_ttl),
                    responder: raw.responder,
                    responses: raw.responses,
                }),
        })
    }
}

fn normal_name(name: String) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

fn client_auth(raw: RawClient) -> Result<ClientAuth, Problem> {
    let patterns = raw.skip_mtls_uri_regex.iter().map(|source| {
        Pattern::parse(source).map_err(|error| Problem::new("client.skip_mtls_uri_regex", error))
    });
    Ok(ClientAuth {
        ca: raw.ca,
        depth: raw.depth,
        skip_mtls_uri_regex: patterns.collect::<Result<_, _>>()?,
    })
}

/// Checks that a text holds at least one certificate in PEM.
///
/// # Errors
/// `failed to parse cert: ...`, as APISIX words it.
pub fn check_cert(pem: &str) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate.map_err(|error| format!("failed to parse cert: {error}"))?;
        count += 1;
    }
    if count == 0 {
        return Err("failed to parse cert: no certificate found in PEM".to_owned());
    }
    Ok(())
}

/// Checks that a text holds a private key in PEM.
///
/// # Errors
/// `failed to parse key: ...`, as APISIX words it.
pub fn check_key(pem: &str) -> Result<(), String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map(drop)
        .map_err(|error| format!("failed to parse key: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_pairs_become_lists() {
        let long = |c: &str| c.repeat(128);
        let ssl = Ssl::parse(&json!({
            "snis": ["A.com.", "*.b.com"], "cert": long("a"), "key": long("b"),
            "certs": [long("c")], "keys": [long("d")], "client": {"ca": long("e")}
        }))
        .unwrap();
        assert_eq!(ssl.snis, ["a.com", "*.b.com"]);
        assert_eq!(ssl.role, SslRole::Server);
        assert!(ssl.enabled);
        assert_eq!(ssl.pairs.len(), 2);
        assert_eq!(ssl.pairs[1].key, long("d"));
        assert_eq!(ssl.client.unwrap().depth, 1);
    }

    #[test]
    fn keys_are_not_printed() {
        let pair = KeyPair {
            cert: "public".to_owned(),
            key: "private".to_owned(),
        };
        assert!(!format!("{pair:?}").contains("private"));
    }
}
