//! TLS towards registries.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use weir_model::registry::RegistryTls;
use weir_net::tls::{self, Signatures, Unverified};

use crate::Error;
use crate::credentials::{self, Environment};

/// The settings of a document, ready to connect with.
pub(super) fn config(settings: &RegistryTls, env: Environment<'_>) -> Result<ClientConfig, Error> {
    let provider = tls::provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config(format!("tls: {error}")))?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.verify {
        let roots = roots(settings.ca.as_deref())?;
        WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| Error::config(format!("tls.ca: {error}")))?
    } else {
        Arc::new(Unverified::new(Signatures::Checked))
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let (Some(cert), Some(key)) = (&settings.client_cert, &settings.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let wrong = |what: &str| Error::config(format!("tls.{what}: expected PEM"));
    let chain = certificates(cert).ok_or_else(|| wrong("client_cert"))?;
    let key = credentials::resolve("tls.client_key", key, env)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| wrong("client_key"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| Error::config(format!("tls.client_cert: {error}")))
}

/// The given CAs, else those of the system.
fn roots(ca: Option<&str>) -> Result<Arc<RootCertStore>, Error> {
    let Some(pem) = ca else {
        let roots = tls::system_roots();
        if roots.is_empty() {
            let message = "tls: this system has no trusted CAs; set tls.ca";
            return Err(Error::config(message));
        }
        return Ok(roots);
    };
    let wrong = || Error::config("tls.ca: expected certificates as PEM");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).ok_or_else(wrong)? {
        roots.add(certificate).map_err(|_| wrong())?;
    }
    Ok(Arc::new(roots))
}

/// All certificates of a PEM text, at least one.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    let found = found.collect::<Result<Vec<_>, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}
