//! The `tls` of an upstream with the ssl objects that it names, read into certificates and keys.

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use weir_model::Problem;
use weir_model::ssl::{Ssl, SslRole};
use weir_model::upstream::UpstreamTls;

use super::FindSsl;
use crate::tls::pem;

/// What the settings come to.
pub(super) struct Settings {
    /// What nodes are shown.
    pub(super) shown: Option<Shown>,
    /// Whom nodes must be vouched for by; `None` means that they are not verified.
    pub(super) trust: Option<Trust>,
}

/// A client certificate.
pub(super) struct Shown {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Field that it came from.
    pub(super) path: &'static str,
}

/// Trust anchors.
pub(super) enum Trust {
    /// Those of the system.
    System,
    /// These, and no others.
    These(Vec<CertificateDer<'static>>),
}

impl Trust {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Trust::System => "system",
            Trust::These(_) => "these",
        }
    }

    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Trust::System => &[],
            Trust::These(certificates) => certificates,
        }
    }
}

impl Settings {
    pub(super) fn read(tls: &UpstreamTls, ssl: FindSsl<'_>) -> Result<Self, Problem> {
        Ok(Self {
            shown: shown(tls, ssl)?,
            trust: if tls.verify {
                Some(trust(tls, ssl)?)
            } else {
                None
            },
        })
    }
}

fn shown(tls: &UpstreamTls, ssl: FindSsl<'_>) -> Result<Option<Shown>, Problem> {
    if let (Some(cert), Some(key)) = (&tls.client_cert, &tls.client_key) {
        return Ok(Some(Shown {
            chain: pem::chain(cert, "tls.client_cert")?,
            key: pem::key(key, "tls.client_key")?,
            path: "tls.client_cert",
        }));
    }
    let Some(id) = &tls.client_cert_id else {
        return Ok(None);
    };
    let path = "tls.client_cert_id";
    let holder = client_object(id, path, ssl)?;
    let pair = |holder: &Ssl| holder.pairs.first().cloned();
    let cert = pair(&holder).map(|pair| pair.cert).unwrap_or_default();
    let (key_path, key_holder) = match &tls.client_key_id {
        None => (path, holder),
        Some(id) => {
            let path = "tls.client_key_id";
            (path, client_object(id, path, ssl)?)
        }
    };
    let key = pair(&key_holder).map(|pair| pair.key).unwrap_or_default();
    Ok(Some(Shown {
        chain: pem::chain(&cert, path)?,
        key: pem::key(&key, key_path)?,
        path,
    }))
}

fn trust(tls: &UpstreamTls, ssl: FindSsl<'_>) -> Result<Trust, Problem> {
    let mut certificates = Vec::new();
    if let Some(id) = &tls.upstream_validation_id {
        let path = "tls.upstream_validation_id";
        let holder = object(id, path, ssl)?;
        match &holder.client {
            // An object that holds a CA apart from its own certificate means that one.
            Some(client) => certificates.extend(pem::chain(&client.ca, path)?),
            None => {
                for pair in &holder.pairs {
                    certificates.extend(pem::chain(&pair.cert, path)?);
                }
            }
        }
    }
    for text in &tls.ca_certs {
        certificates.extend(pem::chain(text, "tls.ca_certs")?);
    }
    Ok(if certificates.is_empty() {
        Trust::System
    } else {
        Trust::These(certificates)
    })
}

fn object(id: &str, path: &str, ssl: FindSsl<'_>) -> Result<Ssl, Problem> {
    let found = ssl(id);
    let found =
        found.ok_or_else(|| Problem::new(path, format!("ssl object {id} does not exist")))?;
    if !found.enabled {
        let message = format!("expected an ssl object that is on, but {id} has status 0");
        return Err(Problem::new(path, message));
    }
    Ok(found)
}

fn client_object(id: &str, path: &str, ssl: FindSsl<'_>) -> Result<Ssl, Problem> {
    let found = object(id, path, ssl)?;
    if found.role != SslRole::Client {
        let message = format!("expected an ssl object of type client, but {id} is of type server");
        return Err(Problem::new(path, message));
    }
    Ok(found)
}
