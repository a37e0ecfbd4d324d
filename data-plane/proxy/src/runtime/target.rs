//! Upstreams of a snapshot, compiled once and shared by the routes that lead to them.

use std::sync::Arc;

use serde_json::Value;
use weir_model::endpoint::Endpoints;
use weir_model::proto_file::ProtoFile;
use weir_model::service::Service;
use weir_model::ssl::Ssl;
use weir_model::upstream::Upstream;
use weir_model::{Key, Kind, Problem, ResourceSet};
use weir_plugin_api::Protos;
use weir_plugin_api::upstreams::{UpstreamRef, Upstreams};

use super::CompileEnv;
use super::upstreams::{SharedUpstreams, UpstreamName};
use crate::upstream::alike::Alike;
use crate::upstream::node::milliseconds;
use crate::upstream::runtime::{Surroundings, UpstreamRuntime};

/// What an upstream is compiled among.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The snapshot, which has the ssl objects that upstreams name.
    pub(crate) set: &'a ResourceSet,
    /// Surroundings of the compilation.
    pub(crate) env: &'a CompileEnv,
    /// The known addresses of names.
    pub(crate) addresses: &'a Endpoints,
    /// What upstreams have in common.
    pub(crate) alike: &'a Alike,
}

impl Site<'_> {
    /// The metadata of a plugin, if there is any.
    pub(crate) fn metadata_of(self, plugin: &str) -> Option<Arc<Value>> {
        let document = self.set.get(&Key::new(Kind::PluginMetadata, plugin))?;
        Some(Arc::clone(&document.spec))
    }

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

    /// Compiles the upstream that a service carries, or the object that it lays something over;
    /// `None` when its routes lead to an object as it is, or nowhere.
    pub(super) fn of_service(
        self,
        key: &Key,
        service: &Service,
        upstreams: &SharedUpstreams,
    ) -> Result<Option<Arc<UpstreamRuntime>>, Problem> {
        let under = match (&service.upstream_id, &service.upstream) {
            (Some(id), _) if service.has_overlay() => {
                let name = UpstreamName::new(Key::new(Kind::Upstream, Arc::clone(id)));
                upstreams.get(&name).map(|object| object.written())
            }
            (Some(_), _) => None,
            (None, inline) => inline.clone(),
        };
        let laid = under.map(|upstream| self.inline(key, service.overlay(upstream)));
        laid.transpose()
    }

    fn compile(self, key: &Key, upstream: Upstream) -> Result<UpstreamRuntime, Problem> {
        let ssl = |id: &str| {
            let object = self.set.get(&Key::new(Kind::Ssl, id))?;
            Ssl::parse(&object.spec).ok()
        };
        let upstream = join(upstream, &self.env.endpoints);
        let around = Surroundings {
            living: &self.env.living,
            ssl: &ssl,
            home: self.env.environment.home(),
            addresses: self.addresses,
            alike: self.alike,
            now_ms: milliseconds(self.env.environment.monotonic()),
        };
        UpstreamRuntime::compile(key, upstream, around)
    }
}

/// Gives an upstream that is discovered its nodes: none while no registry has answered.
fn join(mut upstream: Upstream, endpoints: &Endpoints) -> Upstream {
    let Some(lookup) = upstream.lookup() else {
        return upstream;
    };
    let discovery = upstream.discovery.as_ref();
    let port = discovery.and_then(|discovery| discovery.args.port);
    upstream.nodes = endpoints.get(&lookup.key()).map_or_else(Vec::new, |set| {
        let endpoints = set.endpoints().iter();
        endpoints.map(|endpoint| endpoint.to_node(port)).collect()
    });
    // With one port for all, endpoints of one host fall together; they are sorted by host.
    upstream
        .nodes
        .dedup_by(|a, b| (&a.host, a.port) == (&b.host, b.port));
    upstream
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

/// The proto objects around a plugin configuration.
pub(crate) struct StoredProtos<'a>(pub(crate) Site<'a>);

impl Protos for StoredProtos<'_> {
    fn content(&self, id: &str) -> Option<String> {
        let object = self.0.set.get(&Key::new(Kind::Proto, id))?;
        ProtoFile::parse(&object.spec).ok().map(|file| file.content)
    }
}
