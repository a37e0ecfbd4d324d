//! Endpoint sets as they come: chunks of one response until it is complete. They have no revision;
//! the last one counts.

use std::sync::Arc;

use weir_model::endpoint::{EndpointKey, EndpointSet, Endpoints};
use weir_proto::convert::endpoint::from_wire;
use weir_proto::sync::{EndpointVersion, StreamResponse};

/// Sets that one response may carry.
const MAX_SETS: usize = 200_000;

/// A complete response.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) nonce: String,
    upserts: Vec<(EndpointKey, Arc<EndpointSet>)>,
    removals: Vec<EndpointKey>,
}

/// The response that is being received.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    open: Option<Changes>,
}

impl Assembly {
    /// Takes a chunk; the response when it is complete.
    ///
    /// # Errors
    /// A chunk that cannot be part of what came before, or that cannot be read.
    pub(crate) fn push(&mut self, chunk: StreamResponse) -> Result<Option<Changes>, String> {
        let mut open = self.open.take().unwrap_or_else(|| Changes {
            nonce: chunk.nonce.clone(),
            ..Changes::default()
        });
        if open.nonce != chunk.nonce {
            return Err(format!(
                "a chunk of response {:?} came while response {:?} was open",
                chunk.nonce, open.nonce
            ));
        }
        if open.upserts.len() + chunk.endpoint_sets.len() > MAX_SETS {
            return Err(format!(
                "response {:?} has more than {MAX_SETS} endpoint sets",
                chunk.nonce
            ));
        }
        for set in chunk.endpoint_sets {
            let read = from_wire(set);
            let read = read.map_err(|error| format!("response {:?}: {error}", chunk.nonce))?;
            open.upserts.push(read);
        }
        let removals = chunk.endpoint_removals.iter();
        open.removals
            .extend(removals.map(|key| EndpointKey::from_text(key)));
        if chunk.last {
            return Ok(Some(open));
        }
        self.open = Some(open);
        Ok(None)
    }
}

impl Changes {
    /// The sets after these changes; `None` when nothing is different then.
    pub(crate) fn after(&self, before: &Endpoints) -> Option<Endpoints> {
        let mut after = before.clone();
        let mut changed = false;
        for (key, set) in &self.upserts {
            changed |= after.insert(key.clone(), Arc::clone(set));
        }
        for key in &self.removals {
            changed |= after.get(key).is_some();
            after.remove(key);
        }
        changed.then_some(after)
    }
}

/// What an agent has, as it tells the control node.
pub(crate) fn versions(endpoints: &Endpoints) -> Vec<EndpointVersion> {
    let version = |(key, set): (&EndpointKey, &Arc<EndpointSet>)| EndpointVersion {
        key: key.to_string(),
        hash: set.hash().to_string(),
    };
    endpoints.iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    use weir_model::endpoint::Endpoint;
    use weir_proto::convert::endpoint::to_wire;

    use super::*;

    fn set(host: &str) -> EndpointSet {
        EndpointSet::new([Endpoint::new(host, Some(80))]).unwrap()
    }

    fn chunk(nonce: &str, sets: &[(&str, &str)], removals: &[&str], last: bool) -> StreamResponse {
        let sets = sets.iter();
        StreamResponse {
            nonce: nonce.to_owned(),
            of_endpoints: true,
            endpoint_sets: sets
                .map(|(key, host)| to_wire(&EndpointKey::from_text(key), &set(host)))
                .collect(),
            endpoint_removals: removals.iter().map(ToString::to_string).collect(),
            last,
            ..StreamResponse::default()
        }
    }

    #[test]
    fn a_response_counts_when_it_is_complete() {
        let mut assembly = Assembly::default();
        let first = assembly.push(chunk("n", &[("a", "10.0.0.1")], &[], false));
        assert_eq!(first, Ok(None));
        let last = assembly.push(chunk("n", &[("b", "10.0.0.2")], &["c"], true));
        let before = Endpoints::from_iter([
            (EndpointKey::from_text("b"), Arc::new(set("10.0.0.9"))),
            (EndpointKey::from_text("c"), Arc::new(set("10.0.0.3"))),
        ]);
        let changes = last.unwrap().unwrap();
        let after = changes.after(&before).unwrap();
        let named: Vec<String> = versions(&after).into_iter().map(|v| v.key).collect();
        assert_eq!(named, ["a", "b"]);
        assert_eq!(
            **after.get(&EndpointKey::from_text("b")).unwrap(),
            set("10.0.0.2")
        );
        assert_eq!(
            changes.after(&after),
            None,
            "the second time changes nothing"
        );
    }

    #[test]
    fn responses_do_not_mix() {
        let mut assembly = Assembly::default();
        assembly.push(chunk("n", &[], &[], false)).unwrap();
        assert!(assembly.push(chunk("m", &[], &[], true)).is_err());
    }
}
