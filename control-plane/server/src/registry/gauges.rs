//! What is known of each lookup, as numbers for a scrape.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use weir_model::endpoint::EndpointKey;

use super::record::Record;

type Number = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabel {
    lookup: String,
    registry: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabel {
    lookup: String,
    registry: String,
    service: String,
    kind: &'static str,
}

/// Gauges of all lookups of a node, set anew at every scrape.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    endpoints: Family<LookupLabel, Number>,
    age: Family<LookupLabel, Number>,
    index: Family<LookupLabel, Number>,
    failing: Family<FailureLabel, Number>,
    held: Family<LookupLabel, Number>,
}

impl Gauges {
    /// Adds them to the metrics of the node.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let of_lookups = [
            (
                "discovery_endpoints",
                "Endpoints that agents are told",
                &self.endpoints,
            ),
            (
                "discovery_age_seconds",
                "Time since the registry last confirmed what agents are told",
                &self.age,
            ),
            (
                "discovery_index",
                "State of the registry in its own terms, where that is a number",
                &self.index,
            ),
            (
                "discovery_held_endpoints",
                "Endpoints that the registry no longer names, kept for the grace time",
                &self.held,
            ),
        ];
        for (name, help, family) in of_lookups {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "discovery_failing_seconds",
            "Time since the registry cannot be read, by what is wrong now",
            self.failing.clone(),
        );
    }

    /// Sets them to what is known at `now_ms`; lookups that are gone do not linger.
    pub(crate) fn set(&self, records: &[(EndpointKey, Record)], now_ms: u64) {
        let families = [&self.endpoints, &self.age, &self.index, &self.held];
        for family in families {
            family.clear();
        }
        self.failing.clear();
        let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        for (key, record) in records {
            let label = LookupLabel {
                lookup: key.to_string(),
                registry: record.registry.clone(),
                service: record.lookup.service_name.clone(),
            };
            let put = |family: &Family<LookupLabel, Number>, value| {
                family.get_or_create(&label).set(value);
            };
            if let Some(set) = &record.set {
                put(&self.endpoints, set.len() as u64);
                put(&self.age, seconds(record.checked_ms));
            }
            if let Ok(index) = record.index.parse() {
                put(&self.index, index);
            }
            put(
                &self.held,
                record.held.map_or(0, |held| held.missing as u64),
            );
            if let Some(failing) = &record.failing {
                let label = FailureLabel {
                    lookup: label.lookup.clone(),
                    registry: label.registry.clone(),
                    service: label.service.clone(),
                    kind: failing.failure.kind,
                };
                let family = self.failing.get_or_create(&label);
                family.set(seconds(failing.since_ms));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use prometheus_client::encoding::text::encode;
    use serde_json::json;
    use weir_model::Kind;
    use weir_model::endpoint::{Endpoint, EndpointSet, lookups};

    use super::super::record::{Failing, Failure, HeldBack};
    use super::*;

    fn record(index: &str) -> (EndpointKey, Record) {
        let spec = json!({"discovery_type": "consul", "service_name": "web"});
        let lookup = lookups(Kind::Upstream, &spec).remove(0);
        let mut record = Record::new(lookup.clone(), BTreeSet::new());
        record.registry = "main".to_owned();
        record.index = index.to_owned();
        (lookup.key(), record)
    }

    fn scraped(gauges: &Gauges) -> Vec<String> {
        let mut registry = Registry::default();
        gauges.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                line.replace(
                    "lookup=\"consul/*/web\",registry=\"main\",service=\"web\"",
                    "",
                )
            })
            .collect()
    }

    #[test]
    fn every_lookup_has_its_numbers_and_none_that_it_has_not() {
        let gauges = Gauges::default();
        let (key, mut known) = record("17");
        let set = EndpointSet::new([Endpoint::new("10.0.0.1", Some(80))]).unwrap();
        known.set = Some(Arc::new(set));
        known.checked_ms = 40_000;
        known.held = Some(HeldBack {
            since_ms: 0,
            until_ms: 0,
            offered: 0,
            missing: 3,
        });
        known.failing = Some(Failing {
            failure: Failure {
                kind: "timeout",
                message: String::new(),
            },
            since_ms: 90_000,
            attempts: 2,
        });
        gauges.set(&[(key, known)], 100_000);
        assert_eq!(
            scraped(&gauges),
            [
                "discovery_endpoints{} 1",
                "discovery_age_seconds{} 60",
                "discovery_index{} 17",
                "discovery_held_endpoints{} 3",
                "discovery_failing_seconds{,kind=\"timeout\"} 10",
            ]
        );
        gauges.set(&[record("UP_3_")], 100_000);
        assert_eq!(scraped(&gauges), ["discovery_held_endpoints{} 0"]);
        gauges.set(&[], 100_000);
        assert!(scraped(&gauges).is_empty());
    }
}
