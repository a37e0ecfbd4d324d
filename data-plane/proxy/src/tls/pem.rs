//! Certificates and keys out of the texts of ssl objects and upstreams.

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use weir_model::Problem;
use weir_model::secret::is_reference;

/// The certificates of `text`, the first one leading.
///
/// # Errors
/// There is none, or one is malformed; `path` names the field.
pub(super) fn chain(text: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    written(text, path)?;
    let refuse = |error: String| Problem::new(path, format!("failed to parse cert: {error}"));
    let chain = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    if chain.is_empty() {
        return Err(refuse("no certificate found in PEM".to_owned()));
    }
    Ok(chain)
}

/// The private key of `text`.
///
/// # Errors
/// There is none, or it is malformed; `path` names the field.
pub(super) fn key(text: &str, path: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    written(text, path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| Problem::new(path, format!("failed to parse key: {error}")))
}

/// Adds `certificates` to `roots`.
///
/// # Errors
/// One of them cannot be trusted at all; `path` names the field that they are from.
pub(super) fn trust(
    certificates: &[CertificateDer<'static>],
    path: &str,
    roots: &mut RootCertStore,
) -> Result<(), Problem> {
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| Problem::new(path, error.to_string()))?;
    }
    Ok(())
}

fn written(text: &str, path: &str) -> Result<(), Problem> {
    if is_reference(text) {
        let message = "the value of this reference is not known";
        return Err(Problem::new(path, message));
    }
    Ok(())
}
