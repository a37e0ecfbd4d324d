//! What a failure of TLS means.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::error::Reason;

/// The reason, when the error is one of TLS.
#[must_use]
pub fn reason(error: &io::Error) -> Option<Reason> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(cause) => certificate(cause),
        Error::AlertReceived(alert) => alerted(*alert),
        _ => Reason::TlsHandshake,
    })
}

fn certificate(cause: &CertificateError) -> Reason {
    match cause {
        // The second: a CA of the same name is trusted, but it is another one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::TlsUnknownCa,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Reason::TlsExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Reason::TlsNameMismatch
        }
        _ => Reason::TlsBadCertificate,
    }
}

/// What a node complains of. What it says of certificates is about ours.
fn alerted(alert: AlertDescription) -> Reason {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        // Its signature does not fit a CA of the name.
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => Reason::TlsClientCertificate,
        _ => Reason::TlsHandshake,
    }
}
