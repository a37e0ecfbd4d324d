//! Why handshakes with clients fail: one table for metrics and log.

use std::io;

use rustls::{AlertDescription, Error, PeerIncompatible};

/// Kinds of failed handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It took longer than it may.
    Timeout,
    /// The client named no host, and there is no fallback.
    NoServerName,
    /// The client named a host that has no certificate.
    UnknownServerName,
    /// No version of TLS in common.
    Version,
    /// No cipher suite, group or signature scheme in common.
    Cipher,
    /// No application protocol in common.
    Protocol,
    /// A client certificate was wanted and none was shown.
    ClientCertificateMissing,
    /// The client certificate was not accepted.
    ClientCertificateRefused,
    /// The client refused, most often our certificate.
    ClientAlert,
    /// The client went away, or broke the connection.
    Closed,
    /// What came is not TLS, or breaks its rules.
    Malformed,
    /// More handshakes wait than may.
    Overloaded,
    /// The worker ends.
    Draining,
    /// Something else.
    Other,
}

impl FailureKind {
    /// Every kind, in the order of the metrics.
    pub const ALL: [Self; 14] = [
        Self::Timeout,
        Self::NoServerName,
        Self::UnknownServerName,
        Self::Version,
        Self::Cipher,
        Self::Protocol,
        Self::ClientCertificateMissing,
        Self::ClientCertificateRefused,
        Self::ClientAlert,
        Self::Closed,
        Self::Malformed,
        Self::Overloaded,
        Self::Draining,
        Self::Other,
    ];

    /// Name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoServerName => "no_server_name",
            Self::UnknownServerName => "unknown_server_name",
            Self::Version => "version",
            Self::Cipher => "cipher",
            Self::Protocol => "protocol",
            Self::ClientCertificateMissing => "client_certificate_missing",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::ClientAlert => "client_alert",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Other => "other",
        }
    }

    /// Position in [`FailureKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A handshake that failed.
#[derive(Debug)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The name that the client asked for; empty when it did not get that far.
    pub server_name: String,
    /// What happened, for the operator.
    pub detail: String,
}

impl Failure {
    /// A failure before or without a server name.
    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            server_name: String::new(),
            detail: detail.into(),
        }
    }

    /// What an error of the handshake with `server_name` is.
    pub(super) fn of(error: &io::Error, server_name: &str) -> Self {
        let inner = error.get_ref();
        let tls = inner.and_then(|inner| inner.downcast_ref::<Error>());
        let (kind, detail) = match tls {
            Some(error) => (kind(error), error.to_string()),
            None => (FailureKind::Closed, error.to_string()),
        };
        Self {
            kind,
            server_name: server_name.to_owned(),
            detail,
        }
    }
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::NoCertificatesPresented => FailureKind::ClientCertificateMissing,
        // A signature by another key than that of the certificate is one of these, too.
        Error::InvalidCertificate(_) => FailureKind::ClientCertificateRefused,
        Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => {
            FailureKind::Closed
        }
        Error::AlertReceived(_) => FailureKind::ClientAlert,
        Error::NoApplicationProtocol => FailureKind::Protocol,
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => FailureKind::Malformed,
        _ => FailureKind::Other,
    }
}

fn incompatible(why: &PeerIncompatible) -> FailureKind {
    match why {
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic
        // Only versions before 1.2 do without.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => FailureKind::Version,
        _ => FailureKind::Cipher,
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    fn of(error: Error) -> &'static str {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        Failure::of(&error, "a.test").kind.as_str()
    }

    #[test]
    fn errors_have_their_kind() {
        for (error, kind) in [
            (Error::NoCertificatesPresented, "client_certificate_missing"),
            (
                CertificateError::Expired.into(),
                "client_certificate_refused",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "client_alert",
            ),
            (PeerIncompatible::Tls12NotOfferedOrEnabled.into(), "version"),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), "cipher"),
            (Error::NoApplicationProtocol, "protocol"),
            (Error::DecryptError, "malformed"),
        ] {
            assert_eq!(of(error), kind);
        }
        let gone = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(Failure::of(&gone, "").kind, FailureKind::Closed);
    }

    #[test]
    fn the_order_of_the_table_is_that_of_the_kinds() {
        for (position, kind) in FailureKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), position);
        }
    }
}
