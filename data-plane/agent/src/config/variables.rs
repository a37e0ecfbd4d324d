//! What variables may look at: how much of a body, and which file of places.

use std::path::PathBuf;

use weir_plugin_api::BodyLimits;

use super::document::Section;

/// Sections `variables` and `graphql`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// `variables.body_bytes` and `graphql.max_size` (APISIX's name).
    pub bodies: BodyLimits,
    /// `variables.body_memory`: bytes of bodies held for variables, over all requests.
    pub body_memory: usize,
    /// `variables.geoip_file`: a MaxMind-format file for `geoip_country`, `geoip_continent`.
    pub geoip_file: Option<PathBuf>,
}

impl Default for Variables {
    fn default() -> Self {
        Self {
            bodies: BodyLimits::default(),
            body_memory: 256 << 20,
            geoip_file: None,
        }
    }
}

const BYTES: &str = "a number of bytes";

pub(super) fn read(root: &mut Section<'_>) -> Variables {
    let mut variables = Variables::default();
    let mut section = root.section("variables");
    if let Some(bytes) = section.parsed("body_bytes", BYTES) {
        variables.bodies.body = bytes;
    }
    if let Some(bytes) = section.parsed("body_memory", BYTES) {
        variables.body_memory = bytes;
    }
    variables.geoip_file = section.text("geoip_file").map(PathBuf::from);
    section.finish();
    let mut graphql = root.section("graphql");
    if let Some(bytes) = graphql.parsed("max_size", BYTES) {
        variables.bodies.graphql = bytes;
    }
    graphql.finish();
    variables
}
