//! TLS towards servers that are no nodes: with and without verification.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

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
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "the system's trust store cannot be read whole");
        }
        roots.add_parsable_certificates(found.certs);
        Self {
            verified: Arc::new(
                builder(&provider)
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            ),
            unverified: Arc::new(
                builder(&provider)
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Anything(provider)))
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

/// Accepts every certificate, but not every signature.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
