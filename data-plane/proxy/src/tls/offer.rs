//! One ssl object, ready for handshakes.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use weir_model::secret::is_reference;
use weir_model::ssl::{KeyPair, Ssl, SslRole, Stapling};
use weir_model::{Problem, Revision};

use super::chains::{Chain, Chains};
use super::clients::Mutual;
use super::ocsp::{self, Subject};
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
    chains: Arc<Chains>,
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
            let certified = certified(pair, position, provider)?;
            chains.push(match &ssl.stapling {
                None => Chain::new(certified, None),
                Some(stapling) => stapled(certified, position, stapling)?,
            });
        }
        let chains = Arc::new(Chains(chains));
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
        let mut config =
            builder.with_cert_resolver(Arc::clone(&chains) as Arc<dyn ResolvesServerCert>);
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
            chains,
        })
    }

    /// The chains.
    pub(super) fn chains(&self) -> &[Chain] {
        &self.chains.0
    }

    /// Takes over what responders said of the same certificates.
    pub(super) fn inherit(&self, before: &Offer) {
        for chain in self.chains() {
            for old in before.chains() {
                chain.inherit(old);
            }
        }
    }
}

/// A chain with what its responder said, as far as the object tells it.
fn stapled(
    certified: CertifiedKey,
    position: usize,
    stapling: &Stapling,
) -> Result<Chain, Problem> {
    let refuse =
        |field: &str, message: String| Problem::new(format!("ocsp_stapling{field}"), message);
    let subject = Subject::new(&certified.cert, stapling);
    let subject = subject.map_err(|message| refuse("", message))?;
    let Some(text) = stapling.responses.get(position) else {
        if !subject.has_responder() {
            let message = "expected a certificate that names an OCSP responder, or responder, or \
                           responses: got none of them";
            return Err(refuse("", message.to_owned()));
        }
        return Ok(Chain::new(certified, Some(subject)));
    };
    let field = format!(".responses[{position}]");
    let response = STANDARD.decode(text.trim());
    let response =
        response.map_err(|error| refuse(&field, format!("expected DER in base64: {error}")))?;
    let status = match subject.read(response, ocsp::now()) {
        Ok(status) => Some(status),
        // It was good once, and the certificate still is.
        Err(ocsp::Refused::Late) => None,
        Err(refused) => return Err(refuse(&field, refused.to_string())),
    };
    let chain = Chain::new(certified, Some(subject));
    chain.staple(status);
    Ok(chain)
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
