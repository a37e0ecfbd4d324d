//! The section `proxy` of the agent's file: what APISIX has no option for.

use super::document::Section;

/// How the proxy of this agent behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// `proxy.reason_header`: failures tell their reason in the field `X-Weir-Reason`.
    pub reason_header: bool,
}

/// Reads the section.
pub(crate) fn read(root: &mut Section<'_>) -> Proxy {
    let mut section = root.section("proxy");
    let proxy = Proxy {
        reason_header: section.switch("reason_header").unwrap_or_default(),
    };
    section.finish();
    proxy
}
