//! Endpoint sets.

use std::sync::Arc;

use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet};

use super::Error;
use crate::sync as wire;

/// A set with the name of its lookup, for the wire.
#[must_use]
pub fn to_wire(key: &EndpointKey, set: &EndpointSet) -> wire::EndpointSet {
    wire::EndpointSet {
        key: key.to_string(),
        hash: set.hash().to_string(),
        endpoints: set.endpoints().iter().map(Into::into).collect(),
    }
}

/// Reads a set. Its hash is computed anew: another one than the sender's means that the two differ
/// in what they know of endpoints.
///
/// # Errors
/// A port that is none, an empty key, or more endpoints than a service may have.
pub fn from_wire(set: wire::EndpointSet) -> Result<(EndpointKey, Arc<EndpointSet>), Error> {
    if set.key.is_empty() {
        return Err(Error::Missing("key"));
    }
    let endpoints = set.endpoints.into_iter().map(Endpoint::try_from);
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
    let found = EndpointSet::new(endpoints).map_err(|error| Error::Invalid {
        field: "endpoints",
        expected: "fewer endpoints",
        got: error.to_string(),
    })?;
    Ok((EndpointKey::from_text(&set.key), Arc::new(found)))
}

impl From<&Endpoint> for wire::Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host.clone(),
            port: endpoint.port.map_or(0, u32::from),
            weight: endpoint.weight,
            priority: endpoint.priority,
            region: endpoint.region.clone().unwrap_or_default(),
            zone: endpoint.zone.clone().unwrap_or_default(),
        }
    }
}

impl TryFrom<wire::Endpoint> for Endpoint {
    type Error = Error;

    fn try_from(endpoint: wire::Endpoint) -> Result<Self, Error> {
        let port = u16::try_from(endpoint.port).map_err(|_| Error::Invalid {
            field: "port",
            expected: "a port up to 65535",
            got: endpoint.port.to_string(),
        })?;
        let text = |text: String| (!text.is_empty()).then_some(text);
        Ok(Self {
            host: endpoint.host,
            port: (port > 0).then_some(port),
            weight: endpoint.weight,
            priority: endpoint.priority,
            region: text(endpoint.region),
            zone: text(endpoint.zone),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_survives_the_wire() {
        let far = Endpoint {
            weight: 7,
            priority: -1,
            region: Some("eu".to_owned()),
            zone: Some("eu-1".to_owned()),
            ..Endpoint::new("10.0.0.1", Some(80))
        };
        let set = EndpointSet::new([far, Endpoint::new("::1", None)]).unwrap();
        let key = EndpointKey::from_text("consul/*/web");
        let (again, found) = from_wire(to_wire(&key, &set)).unwrap();
        assert_eq!((again, &*found), (key, &set));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        assert_eq!(
            from_wire(wire::EndpointSet::default()),
            Err(Error::Missing("key"))
        );
        let set = wire::EndpointSet {
            key: "k".to_owned(),
            endpoints: vec![wire::Endpoint {
                port: 65_536,
                ..wire::Endpoint::default()
            }],
            ..wire::EndpointSet::default()
        };
        assert!(from_wire(set).is_err());
    }
}
