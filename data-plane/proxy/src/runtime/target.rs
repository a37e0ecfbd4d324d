//! Upstreams of a snapshot, compiled once and shared by the routes that lead to them.

use std::sync::Arc;

use serde_json::Value;
use weir_model::references::references;
use weir_model::ssl::Ssl;
use weir_model::upstream::Upstream;
use weir_model::{Key, Kind, Problem, Resource, ResourceSet, Revision};
use weir_plugin_api::upstreams::{UpstreamRef, Upstreams};

use super::CompileEnv;
use crate::upstream::runtime::UpstreamRuntime;

/// What an upstream is compiled among.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The snapshot, which has the ssl objects that upstreams name.
    pub(crate) set: &'a ResourceSet,
    /// Surroundings of the compilation.
    pub(crate) env: &'a CompileEnv,
}

impl Site<'_> {
    /// Reads and compiles an upstream object.
    pub(super) fn object(self, key: &Key, spec: &Value) -> Result<UpstreamRuntime, Problem> {
        self.compile(key, Upstream::parse(spec)?)
    }

    /// Compiles an upstream that `owner` carries or overlays.
    pub(super) fn inline(
        self,
        owner: &Key,
        upstream: Upstream,
    ) -> Result<Arc<UpstreamRuntime>, Problem> {
        self.compile(owner, upstream).map(Arc::new)
    }

    fn compile(self, key: &Key, upstream: Upstream) -> Result<UpstreamRuntime, Problem> {
        let ssl = |id: &str| {
            let object = self.set.get(&Key::new(Kind::Ssl, id))?;
            Ssl::parse(&object.spec).ok()
        };
        UpstreamRuntime::compile(key, upstream, &ssl, &self.env.living)
    }

    /// The revision of what a resource is compiled from: its own, or that of a newer ssl object
    /// that an upstream in it names.
    pub(super) fn revision(self, resource: &Resource) -> Revision {
        let (kind, spec) = (resource.key.kind, &resource.spec);
        let holder = match kind {
            Kind::Upstream => Some(&**spec),
            _ => spec.get("upstream"),
        };
        // Asked of every resource of every snapshot, so what cannot name any is told quickly.
        let has_tls = holder.is_some_and(|upstream| upstream.get("tls").is_some());
        let has_inline = spec.pointer("/plugins/traffic-split").is_some();
        if !(has_tls || has_inline) {
            return resource.modified;
        }
        references(kind, spec)
            .iter()
            .filter(|reference| reference.target.kind == Kind::Ssl)
            .filter_map(|reference| self.set.get(&reference.target))
            .map(|object| object.modified)
            .fold(resource.modified, Revision::max)
    }
}

/// Compiles upstreams inside the plugin configurations of one resource.
pub(crate) struct InlineUpstreams<'a> {
    /// The resource that carries the plugin.
    pub(crate) owner: &'a Key,
    /// What is around.
    pub(crate) site: Site<'a>,
}

impl Upstreams for InlineUpstreams<'_> {
    fn inline(&self, spec: &Value) -> Result<UpstreamRef, String> {
        let upstream = Upstream::parse(spec)
            .and_then(|upstream| self.site.inline(self.owner, upstream))
            .map_err(|problem| problem.to_string())?;
        Ok(UpstreamRef::new(upstream))
    }
}
