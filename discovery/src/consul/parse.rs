//! From answers of Consul to endpoints. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use weir_model::endpoint::Endpoint;
use weir_model::registry::DefaultService;

/// One entry of `/v1/health/service/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    node: Node,
    service: Service,
}

type Meta = Option<Map<String, Value>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: i64,
    #[serde(default)]
    meta: Meta,
    #[serde(default)]
    weights: Option<Weights>,
    #[serde(default)]
    locality: Option<Locality>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Locality {
    #[serde(default)]
    region: String,
    #[serde(default)]
    zone: String,
}

/// The endpoint of an entry; `None` when it has no address or port. `weight` is for entries that
/// state none, neither as metadata nor as a weight other than Consul's own default of 1.
pub(super) fn endpoint(entry: &Entry, weight: u32) -> Option<Endpoint> {
    let service = &entry.service;
    let host = [&service.address, &entry.node.address]
        .into_iter()
        .find(|host| !host.is_empty())?;
    let port = u16::try_from(service.port).ok().filter(|port| *port > 0)?;
    let passing = service.weights.as_ref().map(|weights| weights.passing);
    let stated = number(&service.meta, "weight").or_else(|| passing.filter(|weight| *weight != 1));
    let locality = |pick: fn(&Locality) -> &String| {
        let stated = service.locality.as_ref().map(pick);
        stated.filter(|text| !text.is_empty()).cloned()
    };
    let fact = |name: &str| text(&service.meta, name).or_else(|| text(&entry.node.meta, name));
    Some(Endpoint {
        weight: stated.map_or(weight, clamped),
        region: fact("region").or_else(|| locality(|known| &known.region)),
        zone: fact("zone").or_else(|| locality(|known| &known.zone)),
        ..Endpoint::new(host.as_str(), Some(port))
    })
}

/// One entry of `/v1/kv/FOLDER?recurse`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Pair {
    pub(super) key: String,
    #[serde(default)]
    value: Option<String>,
}

/// The endpoint of a key `FOLDER/HOST:PORT`, whose value is JSON such as `{"weight": 1}`; `None`
/// for keys of another form.
pub(super) fn kv_endpoint(pair: &Pair, folder: &str, weight: u32) -> Option<Endpoint> {
    let address = pair.key.strip_prefix(folder)?.trim_matches('/');
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port: &u16| *port > 0)?;
    let value = pair
        .value
        .as_ref()
        .and_then(|text| STANDARD.decode(text).ok());
    let value = value.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let meta: Meta = value.and_then(|value| match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Some(Endpoint {
        weight: number(&meta, "weight").map_or(weight, clamped),
        region: text(&meta, "region"),
        zone: text(&meta, "zone"),
        ..Endpoint::new(host, Some(port))
    })
}

/// The node that stands in for a service without any.
pub(super) fn stand_in(default: &DefaultService) -> Option<Endpoint> {
    let weight = default.metadata.get("weight").and_then(Value::as_i64);
    Some(Endpoint {
        weight: weight.map_or(1, clamped),
        ..Endpoint::new(default.host.clone()?, default.port)
    })
}

fn text(meta: &Meta, name: &str) -> Option<String> {
    let text = meta.as_ref()?.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number, which Consul's own metadata writes as text.
fn number(meta: &Meta, name: &str) -> Option<i64> {
    match meta.as_ref()?.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| *number >= 0)
}

fn clamped(weight: i64) -> u32 {
    u32::try_from(weight.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(service: Value) -> Option<Endpoint> {
        let entry = json!({
            "Node": {"Node": "n1", "Address": "10.0.0.9", "Meta": {"zone": "a", "region": "r"}},
            "Service": service,
            "Checks": [{"Status": "passing"}]
        });
        endpoint(&serde_json::from_value(entry).unwrap(), 3)
    }

    #[test]
    fn the_service_address_wins_over_that_of_its_node() {
        let found = parsed(json!({"ID": "w1", "Address": "10.0.0.1", "Port": 80})).unwrap();
        assert_eq!(
            (found.to_string().as_str(), found.weight),
            ("10.0.0.1:80", 3)
        );
        assert_eq!(found.zone.as_deref(), Some("a"));
        let found = parsed(json!({"Address": "", "Port": 80, "Meta": null})).unwrap();
        assert_eq!(found.to_string(), "10.0.0.9:80");
    }

    #[test]
    fn weights_come_from_metadata_then_from_the_service() {
        let weight = |service| parsed(service).unwrap().weight;
        let weights = json!({"Passing": 7, "Warning": 1});
        assert_eq!(
            weight(json!({"Port": 1, "Weights": weights, "Meta": {"weight": "5"}})),
            5
        );
        assert_eq!(weight(json!({"Port": 1, "Weights": weights})), 7);
        assert_eq!(
            weight(json!({"Port": 1, "Weights": {"Passing": 1, "Warning": 1}})),
            3
        );
        assert_eq!(
            weight(json!({"Port": 1, "Weights": {"Passing": 0, "Warning": 1}})),
            0
        );
        assert_eq!(weight(json!({"Port": 1, "Meta": {"weight": "-5"}})), 3);
    }

    #[test]
    fn locality_and_metadata_say_where_it_is() {
        let locality = json!({"Region": "us", "Zone": "us-1"});
        let found =
            parsed(json!({"Port": 1, "Locality": locality, "Meta": {"zone": "z"}})).unwrap();
        assert_eq!(
            (found.region.as_deref(), found.zone.as_deref()),
            (Some("r"), Some("z"))
        );
    }

    #[test]
    fn entries_without_port_are_left_out() {
        for port in [0, -1, 70_000] {
            assert_eq!(parsed(json!({"Address": "10.0.0.1", "Port": port})), None);
        }
    }

    #[test]
    fn keys_are_addresses_and_values_are_json() {
        let pair = |key: &str, value: Option<&str>| Pair {
            key: key.to_owned(),
            value: value.map(|value| STANDARD.encode(value)),
        };
        let read = |key, value| kv_endpoint(&pair(key, value), "upstreams/web/", 2);
        let found = read(
            "upstreams/web/127.0.0.1:80",
            Some(r#"{"weight": 9, "max_fails": 1}"#),
        );
        assert_eq!(
            found.map(|e| (e.to_string(), e.weight)),
            Some(("127.0.0.1:80".into(), 9))
        );
        let found = read("upstreams/web/[::1]:80", Some("not json")).unwrap();
        assert_eq!((found.host.as_str(), found.weight), ("[::1]", 2));
        assert_eq!(read("upstreams/web/", None), None);
        assert_eq!(read("upstreams/web/host", None), None);
        assert_eq!(read("upstreams/webber/127.0.0.1:80", None), None);
    }
}
