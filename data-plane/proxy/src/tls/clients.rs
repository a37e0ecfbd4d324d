//! Verification of clients' certificates (`client` of an ssl object).

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use weir_model::Problem;
use weir_model::field::pattern::Pattern;
use weir_model::ssl::ClientAuth;

use super::pem;

/// Client certificates of one ssl object.
#[derive(Debug)]
pub struct Mutual {
    skip: Vec<Pattern>,
    verifier: Arc<Bounded>,
    /// The same for equal authorities and depth.
    fingerprint: [u8; 32],
}

impl Mutual {
    /// The check that an ssl object asks for.
    ///
    /// # Errors
    /// Its CA cannot be used.
    pub(super) fn build(
        client: &ClientAuth,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Problem> {
        let given = pem::chain(&client.ca, "client.ca")?;
        let mut roots = RootCertStore::empty();
        pem::trust(&given, "client.ca", &mut roots)?;
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if client.skip_mtls_uri_regex.is_empty() {
            builder
        } else {
            // The check moves to the requests, whose path is known.
            builder.allow_unauthenticated()
        };
        let chains = builder
            .build()
            .map_err(|error| Problem::new("client.ca", error.to_string()))?;
        let mut hasher = Sha256::new();
        hasher.update(client.depth.to_be_bytes());
        hasher.update(&client.ca);
        let depth = usize::try_from(client.depth).unwrap_or(usize::MAX);
        Ok(Self {
            skip: client.skip_mtls_uri_regex.clone(),
            verifier: Arc::new(Bounded {
                chains,
                given,
                depth,
            }),
            fingerprint: hasher.finalize().into(),
        })
    }

    /// What handshakes are checked by.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier) as Arc<dyn ClientCertVerifier>
    }

    /// Whether this path needs no client certificate.
    #[must_use]
    pub fn is_skipped(&self, path: &str) -> bool {
        self.skip.iter().any(|pattern| pattern.is_match(path))
    }

    /// Whether what one of the two lets in, the other does.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Tells this check from others.
    pub(super) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether a chain that was shown is let in now.
    pub(super) fn lets_in(&self, shown: &[CertificateDer<'_>], now: UnixTime) -> bool {
        shown.split_first().is_some_and(|(end_entity, rest)| {
            self.verifier
                .verify_client_cert(end_entity, rest, now)
                .is_ok()
        })
    }
}

/// Lets so many certificates stand between the client's and the trusted ones, as OpenSSL counts the
/// depth: those behind are not looked at, and a chain that needs them has no end.
#[derive(Debug)]
struct Bounded {
    chains: Arc<dyn ClientCertVerifier>,
    given: Vec<CertificateDer<'static>>,
    depth: usize,
}

impl ClientCertVerifier for Bounded {
    fn offer_client_auth(&self) -> bool {
        self.chains.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let near = intermediates.get(..self.depth).unwrap_or(intermediates);
        match self.chains.verify_client_cert(end_entity, near, now) {
            // A self-signed certificate that is a CA as well, as `openssl req -x509` makes them,
            // and that was given as the one to trust. Its time was looked at before.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.given.iter().any(|given| given == end_entity) =>
            {
                Ok(ClientCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
