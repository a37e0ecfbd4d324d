//! `apisix.ssl`: what holds for all certificates towards clients.

use serde_json::Value;
use weir_proxy::tls::Versions;

use super::document::Section;

/// Static options of TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// `ssl_protocols`: versions for ssl objects that name none.
    pub versions: Versions,
    /// `fallback_sni`: name that clients are served as when they name none; they are refused
    /// without it. Lower-cased, without the root dot.
    pub fallback_sni: Option<String>,
    /// `ssl_session_tickets`: clients that come back resume their sessions. APISIX's default is
    /// `false`, because nginx never renews its keys; here they are renewed.
    pub tickets: bool,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            versions: Versions::default(),
            fallback_sni: None,
            tickets: true,
        }
    }
}

/// Reads the section `apisix.ssl`.
pub(super) fn read(section: &mut Section<'_>) -> ClientTls {
    let mut tls = ClientTls::default();
    if let Some(texts) = section.texts("ssl_protocols") {
        // nginx separates them by spaces.
        let names: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.split_whitespace())
            .collect();
        match Versions::parse(&names) {
            Ok(versions) => tls.versions = versions,
            Err(_) => {
                let got = Value::String(names.join(" "));
                section.refuse("ssl_protocols", "TLSv1.2, TLSv1.3 or both", &got);
            }
        }
    }
    tls.fallback_sni = section
        .text("fallback_sni")
        .map(|name| name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase());
    if let Some(tickets) = section.switch("ssl_session_tickets") {
        tls.tickets = tickets;
    }
    tls
}
