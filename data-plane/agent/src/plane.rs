//! From a state to traffic: compiles, publishes, keeps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use weir_model::{Key, Kind};
use weir_plugins::error_log_logger::{self, Shipping};
use weir_proxy::gateway::Gateway;
use weir_proxy::runtime::{CompileEnv, Report, compile};

use crate::facts::{Finding, Nack, SharedFacts, Source};
use crate::secrets::Secrets;
use crate::sync::cache::Cache;
use crate::sync::mirror::Mirror;

/// Applies states to the gateway of this agent, one after the other.
pub(crate) struct Plane {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) env: CompileEnv,
    pub(crate) facts: SharedFacts,
    /// There are endpoints that are not on disk.
    pub(crate) unkept_endpoints: Notify,
    secrets: Secrets,
    /// Held while a state is published: one comes after the other.
    turn: Mutex<()>,
    kept: Mutex<Kept>,
    /// Lines of the log that go elsewhere too.
    shipping: Mutex<Shipping>,
}

/// The state on disk.
struct Kept {
    cache: Cache,
    /// Whether this process writes it: during a takeover, one of two does.
    is_ours: bool,
}

/// What became of a state.
pub(crate) struct Applied {
    pub(crate) report: Report,
    /// From the call to the published runtime.
    pub(crate) micros: u64,
}

impl Plane {
    /// With `is_ours`, states are kept on disk from the start, else once the plane
    /// [claims](Self::claim) the cache.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        env: CompileEnv,
        facts: SharedFacts,
        cache: Cache,
        is_ours: bool,
    ) -> Self {
        Self {
            secrets: Secrets::new(Arc::clone(&env.outside)),
            turn: Mutex::default(),
            gateway,
            env,
            facts,
            unkept_endpoints: Notify::new(),
            kept: Mutex::new(Kept { cache, is_ours }),
            shipping: Mutex::default(),
        }
    }

    /// Whether this agent should get traffic.
    pub(crate) fn is_ready(&self) -> bool {
        let mut facts = self.facts.lock();
        !facts.draining && facts.missing(Instant::now()).is_none()
    }

    /// Compiles and publishes a state, then keeps it on disk unless it came from there. Requests
    /// see it before it is on disk; the control plane hears of it only afterwards. Blocks.
    pub(crate) fn apply(&self, mirror: &Mirror, source: Source) -> Applied {
        let turn = self.turn();
        let applied = self.publish(mirror);
        self.note(mirror, source, &applied.report, applied.micros);
        drop(turn);
        match source {
            Source::Stream => self.keep(mirror),
            Source::Cache => self.facts.lock().cached_revision = mirror.set.revision,
            Source::None => {}
        }
        applied
    }

    /// Compiles and publishes a state of which only the endpoints are new; returns how long it
    /// took. They are put on disk later. Blocks.
    pub(crate) fn join(&self, mirror: &Mirror) -> u64 {
        let _turn = self.turn();
        // Endpoints alone are no configuration: they wait for the first one.
        let configured = self.facts.lock().source != Source::None;
        let micros = if configured {
            self.publish(mirror).micros
        } else {
            0
        };
        let mut facts = self.facts.lock();
        facts.use_endpoints(&mirror.endpoints, Instant::now());
        drop(facts);
        self.unkept_endpoints.notify_one();
        micros
    }

    /// Asks again for secrets that are due, and takes those into use that are others. Blocks.
    pub(crate) fn renew(&self) {
        if !self.secrets.refresh() {
            return;
        }
        let _turn = self.turn();
        let state = {
            let facts = self.facts.lock();
            (facts.source, facts.mirror())
        };
        if let (source, Some(mirror)) = state {
            tracing::info!("secrets have changed");
            let applied = self.publish(&mirror);
            self.note(&mirror, source, &applied.report, applied.micros);
        }
    }

    /// Whether [`Self::renew`] has something to ask for.
    pub(crate) fn has_due_secrets(&self) -> bool {
        self.secrets.are_due()
    }

    fn publish(&self, mirror: &Mirror) -> Applied {
        let started = Instant::now();
        let open = self.secrets.reveal(&mirror.set);
        let previous = self.gateway.runtime();
        let env = CompileEnv {
            endpoints: mirror.endpoints.clone(),
            ..self.env.clone()
        };
        let (runtime, mut report) = compile(&open.set, previous.as_deref(), &env);
        for (key, problem) in open.unknown {
            report.refused.add(&key, problem);
        }
        self.gateway.publish(Arc::new(runtime));
        self.ship(mirror);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Applied { report, micros }
    }

    /// Ships lines of the log as the metadata of `error-log-logger` says.
    fn ship(&self, mirror: &Mirror) {
        let key = Key::new(Kind::PluginMetadata, error_log_logger::NAME);
        let metadata = mirror.set.get(&key).map(|document| &*document.spec);
        let hostname = self.env.environment.hostname();
        let mut shipping = self.shipping.lock().unwrap_or_else(PoisonError::into_inner);
        shipping.follow(metadata, &self.env.outside, &self.env.living, hostname);
    }

    fn note(&self, mirror: &Mirror, source: Source, report: &Report, micros: u64) {
        for (key, problem) in report.refused.iter() {
            tracing::warn!(
                revision = mirror.set.revision,
                "{key}: {problem}; its last good form stays in use"
            );
        }
        let mut facts = self.facts.lock();
        facts.source = source;
        facts.cluster_id.clone_from(&mirror.cluster_id);
        facts.revision = mirror.set.revision;
        facts.newest_revision = facts.newest_revision.max(mirror.set.revision);
        facts.set = mirror.set.clone();
        let now = Instant::now();
        facts.use_endpoints(&mirror.endpoints, now);
        facts.readiness.configured(&mirror.set, now);
        facts.missing(now);
        facts.apply_micros = micros;
        facts.pending = report.pending.clone();
        facts.last_nack = (!report.refused.is_empty()).then(|| Nack {
            revision: mirror.set.revision,
            refused: Finding::list(&report.refused),
        });
    }

    fn keep(&self, mirror: &Mirror) {
        let mut kept = self.kept();
        if kept.is_ours {
            self.store(&mut kept.cache, mirror);
        }
    }

    fn store(&self, cache: &mut Cache, mirror: &Mirror) {
        let stored = cache.store(mirror);
        if let Err(error) = &stored {
            tracing::error!(
                "cannot keep revision {} on disk: {error}",
                mirror.set.revision
            );
        }
        let mut facts = self.facts.lock();
        if stored.is_ok() {
            facts.cached_revision = mirror.set.revision;
        }
        facts.cache_error = stored.err().map(|error| error.to_string());
    }

    /// Writes the endpoints in use to disk. Blocks.
    pub(crate) fn keep_endpoints(&self) {
        let mut kept = self.kept();
        if kept.is_ours {
            self.store_endpoints(&mut kept.cache);
        }
    }

    fn store_endpoints(&self, cache: &mut Cache) {
        let endpoints = self.facts.lock().endpoints.clone();
        let stored = cache.store_endpoints(&endpoints);
        if let Err(error) = &stored {
            tracing::error!("cannot keep endpoints on disk: {error}");
        }
        self.facts.lock().endpoints_cache_error = stored.err().map(|error| error.to_string());
    }

    /// Puts on disk what is not there yet.
    pub(crate) async fn flush(self: &Arc<Self>) {
        self.blocking(Self::keep_endpoints).await;
    }

    /// Puts on disk what is not there yet, and writes no more from then on.
    pub(crate) async fn release(self: &Arc<Self>) {
        self.blocking(|plane| {
            let mut kept = plane.kept();
            if std::mem::take(&mut kept.is_ours) {
                plane.store_endpoints(&mut kept.cache);
            }
        })
        .await;
    }

    /// Writes what is in use, and every state from then on.
    pub(crate) async fn claim(self: &Arc<Self>) {
        self.blocking(|plane| {
            let mut kept = plane.kept();
            kept.cache.look_again();
            kept.is_ours = true;
            let state = {
                let facts = plane.facts.lock();
                facts.mirror()
            };
            if let Some(mirror) = state {
                plane.store(&mut kept.cache, &mirror);
                plane.store_endpoints(&mut kept.cache);
            }
        })
        .await;
    }

    async fn blocking(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let plane = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || work(&plane)).await {
            tracing::error!("keeping the state failed: {error}");
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
