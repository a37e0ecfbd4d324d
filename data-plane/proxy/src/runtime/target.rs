//! Upstreams of a snapshot, compiled once and shared by the routes that lead to them.

use std::sync::Arc;

use serde_json::Value;
use weir_model::field::id;
use weir_model::ssl::Ssl;
use weir_model::upstream::Upstream;
use weir_model::{Key, Kind, Problem, Resource, Revision};

use weir_plugin_api::upstreams::{UpstreamRef, Upstreams};

use super::CompileEnv;
use super::parts::Cache;
use crate::upstream::runtime::UpstreamRuntime;

/// Reads and compiles an upstream object.
pub(super) fn object(
    key: &Key,
    spec: &Value,
    ssls: &Cache<Ssl>,
    env: &CompileEnv,
) -> Result<UpstreamRuntime, Problem> {
    compile(key, Upstream::parse(spec)?, ssls, env)
}

/// Compiles an upstream that `owner` carries or overlays.
pub(super) fn inline(
    owner: &Key,
    upstream: Upstream,
    ssls: &Cache<Ssl>,
    env: &CompileEnv,
) -> Result<Arc<UpstreamRuntime>, Problem> {
    compile(owner, upstream, ssls, env).map(Arc::new)
}

fn compile(
    key: &Key,
    upstream: Upstream,
    ssls: &Cache<Ssl>,
    env: &CompileEnv,
) -> Result<UpstreamRuntime, Problem> {
    let ssl = |id: &str| {
        let (_, ssl) = ssls.get(&Key::new(Kind::Ssl, id))?;
        Some(Arc::clone(ssl))
    };
    UpstreamRuntime::compile(key, upstream, &ssl, &env.living)
}

/// The revision of what a resource is compiled from: its own, or that of a newer ssl object that
/// its upstream names.
pub(super) fn revision(resource: &Resource, ssls: &Cache<Ssl>) -> Revision {
    let spec = &resource.spec;
    let holder = match resource.key.kind {
        Kind::Upstream => Some(&**spec),
        _ => spec.get("upstream"),
    };
    let Some(tls) = holder.and_then(|upstream| upstream.get("tls")) else {
        return resource.modified;
    };
    ["client_cert_id", "client_key_id", "upstream_validation_id"]
        .into_iter()
        .filter_map(|field| tls.get(field).and_then(id::text))
        .filter_map(|id| ssls.get(&Key::new(Kind::Ssl, id)))
        .map(|(revision, _)| *revision)
        .fold(resource.modified, Revision::max)
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
