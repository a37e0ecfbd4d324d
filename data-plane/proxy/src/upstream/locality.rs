//! How far away a node is from the agent.

use weir_model::upstream::{Locality, LocalityMode, Node};

use super::selection::{ELSEWHERE, REGION, ZONE};

/// Where an agent is. Empty texts mean that it does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// Region.
    pub region: String,
    /// Zone inside the region.
    pub zone: String,
}

impl Home {
    /// Whether near and far can be told apart.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.region.is_empty()
    }
}

/// The distance of a node; `None` when it is too far to be used. An agent that does not know where
/// it is uses all nodes alike.
pub(super) fn distance(node: &Node, locality: Option<&Locality>, home: &Home) -> Option<u8> {
    let Some(locality) = locality.filter(|locality| locality.mode != LocalityMode::Off) else {
        return Some(ELSEWHERE);
    };
    if !home.is_known() {
        return Some(ELSEWHERE);
    }
    let is_here = |here: &str, there: Option<&str>| !here.is_empty() && there == Some(here);
    let region = node.region();
    if is_here(&home.zone, node.zone()) && region.is_none_or(|region| region == home.region) {
        return Some(ZONE);
    }
    if is_here(&home.region, region) {
        return Some(REGION);
    }
    let named = locality
        .failover
        .iter()
        .position(|name| Some(name.as_str()) == region);
    match named.and_then(|at| u8::try_from(at).ok()) {
        // The schema allows 32 of them.
        Some(at) => Some((REGION + 1).saturating_add(at).min(ELSEWHERE - 1)),
        None if locality.mode == LocalityMode::Strict => None,
        None => Some(ELSEWHERE),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_model::upstream::Upstream;

    use super::*;

    #[test]
    fn zone_region_named_regions_and_the_rest() {
        let upstream = |mode: &str| {
            let node = |metadata: serde_json::Value| json!({"host": "127.0.0.1", "port": 1, "weight": 1, "metadata": metadata});
            let spec = json!({"locality": {"mode": mode, "failover": ["us", "asia"]}, "nodes": [
                node(json!({"region": "eu", "zone": "a"})),
                node(json!({"region": "eu", "zone": "b"})),
                node(json!({"region": "eu"})),
                node(json!({"zone": "a"})),
                node(json!({"region": "us", "zone": "a"})),
                node(json!({"region": "asia"})),
                node(json!({"region": "africa"})),
                node(json!({})),
            ]});
            Upstream::parse(&spec).unwrap()
        };
        let here = Home {
            region: "eu".into(),
            zone: "a".into(),
        };
        let distances = |mode: &str, home: &Home| -> Vec<Option<u8>> {
            let upstream = upstream(mode);
            let locality = upstream.locality.as_ref();
            let nodes = upstream.nodes.iter();
            nodes.map(|node| distance(node, locality, home)).collect()
        };
        let far = Some(ELSEWHERE);
        let near = [Some(0), Some(1), Some(1), Some(0), Some(2), Some(3)];
        assert_eq!(
            distances("prefer", &here),
            [&near[..], &[far, far]].concat()
        );
        assert_eq!(
            distances("strict", &here),
            [&near[..], &[None, None]].concat()
        );
        assert_eq!(distances("off", &here), [far; 8]);
        assert_eq!(distances("strict", &Home::default()), [far; 8]);
    }
}
