//! The registries that there are, and which of them a lookup means.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use weir_discovery::{Registry, build, has_secrets};
use weir_model::endpoint::Lookup;
use weir_model::registry::Registry as Document;
use weir_model::{Id, Kind, Resource, Revision};
use weir_store::State;

use super::deferred::{Deferred, ENVIRONMENT, managers};
use super::record::Failure;
use crate::config::FileRegistry;

/// One registry, ready to be watched.
#[derive(Clone)]
pub(super) struct Source {
    /// Name of the object; empty for one of the file.
    pub(super) name: String,
    /// Revision of the object; 0 for one of the file.
    pub(super) revision: Revision,
    pub(super) registry: Arc<dyn Registry>,
}

struct Known {
    kind: &'static str,
    revision: Revision,
    /// What keeps it from being used.
    built: Result<Arc<dyn Registry>, Failure>,
}

/// All registries of this node.
pub(super) struct Sources {
    objects: BTreeMap<Id, Known>,
    file: Vec<(Option<String>, Known)>,
}

impl Sources {
    /// Those of the file.
    pub(super) fn new(file: &[FileRegistry]) -> Self {
        let file = file
            .iter()
            .map(|entry| (entry.id.clone(), Known::new(&entry.document, 0)));
        Self {
            objects: BTreeMap::new(),
            file: file.collect(),
        }
    }

    /// Takes over the objects of `state`; unchanged ones keep their connections.
    pub(super) fn update(&mut self, state: &State) {
        let mut before = std::mem::take(&mut self.objects);
        for resource in state.set.of_kind(Kind::Registry) {
            let id = &resource.key.id;
            let revision = revision(resource, state);
            let known = before.remove(id).filter(|known| known.revision == revision);
            let known = known.or_else(|| Known::of(resource, revision, state));
            self.objects
                .extend(known.map(|known| (Arc::clone(id), known)));
        }
    }

    /// The registry that a lookup means: the named one, else the only object of its type, else the
    /// one of the file.
    pub(super) fn choose(&self, lookup: &Lookup) -> Result<Source, Failure> {
        let kind = lookup.kind.as_str();
        let named = lookup.registry.as_deref().or_else(|| cluster(lookup));
        if let Some(name) = named {
            return self.named(kind, name);
        }
        let mut objects = self.objects.iter().filter(|(_, known)| known.kind == kind);
        match (objects.next(), objects.next()) {
            (Some((id, known)), None) => return known.source(id),
            (Some(_), Some(_)) => {
                return Err(config(format!(
                    "there are several registries of type {kind}: name one in discovery_args.registry"
                )));
            }
            (None, _) => {}
        }
        match self.file.iter().find(|(_, known)| known.kind == kind) {
            Some((_, known)) => known.source(""),
            None if kind == "dns" => system_dns(),
            None => Err(config(format!("there is no registry of type {kind}"))),
        }
    }

    fn named(&self, kind: &str, name: &str) -> Result<Source, Failure> {
        let found = match self.objects.get(name) {
            Some(known) => Some((name, known)),
            None => {
                let mut file = self.file.iter();
                let found =
                    file.find(|(id, known)| id.as_deref() == Some(name) && known.kind == kind);
                found.map(|(_, known)| ("", known))
            }
        };
        match found {
            None => Err(config(format!("there is no registry {name:?}"))),
            Some((_, known)) if known.kind != kind => Err(config(format!(
                "registry {name:?} is of type {}, expected {kind}",
                known.kind
            ))),
            Some((name, known)) => known.source(name),
        }
    }
}

/// When a registry last changed, or what its secrets come from.
fn revision(resource: &Resource, state: &State) -> Revision {
    if !has_secrets(&resource.spec) {
        return resource.modified;
    }
    let managers = state.set.of_kind(Kind::Secret);
    managers
        .map(|manager| manager.modified)
        .fold(resource.modified, Revision::max)
}

/// The cluster that a Kubernetes service names before namespace and name.
fn cluster(lookup: &Lookup) -> Option<&str> {
    let (first, rest) = lookup.service_name.split_once('/')?;
    (lookup.kind == "kubernetes" && rest.contains('/')).then_some(first)
}

/// Without any `dns` registry the resolvers of the system are asked.
fn system_dns() -> Result<Source, Failure> {
    let document = json!({"type": "dns", "resolv_conf": "/etc/resolv.conf"});
    let document = Document::parse(&document).map_err(|problem| config(problem.to_string()))?;
    Known::new(&document, 0).source("")
}

impl Known {
    fn of(resource: &Resource, revision: Revision, state: &State) -> Option<Self> {
        // Stored documents were checked; one of a later release may not be readable here.
        let document = match Document::parse(&resource.spec) {
            Ok(document) => document,
            Err(problem) => {
                tracing::warn!(registry = %resource.key, %problem, "registry cannot be read");
                return None;
            }
        };
        if !has_secrets(&resource.spec) {
            return Some(Self::new(&document, revision));
        }
        let deferred = Deferred::new(Arc::clone(&resource.spec), managers(state));
        Some(Self {
            kind: document.backend.kind(),
            revision,
            built: Ok(Arc::new(deferred)),
        })
    }

    fn new(document: &Document, revision: Revision) -> Self {
        Self {
            kind: document.backend.kind(),
            revision,
            built: build(document, ENVIRONMENT).map_err(Failure::from),
        }
    }

    fn source(&self, name: &str) -> Result<Source, Failure> {
        Ok(Source {
            name: name.to_owned(),
            revision: self.revision,
            registry: self.built.clone()?,
        })
    }
}

fn config(message: String) -> Failure {
    Failure {
        kind: weir_discovery::ErrorKind::Config.as_str(),
        message,
    }
}
