//! A copy of a Eureka registry, kept up to date by what changed. Pure.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use weir_model::endpoint::Endpoint;

/// One registered instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// The status that it reports itself, which the hash counts.
    pub(super) status: String,
    /// Where it gets traffic; none while it is not UP.
    pub(super) endpoint: Option<Endpoint>,
}

/// What became of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// It is new or different.
    Put(Instance),
    /// It is gone.
    Delete,
}

/// One entry of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) app: String,
    pub(super) id: String,
    pub(super) action: Action,
}

/// All applications, by name in capitals. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Apps {
    by_name: BTreeMap<String, Arc<BTreeMap<String, Instance>>>,
}

impl Apps {
    /// The registry of a whole answer.
    pub(super) fn whole(entries: Vec<Entry>) -> Self {
        let mut apps = Self::default();
        apps.apply(entries);
        apps
    }

    /// Takes over what changed.
    pub(super) fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match entry.action {
                Action::Put(instance) => {
                    let app = self.by_name.entry(entry.app).or_default();
                    Arc::make_mut(app).insert(entry.id, instance);
                }
                Action::Delete => {
                    let Some(app) = self.by_name.get_mut(&entry.app) else {
                        continue;
                    };
                    Arc::make_mut(app).remove(&entry.id);
                    if app.is_empty() {
                        self.by_name.remove(&entry.app);
                    }
                }
            }
        }
    }

    /// How many instances have which status, as Eureka writes it: `DOWN_1_UP_7_`.
    pub(super) fn hash(&self) -> String {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for instance in self.by_name.values().flat_map(|app| app.values()) {
            *counts.entry(&instance.status).or_default() += 1;
        }
        let sorted: BTreeMap<_, _> = counts.into_iter().collect();
        let mut hash = String::new();
        for (status, count) in sorted {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{status}_{count}_");
        }
        hash
    }

    /// Where the instances of an application get traffic.
    pub(super) fn endpoints(&self, name: &str) -> impl Iterator<Item = &Endpoint> {
        let app = self.by_name.get(name).into_iter();
        app.flat_map(|app| app.values())
            .filter_map(|instance| instance.endpoint.as_ref())
    }

    /// How many instances an application has, in any status.
    pub(super) fn instances(&self, name: &str) -> usize {
        self.by_name.get(name).map_or(0, |app| app.len())
    }

    /// Whether nothing at all is registered.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(app: &str, id: &str, status: &str) -> Entry {
        let action = match status {
            "" => Action::Delete,
            _ => Action::Put(Instance {
                status: status.to_owned(),
                endpoint: (status == "UP").then(|| Endpoint::new(id, Some(80))),
            }),
        };
        Entry {
            app: app.to_owned(),
            id: id.to_owned(),
            action,
        }
    }

    fn hosts(apps: &Apps, name: &str) -> Vec<String> {
        apps.endpoints(name)
            .map(|endpoint| endpoint.host.clone())
            .collect()
    }

    #[test]
    fn the_hash_counts_statuses_in_their_order() {
        assert_eq!(Apps::default().hash(), "");
        let apps = Apps::whole(vec![
            entry("A", "1", "UP"),
            entry("B", "1", "UP"),
            entry("A", "2", "OUT_OF_SERVICE"),
            entry("A", "3", "DOWN"),
        ]);
        assert_eq!(apps.hash(), "DOWN_1_OUT_OF_SERVICE_1_UP_2_");
    }

    #[test]
    fn changes_add_replace_and_remove() {
        let mut apps = Apps::whole(vec![entry("A", "1", "UP"), entry("A", "2", "UP")]);
        apps.apply(vec![
            entry("A", "1", "DOWN"),
            entry("A", "3", "UP"),
            entry("B", "1", ""),
        ]);
        assert_eq!(hosts(&apps, "A"), ["2", "3"]);
        assert_eq!((apps.instances("A"), apps.instances("B")), (3, 0));
        apps.apply(["1", "2", "3"].map(|id| entry("A", id, "")).to_vec());
        assert!(apps.is_empty());
    }

    /// Whatever the history, the copy is what a whole answer would say: every history of four
    /// steps with two applications of two instances.
    #[test]
    fn changes_lead_where_a_whole_answer_does() {
        let steps: Vec<Entry> = (0..12)
            .map(|n| {
                let (app, id) = (["A", "B"][n / 6], ["1", "2"][n / 3 % 2]);
                entry(app, id, ["", "UP", "DOWN"][n % 3])
            })
            .collect();
        for history in 0..12_usize.pow(4) {
            let mut apps = Apps::default();
            let mut last = BTreeMap::new();
            for at in 0..4 {
                let entry = &steps[history / 12_usize.pow(at) % 12];
                last.insert((&entry.app, &entry.id), entry.clone());
                apps.apply(vec![entry.clone()]);
            }
            let there = last
                .into_values()
                .filter(|entry| entry.action != Action::Delete);
            let whole = Apps::whole(there.collect());
            assert_eq!(apps, whole);
            assert_eq!(apps.hash(), whole.hash());
        }
    }
}
