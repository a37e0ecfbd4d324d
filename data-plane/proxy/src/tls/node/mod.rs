//! TLS towards nodes: what they are shown, and how they are verified. Compiled once per change;
//! equal settings share one configuration, and with it the sessions that can be resumed.

mod failure;
mod settings;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use sha2::{Digest, Sha256};
use weir_model::Problem;
use weir_model::ssl::Ssl;
use weir_model::upstream::UpstreamTls;
use weir_plugin_api::Living;

pub use failure::reason;
use settings::Settings;

/// What makes two TLS settings the same.
pub type Fingerprint = [u8; 32];

/// Finds an ssl object by id.
pub type FindSsl<'a> = &'a dyn Fn(&str) -> Option<Ssl>;

/// How connections to the nodes of an upstream are encrypted.
pub struct NodeTls {
    /// Settings of the handshake.
    pub config: Arc<ClientConfig>,
    /// The same for equal settings, other for others.
    pub fingerprint: Fingerprint,
    /// Whether nodes are verified. A node that is not may also end a connection without saying so
    /// in TLS: there is nothing to be protected from, and many do.
    pub verified: bool,
}

impl NodeTls {
    /// Compiles the `tls` of an upstream; `alpn` is what is offered to the nodes.
    ///
    /// # Errors
    /// A certificate, key or ssl object that cannot be used, with its path inside the upstream.
    pub fn compile(
        tls: Option<&UpstreamTls>,
        alpn: &[&[u8]],
        ssl: FindSsl<'_>,
        living: &Living,
    ) -> Result<Arc<Self>, Problem> {
        let default = UpstreamTls::default();
        let settings = Settings::read(tls.unwrap_or(&default), ssl)?;
        let fingerprint = fingerprint(&settings, alpn);
        let hex: String = fingerprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("node-tls\u{0}{hex}");
        if let Some(known) = living.get::<Self>(&name) {
            return Ok(known);
        }
        let built = Self::build(settings, alpn, fingerprint)?;
        Ok(living.get_or_init(&name, || built))
    }

    fn build(
        settings: Settings,
        alpn: &[&[u8]],
        fingerprint: Fingerprint,
    ) -> Result<Self, Problem> {
        let provider = weir_net::tls::provider();
        let verified = settings.trust.is_some();
        let verifier = verify::verifier(settings.trust, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::new("tls", error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match settings.shown {
            None => builder.with_no_client_auth(),
            Some(shown) => builder
                .with_client_auth_cert(shown.chain, shown.key)
                .map_err(|error| {
                    Problem::new(
                        shown.path,
                        format!("failed to handle cert-key pair: {error}"),
                    )
                })?,
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            config: Arc::new(config),
            fingerprint,
            verified,
        })
    }
}

impl std::fmt::Debug for NodeTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeTls")
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

/// The name that a node is asked for and verified as: the Host that it is sent, without port; the
/// node's own address where that is no name.
#[must_use]
pub fn server_name(host: &str, node: &str) -> Option<ServerName<'static>> {
    let bare = |text: &str| -> Option<ServerName<'static>> {
        let name = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or(rest, |(inside, _)| inside),
            None => text.rsplit_once(':').map_or(text, |(name, _)| name),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        ServerName::try_from(name).ok()
    };
    bare(host).or_else(|| ServerName::try_from(node.to_owned()).ok())
}

fn fingerprint(settings: &Settings, alpn: &[&[u8]]) -> Fingerprint {
    let mut hasher = Sha256::new();
    let mut put = |part: &[u8]| {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    };
    for name in alpn {
        put(name);
    }
    put(b"shown");
    if let Some(shown) = &settings.shown {
        for certificate in &shown.chain {
            put(certificate);
        }
        put(shown.key.secret_der());
    }
    put(b"trust");
    if let Some(trust) = &settings.trust {
        put(trust.name().as_bytes());
        for certificate in trust.certificates() {
            put(certificate);
        }
    }
    hasher.finalize().into()
}
