//! Names among the nodes of an upstream: every address that a name has now is a node of its own.

use std::collections::HashMap;

use weir_model::endpoint::{Endpoints, Lookup};
use weir_model::upstream::{Node, Upstream};

/// The names of an upstream, and its nodes before addresses took their place.
#[derive(Debug)]
pub(super) struct Names {
    written: Vec<Node>,
    /// What is looked up.
    pub(super) lookups: Vec<Lookup>,
}

impl Names {
    /// Puts the known addresses of names in their place; `None` when no node is a name. A name
    /// that has no answer yet stays a node, and requests wait for it; one that does not resolve is
    /// left out while there is any other node.
    pub(super) fn expand(config: &mut Upstream, addresses: &Endpoints) -> Option<Self> {
        let lookups = config.names();
        if lookups.is_empty() {
            return None;
        }
        let answer = |lookup: &'_ Lookup| Some(addresses.get(&lookup.key())?.endpoints());
        let answers: HashMap<&str, _> = lookups
            .iter()
            .filter_map(|lookup| Some((lookup.service_name.as_str(), answer(lookup)?)))
            .collect();
        let written = std::mem::take(&mut config.nodes);
        for node in &written {
            let Some(answer) = answers.get(node.host.as_str()) else {
                config.nodes.push(node.clone());
                continue;
            };
            config.nodes.extend(answer.iter().map(|endpoint| Node {
                address: endpoint.host.parse().ok(),
                ..node.clone()
            }));
        }
        if config.nodes.is_empty() {
            // The failure of a request says that names do not resolve.
            config.nodes.clone_from(&written);
        }
        Some(Self { written, lookups })
    }

    /// The nodes as they were before.
    pub(super) fn written(&self) -> &[Node] {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use weir_model::endpoint::{Endpoint, EndpointSet};

    use super::*;

    fn expanded(answers: &[(&str, &[&str])]) -> Vec<String> {
        let spec = json!({"nodes": [
            {"host": "a.test", "port": 80, "weight": 3, "priority": 1},
            {"host": "10.0.0.9", "port": 81, "weight": 1},
            {"host": "b.test", "weight": 2},
        ]});
        let mut config = Upstream::parse(&spec).unwrap();
        let known = answers.iter().map(|(name, found)| {
            let found = found.iter().map(|address| Endpoint::new(*address, None));
            let set = EndpointSet::new(found).unwrap();
            (Lookup::of_name(name, &config).key(), Arc::new(set))
        });
        let known: Endpoints = known.collect();
        let names = Names::expand(&mut config, &known).unwrap();
        assert_eq!(names.written().len(), 3);
        let shown = |node: &Node| {
            let address = node.address.map(|address| address.to_string());
            let address = address.unwrap_or_default();
            format!("{}={address} {}/{}", node.host, node.weight, node.priority)
        };
        config.nodes.iter().map(shown).collect()
    }

    #[test]
    fn every_address_is_a_node_with_what_the_entry_says() {
        assert_eq!(
            expanded(&[("a.test", &["10.0.0.2", "10.0.0.1"]), ("b.test", &["::1"])]),
            [
                "a.test=10.0.0.1 3/1",
                "a.test=10.0.0.2 3/1",
                "10.0.0.9= 1/0",
                "b.test=::1 2/0"
            ]
        );
    }

    #[test]
    fn a_name_without_an_answer_stays_and_one_that_fails_goes() {
        assert_eq!(
            expanded(&[("a.test", &[])]),
            ["10.0.0.9= 1/0", "b.test= 2/0"]
        );
    }

    #[test]
    fn when_nothing_is_left_names_stay_so_that_requests_tell_the_cause() {
        let mut config = Upstream::parse(&json!({"nodes": {"a.test": 1}})).unwrap();
        let key = Lookup::of_name("a.test", &config).key();
        let failed = Endpoints::from_iter([(key, Arc::default())]);
        Names::expand(&mut config, &failed).unwrap();
        assert_eq!(config.nodes.len(), 1);
        config.nodes.clear();
        assert!(Names::expand(&mut config, &failed).is_none());
    }
}
