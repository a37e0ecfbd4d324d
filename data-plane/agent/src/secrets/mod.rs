//! Secrets in the place of the references to them: `$env://...` and `$secret://...` in plugins,
//! certificates and keys become values before a state is compiled. The state itself, which is told
//! and kept on disk, holds the references.
//!
//! A value that is not known opens nothing: what needs it stays in its last good form, or is not
//! there; a consumer's plugin that needs it authenticates nobody.

mod aws;
mod environment;
mod gcp;
mod places;
mod reference;
#[cfg(test)]
mod tests;
mod vault;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use weir_model::secret::{Secret, SecretPlace};
use weir_model::{Key, Kind, Problem, Resource, ResourceSet};
use weir_plugin_api::outside::Outside;

use places::{Revealed, Values};
use reference::Reference;

/// For how long a value is kept, as in APISIX.
const KEPT: Duration = Duration::from_secs(300);

/// After how long a value that could not be had is asked for again, as in APISIX.
const AGAIN: Duration = Duration::from_secs(60);

/// Values that are asked for at once.
const AT_ONCE: usize = 16;

/// How long a new state waits for its values. Those that come later are taken into use then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Different references of one state at most.
const MOST: usize = 4096;

/// The values of one agent.
pub(crate) struct Secrets {
    outside: Arc<dyn Outside>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    raw: ResourceSet,
    revealed: ResourceSet,
    /// References of the resources that have some.
    references: BTreeMap<Key, BTreeSet<String>>,
    known: HashMap<String, Known>,
    unknown: BTreeMap<Key, Problem>,
}

/// What is known of a reference.
struct Known {
    value: Option<String>,
    /// When it is asked for again.
    due: Instant,
}

/// A state with its values.
pub(crate) struct Open {
    pub(crate) set: ResourceSet,
    /// What lacks a value.
    pub(crate) unknown: BTreeMap<Key, Problem>,
}

impl Secrets {
    pub(crate) fn new(outside: Arc<dyn Outside>) -> Self {
        Self {
            outside,
            state: Mutex::default(),
        }
    }

    /// The state with values in the place of references. Blocks while new ones are asked for.
    pub(crate) fn reveal(&self, set: &ResourceSet) -> Open {
        let asked = {
            let mut state = self.state();
            state.take(set);
            state.due(Instant::now())
        };
        let changed = self.ask(set, asked);
        let mut state = self.state();
        state.renew(&changed);
        Open {
            set: state.revealed.clone(),
            unknown: state.unknown.clone(),
        }
    }

    /// Asks again for what is due; whether a value is another one. Blocks.
    pub(crate) fn refresh(&self) -> bool {
        let (set, asked) = {
            let state = self.state();
            (state.raw.clone(), state.due(Instant::now()))
        };
        let changed = self.ask(&set, asked);
        self.state().renew(&changed);
        !changed.is_empty()
    }

    /// Whether there is something to ask for.
    pub(crate) fn are_due(&self) -> bool {
        !self.state().due(Instant::now()).is_empty()
    }

    /// Asks for values; the references whose value is another one now.
    fn ask(&self, set: &ResourceSet, asked: Vec<String>) -> BTreeSet<String> {
        if asked.is_empty() {
            return BTreeSet::new();
        }
        let outside = &*self.outside;
        let answers = futures_util::stream::iter(asked.into_iter().map(|text| async move {
            let value = value(outside, set, &text).await;
            (text, value)
        }));
        let answers = answers.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let limited = async { tokio::time::timeout(PATIENCE, answers).await };
        let answers = match Handle::try_current() {
            Ok(runtime) => runtime.block_on(limited).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let mut changed = BTreeSet::new();
        let mut state = self.state();
        for (text, answer) in answers {
            if state.note(&text, answer) {
                changed.insert(text);
            }
        }
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a new state, whose changed resources are revealed with what is known.
    fn take(&mut self, set: &ResourceSet) {
        let changed = set.changed_since(&self.raw);
        self.raw = set.clone();
        for key in &changed {
            if key.kind == Kind::Secret {
                self.forget(key);
            }
            let found = set.get(key).map(|resource| places::references(resource));
            match found.filter(|found| !found.is_empty()) {
                Some(found) => _ = self.references.insert(key.clone(), found),
                None => _ = self.references.remove(key),
            }
        }
        let used: BTreeSet<&String> = self.references.values().flatten().collect();
        self.known.retain(|text, _| used.contains(text));
        self.revealed.revision = set.revision;
        for key in &changed {
            self.reveal(key);
        }
    }

    /// Asks a manager anew that is another one.
    fn forget(&mut self, manager: &Key) {
        let now = Instant::now();
        for (text, known) in &mut self.known {
            if let Some(Ok(Reference::Secret(place))) = Reference::parse(text)
                && *place.manager == *manager.id
            {
                known.due = now;
            }
        }
    }

    /// References that are to be asked for.
    fn due(&self, now: Instant) -> Vec<String> {
        let used: BTreeSet<&String> = self.references.values().flatten().collect();
        let is_due = |text: &&&String| self.known.get(**text).is_none_or(|known| known.due <= now);
        used.iter()
            .take(MOST)
            .filter(is_due)
            .map(|text| (*text).clone())
            .collect()
    }

    /// Notes an answer; whether the value is another one. A value that was known stays when it
    /// cannot be had any more.
    fn note(&mut self, text: &str, answer: Result<String, String>) -> bool {
        let now = Instant::now();
        let before = self.known.get(text).and_then(|known| known.value.clone());
        let (value, due) = match answer {
            Ok(value) => (Some(value), now + KEPT),
            Err(problem) => {
                tracing::error!(reference = text, %problem, "a secret cannot be had");
                (before.clone(), now + AGAIN)
            }
        };
        let is_new = value != before;
        self.known.insert(text.to_owned(), Known { value, due });
        is_new
    }

    /// Reveals the users of these references anew.
    fn renew(&mut self, changed: &BTreeSet<String>) {
        let users = self.references.iter();
        let users = users.filter(|(_, found)| !found.is_disjoint(changed));
        let users: Vec<Key> = users.map(|(key, _)| key.clone()).collect();
        for key in &users {
            self.reveal(key);
        }
    }

    fn reveal(&mut self, key: &Key) {
        self.unknown.remove(key);
        let Some(resource) = self.raw.get(key).cloned() else {
            self.revealed.resources.remove(key);
            return;
        };
        let Some(found) = self.references.get(key) else {
            self.revealed.resources.insert(key.clone(), resource);
            return;
        };
        let values: Values = found
            .iter()
            .filter_map(|text| Some((text.clone(), self.known.get(text)?.value.clone()?)))
            .collect();
        let unknown = |text: &str| {
            let message =
                format!("the value of {text} is not known; the log of the agent says why");
            Problem::new("", message)
        };
        match places::reveal(&resource, &values) {
            Revealed::Whole(spec) => self.put(&resource, spec),
            Revealed::Part(spec, text) => {
                self.unknown.insert(key.clone(), unknown(&text));
                self.put(&resource, spec);
            }
            // The last good form stays.
            Revealed::Nothing(text) => {
                self.unknown.insert(key.clone(), unknown(&text));
            }
        }
    }

    fn put(&mut self, resource: &Resource, spec: serde_json::Value) {
        let revealed = Resource {
            spec: Arc::new(spec),
            ..resource.clone()
        };
        let key = resource.key.clone();
        self.revealed.resources.insert(key, Arc::new(revealed));
    }
}

/// The value that a reference stands for.
async fn value(outside: &dyn Outside, set: &ResourceSet, text: &str) -> Result<String, String> {
    match Reference::parse(text) {
        None => Err("it is no reference".into()),
        Some(Err(problem)) => Err(problem),
        Some(Ok(Reference::Env { name, key })) => environment::read(&name, key.as_deref()),
        Some(Ok(Reference::Secret(SecretPlace { manager, path, key }))) => {
            let at = Key::new(Kind::Secret, manager.as_str());
            let secret = set.get(&at);
            let secret = secret.ok_or_else(|| format!("there is no secret manager {manager}"))?;
            let secret = Secret::parse(&at, &secret.spec).map_err(|problem| problem.to_string())?;
            match secret {
                Secret::Vault(vault) => vault::read(outside, &vault, &path, &key).await,
                Secret::Aws(aws) => aws::read(outside, &aws, &path, &key).await,
                Secret::Gcp(gcp) => gcp::read(outside, &gcp, &path, &key).await,
            }
        }
    }
}
