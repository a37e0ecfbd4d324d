//! What all ssl objects of one process share.

use std::sync::Arc;

use rustls::{SupportedProtocolVersion, version};

use super::tickets::Tickets;

/// Static settings of TLS towards clients.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Versions for objects that name none (`apisix.ssl.ssl_protocols`).
    pub versions: Versions,
    /// Name that a client is served as when it names none, lower-cased and without the root dot
    /// (`apisix.ssl.fallback_sni`). Without it such clients are refused.
    pub fallback_sni: Option<String>,
    /// Keys of session tickets; without them no session is resumed.
    pub tickets: Option<Arc<Tickets>>,
}

/// Versions of TLS that are spoken, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    tls12: bool,
    tls13: bool,
}

impl Default for Versions {
    /// All that are known.
    fn default() -> Self {
        Self {
            tls12: true,
            tls13: true,
        }
    }
}

impl Versions {
    /// Reads names as APISIX and nginx write them.
    ///
    /// # Errors
    /// The position of a name that is not spoken, and what was expected in its place.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, (usize, String)> {
        let mut versions = Self {
            tls12: false,
            tls13: false,
        };
        for (position, name) in names.iter().enumerate() {
            match name.as_ref() {
                "TLSv1.2" => versions.tls12 = true,
                "TLSv1.3" => versions.tls13 = true,
                other => {
                    let message = format!(
                        "expected TLSv1.2 or TLSv1.3, got {other}: older versions are not spoken"
                    );
                    return Err((position, message));
                }
            }
        }
        if versions.tls12 || versions.tls13 {
            Ok(versions)
        } else {
            Err((0, "expected TLSv1.2 or TLSv1.3, got nothing".to_owned()))
        }
    }

    /// In the form of rustls, the newest first.
    pub(super) fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        let newest = self.tls13.then_some(&version::TLS13);
        let older = self.tls12.then_some(&version::TLS12);
        newest.into_iter().chain(older).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_versions_and_old_ones_are_refused_with_their_place() {
        let parsed = |names: &[&str]| Versions::parse(names);
        assert_eq!(parsed(&["TLSv1.3", "TLSv1.2"]), Ok(Versions::default()));
        assert_eq!(parsed(&["TLSv1.2"]).unwrap().supported().len(), 1);
        let (position, message) = parsed(&["TLSv1.2", "TLSv1.1"]).unwrap_err();
        assert_eq!(position, 1);
        assert!(message.contains("got TLSv1.1"), "{message}");
        assert!(parsed(&[]).is_err());
    }
}
