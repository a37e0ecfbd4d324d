//! What would become of a request, told by the code of the data plane: the state is compiled as an
//! agent compiles it, and asked. Nothing is sent anywhere.
//!
//! Compiling takes time and memory in the number of resources: callers are kept off the threads that
//! serve, the compiled form is kept for the next question, and forgotten when none comes.

mod answer;
mod question;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_model::endpoint::Endpoints;
use weir_model::{Key, Problem, Resource, ResourceSet, Revision};
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::{Attributes, Living};
use weir_plugins::{BUILTIN, ON_STREAMS};
use weir_proto::control::{ExplainRequest, ExplainResponse};
use weir_proxy::router::{RouterMode, RouterSettings};
use weir_proxy::runtime::{CompileEnv, Runtime, SystemEnvironment, compile};

use question::Asked;

/// How long a compiled state waits for the next question.
pub(crate) const KEPT: Duration = Duration::from_secs(300);

/// What a question is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    /// The resources.
    pub(crate) set: ResourceSet,
    /// What registries say.
    pub(crate) endpoints: Endpoints,
}

/// Answers questions about a state. One per node.
#[derive(Default)]
pub(crate) struct Explainer {
    /// Questions are answered one at a time: each may take a whole core.
    pub(crate) turn: tokio::sync::Mutex<()>,
    living: Living,
    kept: Mutex<Option<Kept>>,
    /// Somebody will call [`Explainer::tidy`].
    tidied: AtomicBool,
}

struct Kept {
    mode: RouterMode,
    endpoints: Endpoints,
    runtime: Arc<Runtime>,
    used: Instant,
}

impl Explainer {
    /// Answers one question. Blocks while the state is compiled.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub(crate) fn explain(
        &self,
        subject: &Subject,
        request: &ExplainRequest,
    ) -> Result<ExplainResponse, Problem> {
        let asked = Asked::read(request)?;
        let runtime = self.runtime(subject, asked.mode);
        let explanation = runtime.explain(&asked.question);
        Ok(answer::of(&explanation, &asked, runtime.revision))
    }

    fn runtime(&self, subject: &Subject, mode: RouterMode) -> Arc<Runtime> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.as_ref().filter(|kept| kept.mode == mode);
        let (set, endpoints) = (&subject.set, &subject.endpoints);
        let same = |kept: &&Kept| {
            kept.runtime.revision == set.revision
                && kept.endpoints.differing(endpoints).next().is_none()
        };
        let runtime = match known.filter(same) {
            Some(kept) => Arc::clone(&kept.runtime),
            None => {
                let previous = known.map(|kept| &*kept.runtime);
                let env = self.env(mode, endpoints.clone());
                let (runtime, _) = compile(set, previous, &env);
                Arc::new(runtime)
            }
        };
        *kept = Some(Kept {
            mode,
            endpoints: endpoints.clone(),
            runtime: Arc::clone(&runtime),
            used: Instant::now(),
        });
        drop(kept);
        self.living.sweep();
        runtime
    }

    /// Whether nobody has yet been told to call [`Explainer::tidy`]; the caller is.
    pub(crate) fn wants_tidying(&self) -> bool {
        !self.tidied.swap(true, Ordering::AcqRel)
    }

    /// Forgets the compiled state when nobody asked for [`KEPT`]; whether it did.
    pub(crate) fn tidy(&self) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|kept| kept.used.elapsed() >= KEPT);
        let idle = kept.is_none();
        if idle {
            self.tidied.store(false, Ordering::Release);
            self.living.sweep();
        }
        idle
    }

    fn env(&self, mode: RouterMode, endpoints: Endpoints) -> CompileEnv {
        CompileEnv {
            plugins: BUILTIN,
            stream_plugins: ON_STREAMS,
            endpoints,
            living: self.living.clone(),
            settings: RouterSettings {
                mode,
                ..RouterSettings::default()
            },
            environment: Arc::new(SystemEnvironment::new("")),
            attributes: Attributes::default(),
            outside: Arc::new(Unreachable),
            tls: weir_proxy::tls::Terms::default(),
        }
    }
}

/// Answers one question about documents that nobody has stored, after checking them as a write
/// would.
///
/// # Errors
/// What is wrong with the documents, or with the question (without key).
pub fn offline(
    documents: Vec<(Key, Arc<Value>)>,
    request: &ExplainRequest,
) -> Result<ExplainResponse, Vec<(Option<Key>, Problem)>> {
    let mut subject = Subject::default();
    let set = &mut subject.set;
    let mut problems = Vec::new();
    for (key, spec) in documents {
        set.revision += 1;
        let found = crate::write::validate(&weir_plugins::Builtin, &key, &spec);
        let found = found.problems.into_iter();
        problems.extend(found.map(|problem| (Some(key.clone()), problem)));
        let resource = stored(key.clone(), spec, set.revision);
        set.resources.insert(key, Arc::new(resource));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let answer = Explainer::default().explain(&subject, request);
    let mut answer = answer.map_err(|problem| vec![(None, problem)])?;
    answer.revision = 0;
    Ok(answer)
}

fn stored(key: Key, spec: Arc<Value>, revision: Revision) -> Resource {
    Resource {
        key,
        spec,
        created: revision,
        modified: revision,
        create_time: 0,
        update_time: 0,
        expires_at_ms: None,
    }
}
