//! A registry whose document refers to secret managers: they are asked when it is first watched,
//! and again when the registry refuses what they gave.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Mutex;
use weir_discovery::{Environment, Error, ErrorKind, Registry, Reporter, build, reveal};
use weir_model::Kind;
use weir_model::endpoint::Lookup;
use weir_model::registry::Registry as Document;
use weir_model::secret::Secret;
use weir_store::State;

/// Secret managers by `MANAGER/ID`.
pub(crate) type Managers = BTreeMap<String, Secret>;

/// The secret managers of a state.
pub(crate) fn managers(state: &State) -> Managers {
    let objects = state.set.of_kind(Kind::Secret);
    objects
        .filter_map(|resource| {
            let secret = Secret::parse(&resource.key, &resource.spec).ok()?;
            Some((resource.key.id.to_string(), secret))
        })
        .collect()
}

/// Reads a registry document with what `managers` have in the place of references to them.
pub(crate) async fn document(spec: &Value, managers: &Managers) -> Result<Document, Error> {
    let spec = reveal(spec, &|name| managers.get(name).cloned(), ENVIRONMENT).await?;
    Document::parse(&spec).map_err(|problem| Error {
        kind: ErrorKind::Config,
        server: String::new(),
        message: problem.to_string(),
    })
}

/// The variables of this process.
pub(crate) const ENVIRONMENT: Environment<'static> = &|name| std::env::var(name).ok();

/// A registry that is made late.
pub(super) struct Deferred {
    spec: Arc<Value>,
    managers: Managers,
    made: Mutex<Option<Arc<dyn Registry>>>,
}

impl Deferred {
    pub(super) fn new(spec: Arc<Value>, managers: Managers) -> Self {
        Self {
            spec,
            managers,
            made: Mutex::default(),
        }
    }

    /// Held while managers are asked, so that many watches ask once.
    async fn made(&self) -> Result<Arc<dyn Registry>, Error> {
        let mut made = self.made.lock().await;
        if let Some(registry) = &*made {
            return Ok(Arc::clone(registry));
        }
        let document = document(&self.spec, &self.managers).await?;
        let registry = build(&document, ENVIRONMENT)?;
        *made = Some(Arc::clone(&registry));
        Ok(registry)
    }

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let registry = self.made().await?;
        let Err(error) = registry.watch(lookup, report).await;
        if error.kind == ErrorKind::Refused {
            let mut made = self.made.lock().await;
            // Another watch may have made a new one already.
            if made
                .as_ref()
                .is_some_and(|made| Arc::ptr_eq(made, &registry))
            {
                *made = None;
            }
        }
        Err(error)
    }
}

impl Registry for Deferred {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}
