//! Which lookups the resources ask for, kept step by step: a write costs what it changes, not what
//! there is.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::endpoint::{EndpointKey, Lookup, lookups};
use weir_model::{Key, Resource, Revision};
use weir_store::{State, changes_since};

/// A lookup with everyone who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) lookup: Lookup,
    pub(super) users: BTreeSet<Key>,
}

/// What is asked for at one revision.
#[derive(Debug, Default)]
pub(super) struct Demand {
    cluster_id: String,
    revision: Revision,
    by_user: BTreeMap<Key, Vec<EndpointKey>>,
    wanted: BTreeMap<EndpointKey, Wanted>,
}

impl Demand {
    /// Brings it to the revision of `state`.
    pub(super) fn update(&mut self, state: &State) {
        let same = self.cluster_id == state.cluster_id;
        if same && self.revision == state.set.revision {
            return;
        }
        let records = if same {
            changes_since(state, self.revision)
        } else {
            None
        };
        match records {
            Some(records) => {
                let touched = records
                    .iter()
                    .flat_map(|record| record.upserts.iter().chain(&record.removals));
                for key in touched.collect::<BTreeSet<_>>() {
                    self.forget(key);
                    if let Some(resource) = state.set.get(key) {
                        self.learn(resource);
                    }
                }
            }
            None => {
                self.by_user.clear();
                self.wanted.clear();
                for resource in state.set.resources.values() {
                    self.learn(resource);
                }
            }
        }
        self.cluster_id.clone_from(&state.cluster_id);
        self.revision = state.set.revision;
    }

    /// Everything that is asked for.
    pub(super) fn wanted(&self) -> &BTreeMap<EndpointKey, Wanted> {
        &self.wanted
    }

    fn learn(&mut self, resource: &Resource) {
        let found = lookups(resource.key.kind, &resource.spec);
        if found.is_empty() {
            return;
        }
        let mut keys = Vec::new();
        for lookup in found {
            let key = lookup.key();
            let wanted = self.wanted.entry(key.clone()).or_insert_with(|| Wanted {
                lookup,
                users: BTreeSet::new(),
            });
            wanted.users.insert(resource.key.clone());
            keys.push(key);
        }
        self.by_user.insert(resource.key.clone(), keys);
    }

    fn forget(&mut self, user: &Key) {
        for key in self.by_user.remove(user).unwrap_or_default() {
            if let Some(wanted) = self.wanted.get_mut(&key) {
                wanted.users.remove(user);
                if wanted.users.is_empty() {
                    self.wanted.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use weir_store::{Change, Command, Operation, Precondition, Target, apply};

    use super::*;

    fn write(state: &mut State, key: &str, spec: Option<Value>) {
        let operation = match spec {
            Some(spec) => Operation::Put {
                spec: Arc::new(spec),
                expires_at_ms: None,
            },
            None => Operation::Delete { force: true },
        };
        let change = Change {
            target: Target::Key(key.parse().unwrap()),
            operation,
            precondition: Precondition::None,
        };
        let command = Command::Write {
            changes: vec![change],
            at_ms: 1,
            author: String::new(),
            message: String::new(),
        };
        let index = state.set.revision + 1;
        apply(state, index, command);
    }

    fn shown(demand: &Demand) -> Vec<String> {
        let wanted = demand.wanted().iter();
        let line = |(key, wanted): (&EndpointKey, &Wanted)| {
            let users: Vec<_> = wanted.users.iter().map(ToString::to_string).collect();
            format!("{key} by {}", users.join(" "))
        };
        wanted.map(line).collect()
    }

    fn web(name: u8) -> Value {
        json!({"discovery_type": "consul", "service_name": format!("s{name}")})
    }

    #[test]
    fn the_last_user_ends_a_demand() {
        let (mut state, mut demand) = (State::default(), Demand::default());
        write(&mut state, "upstreams/1", Some(web(1)));
        write(
            &mut state,
            "routes/1",
            Some(json!({"uri": "/", "upstream": web(1)})),
        );
        demand.update(&state);
        assert_eq!(shown(&demand), ["consul/*/s1 by routes/1 upstreams/1"]);
        write(&mut state, "upstreams/1", Some(web(2)));
        demand.update(&state);
        assert_eq!(
            shown(&demand),
            ["consul/*/s1 by routes/1", "consul/*/s2 by upstreams/1"]
        );
        write(&mut state, "routes/1", None);
        demand.update(&state);
        assert_eq!(shown(&demand), ["consul/*/s2 by upstreams/1"]);
    }

    proptest! {
        #[test]
        fn step_by_step_is_from_scratch(
            steps in prop::collection::vec((0..4_u8, prop::option::of(0..3_u8), any::<bool>()), 1..20)
        ) {
            let (mut state, mut demand) = (State::default(), Demand::default());
            for (id, service, look) in steps {
                write(&mut state, &format!("upstreams/{id}"), service.map(web));
                if look {
                    demand.update(&state);
                }
            }
            demand.update(&state);
            let mut scratch = Demand::default();
            scratch.update(&state);
            prop_assert_eq!(shown(&demand), shown(&scratch));
        }
    }
}
