//! The certificates of one runtime, by server name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use weir_model::field::pattern::Pattern;
use weir_model::ssl::{KeyPair, Ssl, SslRole};
use weir_model::{Key, Problem, Revision};

use super::{clients, pem};

/// What is offered to clients. Built with the runtime, looked up in each handshake.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<String, Arc<Offer>>,
    /// By the part after `*.`; a wildcard stands for one label.
    wildcard: HashMap<String, Arc<Offer>>,
    any: Option<Arc<Offer>>,
    offers: HashMap<Key, Arc<Offer>>,
    mutual: bool,
}

/// One ssl object, ready for handshakes.
#[derive(Debug)]
pub struct Offer {
    /// Settings of the handshake.
    pub config: Arc<ServerConfig>,
    /// Whether clients must show a certificate, and for which paths they need not.
    pub mutual: Option<Mutual>,
    modified: Revision,
    names: Vec<String>,
}

/// Client certificates of one ssl object.
#[derive(Debug)]
pub struct Mutual {
    skip: Vec<Pattern>,
}

impl Mutual {
    /// Whether this path needs no client certificate.
    #[must_use]
    pub fn is_skipped(&self, path: &str) -> bool {
        self.skip.iter().any(|pattern| pattern.is_match(path))
    }
}

impl Certificates {
    /// Builds from the ssl objects; those that are off or not for clients are passed over. An
    /// object that did not change since `previous` is reused. What cannot be used is reported, and
    /// keeps its last good form.
    pub fn build<'s>(
        objects: impl IntoIterator<Item = (&'s Key, Revision, &'s Ssl)>,
        previous: Option<&Certificates>,
    ) -> (Self, Vec<(Key, Problem)>) {
        let provider = weir_net::tls::provider();
        let mut built = Self::default();
        let mut problems = Vec::new();
        for (key, modified, ssl) in objects {
            if !ssl.enabled || ssl.role != SslRole::Server {
                continue;
            }
            let known = previous.and_then(|previous| previous.offers.get(key));
            let offer = match known.filter(|known| known.modified == modified) {
                Some(known) => Arc::clone(known),
                None => match Offer::build(ssl, modified, &provider) {
                    Ok(offer) => Arc::new(offer),
                    Err(problem) => {
                        problems.push((key.clone(), problem));
                        match known {
                            Some(known) => Arc::clone(known),
                            None => continue,
                        }
                    }
                },
            };
            built.insert(key, offer);
        }
        (built, problems)
    }

    fn insert(&mut self, key: &Key, offer: Arc<Offer>) {
        self.mutual |= offer.mutual.is_some();
        for name in &offer.names {
            let offer = Arc::clone(&offer);
            if name == "*" {
                self.any = Some(offer);
            } else if let Some(parent) = name.strip_prefix("*.") {
                self.wildcard.insert(parent.to_owned(), offer);
            } else {
                self.exact.insert(name.clone(), offer);
            }
        }
        self.offers.insert(key.clone(), offer);
    }

    /// What to offer for a server name: the exact one before the wildcard of its parent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Offer>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.exact
            .get(&name)
            .or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.wildcard.get(parent)
            })
            .or(self.any.as_ref())
    }

    /// Whether any object checks client certificates.
    #[must_use]
    pub fn has_mutual(&self) -> bool {
        self.mutual
    }

    /// Names that are offered, ordered.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let offers = self.offers.values();
        let mut names: Vec<&str> = offers
            .flat_map(|offer| offer.names.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Offer {
    fn build(
        ssl: &Ssl,
        modified: Revision,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Problem> {
        let mut chains = Vec::with_capacity(ssl.pairs.len());
        for (position, pair) in ssl.pairs.iter().enumerate() {
            chains.push(Arc::new(certified(pair, position, provider)?));
        }
        let versions = versions(&ssl.protocols)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&versions)
            .map_err(|error| Problem::new("ssl_protocols", error.to_string()))?;
        let builder = match &ssl.client {
            None => builder.with_no_client_auth(),
            Some(client) => builder.with_client_cert_verifier(clients::verifier(client, provider)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Chains(chains)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            mutual: ssl.client.as_ref().map(|client| Mutual {
                skip: client.skip_mtls_uri_regex.clone(),
            }),
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
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| Problem::new(key_path, format!("failed to parse key: {error}")))
}

fn versions(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, Problem> {
    if names.is_empty() {
        return Ok(vec![&version::TLS13, &version::TLS12]);
    }
    let mut versions = Vec::new();
    for name in names {
        match name.as_str() {
            "TLSv1.3" => versions.push(&version::TLS13),
            "TLSv1.2" => versions.push(&version::TLS12),
            // TLS 1.1 is not spoken; the others of the list are.
            _ => {}
        }
    }
    if versions.is_empty() {
        return Err(Problem::new(
            "ssl_protocols",
            "expected TLSv1.2 or TLSv1.3: older versions are not spoken",
        ));
    }
    Ok(versions)
}

/// The chains of one object; the client's algorithms choose between them.
#[derive(Debug)]
struct Chains(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fitting = self
            .0
            .iter()
            .find(|chain| chain.key.choose_scheme(schemes).is_some());
        fitting.or_else(|| self.0.first()).cloned()
    }
}
