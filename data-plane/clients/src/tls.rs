//! TLS towards servers that are no nodes: with and without verification.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use weir_net::tls::{self, Signatures, Unverified};

/// The two ways to speak TLS.
#[derive(Clone)]
pub(crate) struct Configs {
    /// The system's trust store decides.
    pub(crate) verified: Arc<ClientConfig>,
    /// Any certificate will do (`ssl_verify: false`).
    pub(crate) unverified: Arc<ClientConfig>,
}

impl Configs {
    pub(crate) fn new() -> Self {
        let provider = tls::provider();
        Self {
            verified: Arc::new(
                builder(&provider)
                    .with_root_certificates(tls::system_roots())
                    .with_no_client_auth(),
            ),
            unverified: Arc::new(
                builder(&provider)
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Unverified::new(
                        Signatures::Checked,
                    )))
                    .with_no_client_auth(),
            ),
        }
    }

    pub(crate) fn get(&self, verify: bool) -> &Arc<ClientConfig> {
        if verify {
            &self.verified
        } else {
            &self.unverified
        }
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    #[expect(
        clippy::expect_used,
        reason = "the versions are those that the provider was made with"
    )]
    builder
        .with_safe_default_protocol_versions()
        .expect("the provider speaks the default versions")
}
