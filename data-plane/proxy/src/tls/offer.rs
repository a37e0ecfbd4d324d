//! One ssl object, ready for handshakes.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use weir_model::ssl::{KeyPair, Ssl, SslRole, is_reference};
use weir_model::{Problem, Revision};

use super::clients::Mutual;
use super::pem;
use super::terms::{Terms, Versions};
use super::tickets::OfferTickets;

/// What is offered under the names of one ssl object.
#[derive(Debug)]
pub struct Offer {
    /// Settings of the handshake.
    pub config: Arc<ServerConfig>,
    /// Whether clients must show a certificate, and for which paths they need not.
    pub mutual: Option<Mutual>,
    pub(super) modified: Revision,
    pub(super) names: Vec<String>,
}

/// Checks an ssl object as an agent will, so that what it cannot use is not stored. Secret
/// references are left to agents. Objects for nodes may hold the certificate of an authority beside
/// any key, so their pairs need not match.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn check(ssl: &Ssl) -> Result<(), Problem> {
    let written = |pair: &&KeyPair| !is_reference(&pair.cert) && !is_reference(&pair.key);
    if ssl.role == SslRole::Server {
        for (position, name) in ssl.snis.iter().enumerate() {
            let bare = name.strip_prefix("*.").unwrap_or(name);
            if name != "*" && (bare.is_empty() || bare.contains('*')) {
                let message = format!("expected a name, * or *.NAME, got {name}");
                return Err(Problem::new(format!("snis[{position}]"), message));
            }
        }
    }
    let provider = weir_net::tls::provider();
    if ssl.role == SslRole::Client || !ssl.pairs.iter().all(|pair| written(&pair)) {
        versions(ssl, &Terms::default())?;
        return match &ssl.client {
            Some(client) => Mutual::build(client, &provider).map(drop),
            None => Ok(()),
        };
    }
    Offer::build(ssl, 0, &provider, &Terms::default()).map(drop)
}

impl Offer {
    /// Makes it ready.
    ///
    /// # Errors
    /// A certificate, key, authority or version that cannot be used, with its place.
    pub(super) fn build(
        ssl: &Ssl,
        modified: Revision,
        provider: &Arc<CryptoProvider>,
        terms: &Terms,
    ) -> Result<Self, Problem> {
        let mut chains = Vec::with_capacity(ssl.pairs.len());
        for (position, pair) in ssl.pairs.iter().enumerate() {
            chains.push(Arc::new(certified(pair, position, provider)?));
        }
        let mutual = ssl.client.as_ref();
        let mutual = mutual
            .map(|client| Mutual::build(client, provider))
            .transpose()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&versions(ssl, terms)?.supported())
            .map_err(|error| Problem::new("ssl_protocols", error.to_string()))?;
        let builder = match &mutual {
            None => builder.with_no_client_auth(),
            Some(mutual) => builder.with_client_cert_verifier(mutual.verifier()),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Chains(chains)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A resumed session is not asked for its certificate again, so there are none where
        // certificates are asked for.
        match &terms.tickets {
            Some(tickets) if mutual.is_none() => {
                let offer = fingerprint(ssl, terms);
                config.ticketer = Arc::new(OfferTickets::new(Arc::clone(tickets), offer));
            }
            _ => config.send_tls13_tickets = 0,
        }
        Ok(Self {
            config: Arc::new(config),
            mutual,
            modified,
            names: ssl.snis.clone(),
        })
    }
}

fn certified(
    pair: &KeyPair,
    position: usize,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Problem> {
    let path = |name: &str| match position {
        0 => name.to_owned(),
        further => format!("{name}s[{}]", further - 1),
    };
    let chain = pem::chain(&pair.cert, &path("cert"))?;
    let key_path = path("key");
    let key = pem::key(&pair.key, &key_path)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let message = format!("expected the key of the certificate in {}", path("cert"));
            Problem::new(key_path, format!("{message}, got another one"))
        }
        error => Problem::new(key_path, format!("failed to parse key: {error}")),
    })
}

/// The same for the same certificates and versions, also in other agents.
fn fingerprint(ssl: &Ssl, terms: &Terms) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut put = |part: &str| {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    };
    for pair in &ssl.pairs {
        put(&pair.cert);
    }
    put("versions");
    if ssl.protocols.is_empty() {
        put(&format!("{:?}", terms.versions));
    }
    for name in &ssl.protocols {
        put(name);
    }
    hasher.finalize().into()
}

fn versions(ssl: &Ssl, terms: &Terms) -> Result<Versions, Problem> {
    if ssl.protocols.is_empty() {
        return Ok(terms.versions);
    }
    Versions::parse(&ssl.protocols)
        .map_err(|(position, message)| Problem::new(format!("ssl_protocols[{position}]"), message))
}

/// The chains of one object; the client's algorithms choose between them, the first one that it can
/// verify is taken.
#[derive(Debug)]
struct Chains(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In TLS 1.2 these are only those of the cipher suites that the client offers.
        let schemes = hello.signature_schemes();
        let fitting = self
            .0
            .iter()
            .find(|chain| chain.key.choose_scheme(schemes).is_some());
        fitting.or_else(|| self.0.first()).cloned()
    }
}
