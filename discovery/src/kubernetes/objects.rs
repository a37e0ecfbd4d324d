//! From EndpointSlices and Endpoints to endpoints. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use weir_model::endpoint::Endpoint;

use super::place::Place;

/// What every object has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
}

/// Either kind of object, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    /// Of an EndpointSlice.
    #[serde(default)]
    endpoints: Option<Vec<SliceEndpoint>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
    /// Of Endpoints.
    #[serde(default)]
    subsets: Option<Vec<Subset>>,
}

#[derive(Debug, Deserialize)]
struct SliceEndpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
    #[serde(default)]
    zone: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(default)]
    name: Option<String>,
    /// None when all ports are meant.
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Subset {
    #[serde(default)]
    addresses: Option<Vec<Address>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
struct Address {
    ip: String,
}

/// The objects of one service, by name.
#[derive(Debug, Default)]
pub(super) struct Objects(BTreeMap<String, Object>);

/// What the objects amount to.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) endpoints: Vec<Endpoint>,
    /// Why there are none, or why these.
    pub(super) note: Option<String>,
}

/// Who may get traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// On its way out, and still good.
    Leaving,
    No,
}

impl Conditions {
    fn state(&self) -> State {
        // What is not said is well.
        if self.ready.unwrap_or(true) {
            State::Ready
        } else if self.serving == Some(true) && self.terminating == Some(true) {
            State::Leaving
        } else {
            State::No
        }
    }
}

impl Objects {
    pub(super) fn put(&mut self, object: Object) {
        self.0.insert(object.metadata.name.clone(), object);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The endpoints of a port: the ready ones; when there is none, those that terminate and still
    /// serve. In a cluster of both families those of IPv4, since both name the same pods.
    pub(super) fn found(&self, place: &Place, weight: u32) -> Found {
        let mut seen = Seen::default();
        for object in self.0.values() {
            seen.slice(object, place, weight);
            for subset in object.subsets.iter().flatten() {
                seen.subset(subset, place, weight);
            }
        }
        seen.conclude(place)
    }
}

#[derive(Default)]
struct Seen {
    endpoints: Vec<(State, Endpoint)>,
    ports: BTreeSet<String>,
    has_port: bool,
}

impl Seen {
    fn slice(&mut self, object: &Object, place: &Place, weight: u32) {
        let numbers = self.numbers(object.ports.as_deref(), place);
        for endpoint in object.endpoints.iter().flatten() {
            let state = endpoint
                .conditions
                .as_ref()
                .map_or(State::Ready, Conditions::state);
            // All addresses of an endpoint are the same pod.
            let Some(address) = endpoint.addresses.first() else {
                continue;
            };
            self.add(state, address, &numbers, weight, endpoint.zone.as_ref());
        }
    }

    fn subset(&mut self, subset: &Subset, place: &Place, weight: u32) {
        let numbers = self.numbers(subset.ports.as_deref(), place);
        for address in subset.addresses.iter().flatten() {
            self.add(State::Ready, &address.ip, &numbers, weight, None);
        }
    }

    fn add(
        &mut self,
        state: State,
        address: &str,
        numbers: &[u16],
        weight: u32,
        zone: Option<&String>,
    ) {
        for number in numbers {
            let endpoint = Endpoint {
                weight,
                zone: zone.cloned(),
                ..Endpoint::new(address, Some(*number))
            };
            self.endpoints.push((state, endpoint));
        }
    }

    /// The numbers of the wanted port. A list without ports means every port.
    fn numbers(&mut self, ports: Option<&[Port]>, place: &Place) -> Vec<u16> {
        let mut numbers = BTreeSet::new();
        for port in ports.unwrap_or_default() {
            let name = port.name.as_deref().filter(|name| !name.is_empty());
            let Some(number) = port.port else {
                continue;
            };
            let text = name.map_or_else(|| number.to_string(), ToOwned::to_owned);
            self.ports.insert(text);
            if place.is_port(name, number) {
                numbers.insert(number);
            }
        }
        self.has_port |= !numbers.is_empty();
        numbers.into_iter().collect()
    }

    fn conclude(self, place: &Place) -> Found {
        let count = self.endpoints.len();
        let ready = self.of(State::Ready);
        if !ready.is_empty() {
            return Found {
                endpoints: ready,
                note: None,
            };
        }
        let leaving = self.of(State::Leaving);
        let note = if !leaving.is_empty() {
            "no endpoint is ready; those that terminate still serve".to_owned()
        } else if count > 0 {
            format!("none of {count} endpoints is ready")
        } else if !self.has_port && !self.ports.is_empty() {
            let ports: Vec<String> = self.ports.into_iter().collect();
            format!("no port {:?}; there is {}", place.port, ports.join(", "))
        } else {
            let Place {
                namespace, name, ..
            } = place;
            format!("service {name:?} of namespace {namespace:?} has no endpoints")
        };
        Found {
            endpoints: leaving,
            note: Some(note),
        }
    }

    fn of(&self, state: State) -> Vec<Endpoint> {
        let fits = self.endpoints.iter().filter(|(is, _)| *is == state);
        let fits: Vec<&Endpoint> = fits.map(|(_, endpoint)| endpoint).collect();
        let is_six = |endpoint: &&&Endpoint| endpoint.host.contains(':');
        let mixed = fits.iter().any(|endpoint| !is_six(&endpoint));
        let wanted = fits
            .iter()
            .filter(|endpoint| !mixed || !is_six(endpoint))
            .copied();
        wanted.cloned().collect()
    }
}

impl Object {
    /// Reads an object of a list or an event.
    pub(super) fn parse(value: Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(objects: Vec<Value>, service: &str) -> (Vec<String>, Option<String>) {
        let mut all = Objects::default();
        for object in objects {
            all.put(Object::parse(object).unwrap());
        }
        let found = all.found(&Place::parse(service).unwrap(), 50);
        let texts = found.endpoints.iter().map(ToString::to_string).collect();
        (texts, found.note)
    }

    fn slice(name: &str, family: &str, endpoints: Value) -> Value {
        json!({
            "metadata": {"name": name, "resourceVersion": "7"}, "addressType": family,
            "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}],
            "endpoints": endpoints
        })
    }

    #[test]
    fn ready_endpoints_of_all_slices_count() {
        let one = json!([
            {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
            {"addresses": ["10.0.0.3", "10.0.0.4"], "conditions": {}},
            {"addresses": [], "conditions": {}}
        ]);
        let two = json!([{"addresses": ["10.0.1.1"]}]);
        let objects = vec![slice("a", "IPv4", one), slice("b", "IPv4", two)];
        let all = ["10.0.0.1:8080", "10.0.0.3:8080", "10.0.1.1:8080"];
        assert_eq!(found(objects.clone(), "d/web:http").0, all);
        assert_eq!(found(objects.clone(), "d/web:8080").0, all);
        let (none, note) = found(objects, "d/web:grpc");
        assert!(none.is_empty());
        assert_eq!(note.unwrap(), "no port \"grpc\"; there is admin, http");
    }

    #[test]
    fn who_leaves_serves_when_nobody_is_ready() {
        let leaving = json!({"ready": false, "serving": true, "terminating": true});
        let gone = json!({"ready": false, "serving": false, "terminating": true});
        let endpoints = |ready: bool| {
            json!([
                {"addresses": ["10.0.0.1"], "conditions": {"ready": ready}},
                {"addresses": ["10.0.0.2"], "conditions": leaving},
                {"addresses": ["10.0.0.3"], "conditions": gone}
            ])
        };
        let with = |ready| found(vec![slice("a", "IPv4", endpoints(ready))], "d/web:http");
        assert_eq!(with(true), (vec!["10.0.0.1:8080".into()], None));
        let (some, note) = with(false);
        assert_eq!(some, ["10.0.0.2:8080"]);
        assert!(note.unwrap().contains("terminate"));
    }

    #[test]
    fn one_family_is_enough() {
        let four = slice("a", "IPv4", json!([{"addresses": ["10.0.0.1"]}]));
        let six = slice("b", "IPv6", json!([{"addresses": ["fd00::1"]}]));
        let both = found(vec![four, six.clone()], "d/web:http");
        assert_eq!(both.0, ["10.0.0.1:8080"]);
        assert_eq!(found(vec![six], "d/web:http").0, ["[fd00::1]:8080"]);
    }

    #[test]
    fn endpoints_of_old_are_read_too() {
        let object = json!({
            "metadata": {"name": "web"},
            "subsets": [
                {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}],
                 "ports": [{"port": 80}]},
                {"addresses": [{"ip": "10.0.0.3"}], "ports": [{"name": "x", "port": 81}]}
            ]
        });
        assert_eq!(found(vec![object.clone()], "d/web:80").0, ["10.0.0.1:80"]);
        assert_eq!(found(vec![object], "d/web:x").0, ["10.0.0.3:81"]);
        let empty = json!({"metadata": {"name": "web"}});
        let (none, note) = found(vec![empty], "d/web:80");
        assert!(none.is_empty());
        assert!(note.unwrap().ends_with("has no endpoints"));
    }
}
