//! Upstreams of a snapshot, compiled once and shared by the routes that lead to them.

use std::sync::Arc;

use serde_json::Value;
use weir_model::upstream::Upstream;
use weir_model::{Key, Problem};

use weir_plugin_api::upstreams::{UpstreamRef, Upstreams};

use super::CompileEnv;
use crate::upstream::runtime::UpstreamRuntime;

/// Reads and compiles an upstream object.
pub(super) fn object(
    key: &Key,
    spec: &Value,
    env: &CompileEnv,
) -> Result<UpstreamRuntime, Problem> {
    UpstreamRuntime::compile(key, Upstream::parse(spec)?, &env.living)
}

/// Compiles an upstream that `owner` carries or overlays.
pub(super) fn inline(
    owner: &Key,
    upstream: Upstream,
    env: &CompileEnv,
) -> Result<Arc<UpstreamRuntime>, Problem> {
    UpstreamRuntime::compile(owner, upstream, &env.living).map(Arc::new)
}

/// Compiles upstreams inside the plugin configurations of one resource.
pub(crate) struct InlineUpstreams<'a> {
    /// The resource that carries the plugin.
    pub(crate) owner: &'a Key,
    /// Surroundings of the compilation.
    pub(crate) env: &'a CompileEnv,
}

impl Upstreams for InlineUpstreams<'_> {
    fn inline(&self, spec: &Value) -> Result<UpstreamRef, String> {
        let upstream = Upstream::parse(spec)
            .and_then(|upstream| inline(self.owner, upstream, self.env))
            .map_err(|problem| problem.to_string())?;
        Ok(UpstreamRef::new(upstream))
    }
}
