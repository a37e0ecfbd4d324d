//! Verification of nodes' certificates, or none (APISIX's default).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use weir_model::Problem;
use weir_net::tls::{self, Signatures, Unverified};

use super::settings::Trust;

/// The verifier for these trust anchors; `None` verifies nothing.
pub(super) fn verifier(
    trust: Option<Trust>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let Some(trust) = trust else {
        return Ok(Arc::new(Unverified::new(Signatures::Ignored)));
    };
    let (roots, given) = match trust {
        Trust::System => (system_roots()?, Vec::new()),
        Trust::These(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in &certificates {
                roots
                    .add(certificate.clone())
                    .map_err(|error| Problem::new("tls", error.to_string()))?;
            }
            (Arc::new(roots), certificates)
        }
    };
    let chains = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| Problem::new("tls", error.to_string()))?;
    Ok(Arc::new(Verified { chains, given }))
}

/// The trust store of the system, which must not be empty.
fn system_roots() -> Result<Arc<RootCertStore>, Problem> {
    let roots = tls::system_roots();
    if roots.is_empty() {
        let message = "expected a trust store on the agent's host, since no CA is named: found no \
                       certificate";
        return Err(Problem::new("tls.verify", message));
    }
    Ok(roots)
}

/// Checks chain, name and time.
#[derive(Debug)]
struct Verified {
    chains: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // A self-signed certificate that is a CA as well, as `openssl req -x509` makes them,
            // and that was given as the one to trust. Its time was looked at before.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.given.iter().any(|given| given == end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
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
