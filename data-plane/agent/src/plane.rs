//! From a state to traffic: compiles, publishes, keeps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use weir_proxy::gateway::Gateway;
use weir_proxy::runtime::{CompileEnv, Report, compile};

use crate::facts::{Finding, Nack, SharedFacts, Source};
use crate::sync::cache::Cache;
use crate::sync::mirror::Mirror;

/// Applies states to the gateway of this agent, one after the other.
pub(crate) struct Plane {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) env: CompileEnv,
    pub(crate) facts: SharedFacts,
    cache: Mutex<Cache>,
}

/// What became of a state.
pub(crate) struct Applied {
    pub(crate) report: Report,
    /// From the call to the published runtime.
    pub(crate) micros: u64,
}

impl Plane {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        env: CompileEnv,
        facts: SharedFacts,
        cache: Cache,
    ) -> Self {
        Self {
            gateway,
            env,
            facts,
            cache: Mutex::new(cache),
        }
    }

    /// Compiles and publishes a state, then keeps it on disk unless it came from there. Requests
    /// see it before it is on disk; the control plane hears of it only afterwards. Blocks.
    pub(crate) fn apply(&self, mirror: &Mirror, source: Source) -> Applied {
        let started = Instant::now();
        let previous = self.gateway.runtime();
        let (runtime, report) = compile(&mirror.set, previous.as_deref(), &self.env);
        self.gateway.publish(Arc::new(runtime));
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.note(mirror, source, &report, micros);
        if source == Source::Stream {
            self.keep(mirror);
        }
        Applied { report, micros }
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
        facts.apply_micros = micros;
        facts.pending = report.pending.clone();
        facts.last_nack = (!report.refused.is_empty()).then(|| Nack {
            revision: mirror.set.revision,
            refused: Finding::list(&report.refused),
        });
    }

    fn keep(&self, mirror: &Mirror) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = cache.store(mirror);
        if let Err(error) = &stored {
            tracing::error!(
                "cannot keep revision {} on disk: {error}",
                mirror.set.revision
            );
        }
        self.facts.lock().cache_error = stored.err().map(|error| error.to_string());
    }
}
