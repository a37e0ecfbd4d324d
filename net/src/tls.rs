//! Whom TLS clients trust.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The cryptography of every TLS client and server here.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// The trust store of the system, read once; empty when the system has none. Certificates in it
/// that cannot be read are left out, and the log says so.
#[must_use]
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a part of the system's trust store cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    });
    Arc::clone(roots)
}

/// Takes any certificate, as the operator wants it with `verify: false`.
#[derive(Debug)]
pub struct Unverified {
    provider: Arc<CryptoProvider>,
    signatures: Signatures,
}

/// What an [`Unverified`] server must still show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// That it has the key of the certificate that it shows.
    Checked,
    /// Nothing, so that servers with certificates of old forms can be spoken to. It proves no less:
    /// whoever sits between could show a certificate of their own.
    Ignored,
}

impl Unverified {
    /// A verifier that looks at signatures as `signatures` says, and at nothing else.
    #[must_use]
    pub fn new(signatures: Signatures) -> Self {
        Self {
            provider: provider(),
            signatures,
        }
    }

    fn check(
        &self,
        check: impl FnOnce(&CryptoProvider) -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.signatures {
            Signatures::Checked => check(&self.provider),
            Signatures::Ignored => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}

impl ServerCertVerifier for Unverified {
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
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(|provider| {
            let algorithms = &provider.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signed, algorithms)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(|provider| {
            let algorithms = &provider.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
