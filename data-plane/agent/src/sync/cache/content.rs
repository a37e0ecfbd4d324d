//! What the files hold, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet, Endpoints};
use weir_model::{Resource, ResourceSet, Revision};

use super::format::Error;
use crate::sync::mirror::Mirror;

/// Something that a pair of files keeps.
pub(super) trait Content: Sized {
    fn to_json(&self) -> Vec<u8>;
    fn from_json(json: &[u8]) -> Result<Self, Error>;
}

#[derive(Serialize)]
struct State<'a> {
    cluster_id: &'a str,
    revision: Revision,
    resources: Vec<&'a Resource>,
}

#[derive(Deserialize)]
struct OwnedState {
    cluster_id: String,
    revision: Revision,
    resources: Vec<Arc<Resource>>,
}

/// The resources of a mirror; its endpoints have files of their own.
impl Content for Mirror {
    fn to_json(&self) -> Vec<u8> {
        let state = State {
            cluster_id: &self.cluster_id,
            revision: self.set.revision,
            resources: self.set.resources.values().map(Arc::as_ref).collect(),
        };
        // JSON values and strings always serialise.
        serde_json::to_vec(&state).unwrap_or_default()
    }

    fn from_json(json: &[u8]) -> Result<Self, Error> {
        let state: OwnedState = read(json)?;
        let resources = state.resources.into_iter();
        Ok(Mirror {
            cluster_id: state.cluster_id,
            set: ResourceSet {
                revision: state.revision,
                resources: resources.map(|found| (found.key.clone(), found)).collect(),
            },
            endpoints: Endpoints::default(),
        })
    }
}

impl Content for Endpoints {
    fn to_json(&self) -> Vec<u8> {
        let sets = self
            .iter()
            .map(|(key, set)| (key.as_str(), set.endpoints()));
        let sets: BTreeMap<&str, &[Endpoint]> = sets.collect();
        // Strings and numbers always serialise.
        serde_json::to_vec(&sets).unwrap_or_default()
    }

    fn from_json(json: &[u8]) -> Result<Self, Error> {
        let sets: BTreeMap<String, Vec<Endpoint>> = read(json)?;
        let sets = sets.into_iter().map(|(key, endpoints)| {
            let set =
                EndpointSet::new(endpoints).map_err(|error| Error::Body(error.to_string()))?;
            Ok((EndpointKey::from_text(&key), Arc::new(set)))
        });
        sets.collect()
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| Error::Body(error.to_string()))
}
