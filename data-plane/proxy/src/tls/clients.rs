//! Verification of clients' certificates (`client` of an ssl object).

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use weir_model::Problem;
use weir_model::ssl::ClientAuth;

use super::pem;

/// The verifier that an ssl object asks for.
///
/// # Errors
/// Its CA cannot be used.
pub(super) fn verifier(
    client: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let mut roots = RootCertStore::empty();
    pem::trust(&client.ca, "client.ca", &mut roots)?;
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
    let depth = usize::try_from(client.depth).unwrap_or(usize::MAX);
    Ok(Arc::new(Bounded { chains, depth }))
}

/// Lets so many certificates stand between the client's and the trusted ones, as OpenSSL counts the
/// depth: those behind are not looked at, and a chain that needs them has no end.
#[derive(Debug)]
struct Bounded {
    chains: Arc<dyn ClientCertVerifier>,
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
        self.chains.verify_client_cert(end_entity, near, now)
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
