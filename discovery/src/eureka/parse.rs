//! From answers of Eureka to entries. Pure. Its JSON comes from XML: a list of one may be the thing
//! itself, numbers and truths may be texts, and values may hide below `$`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use weir_model::endpoint::Endpoint;

use super::apps::{Action, Entry, Instance};

/// The answer to a question for all applications, or for what changed.
#[derive(Deserialize)]
pub(super) struct Answer {
    applications: Applications,
}

#[derive(Deserialize)]
struct Applications {
    #[serde(default, rename = "apps__hashcode")]
    hash: String,
    #[serde(default, deserialize_with = "one_or_many")]
    application: Vec<Application>,
}

#[derive(Deserialize)]
struct Application {
    name: String,
    #[serde(default, deserialize_with = "one_or_many")]
    instance: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    instance_id: Option<String>,
    #[serde(default)]
    host_name: String,
    #[serde(default)]
    ip_addr: String,
    #[serde(default)]
    status: String,
    overridden_status: Option<String>,
    /// The same, as older servers write it.
    #[serde(rename = "overriddenstatus")]
    overridden_before: Option<String>,
    port: Option<Value>,
    secure_port: Option<Value>,
    metadata: Option<Value>,
    data_center_info: Option<DataCenter>,
    action_type: Option<String>,
}

#[derive(Deserialize)]
struct DataCenter {
    metadata: Option<Value>,
}

impl Answer {
    /// The entries, and the hash that the registry has with them. `weight` is for instances that
    /// state none.
    pub(super) fn read(self, weight: u32) -> (Vec<Entry>, String) {
        let mut entries = Vec::new();
        for application in self.applications.application {
            let app = application.name.to_ascii_uppercase();
            let found = application.instance.into_iter();
            entries.extend(found.map(|raw| raw.entry(app.clone(), weight)));
        }
        (entries, self.applications.hash)
    }
}

impl Raw {
    fn entry(self, app: String, weight: u32) -> Entry {
        let action = match self.action_type.as_deref() {
            Some("DELETED") => Action::Delete,
            _ => Action::Put(Instance {
                endpoint: self.endpoint(weight),
                status: self.status.clone(),
            }),
        };
        Entry {
            id: self.id(),
            app,
            action,
        }
    }

    /// As Eureka itself tells instances apart.
    fn id(&self) -> String {
        let given = self.instance_id.clone().filter(|id| !id.is_empty());
        given
            .or_else(|| text(self.place(), "instance-id"))
            .unwrap_or_else(|| self.host_name.clone())
    }

    /// Facts of the cloud that it runs in.
    fn place(&self) -> Option<&Map<String, Value>> {
        let place = self.data_center_info.as_ref()?.metadata.as_ref()?;
        place.as_object()
    }

    /// Where it gets traffic: the secure port when that is enabled, as in APISIX.
    fn endpoint(&self, weight: u32) -> Option<Endpoint> {
        let overridden = self.overridden_status.as_ref();
        let overridden = overridden
            .or(self.overridden_before.as_ref())
            .filter(|status| !status.is_empty() && *status != "UNKNOWN");
        if overridden.unwrap_or(&self.status) != "UP" {
            return None;
        }
        let ports = [&self.secure_port, &self.port];
        let port = ports.into_iter().flatten().find_map(port)?;
        let hosts = [&self.ip_addr, &self.host_name];
        let host = hosts.into_iter().find(|host| !host.is_empty())?;
        let meta = self.metadata.as_ref().and_then(Value::as_object);
        let stated = meta.and_then(|meta| meta.get("weight")).and_then(number);
        Some(Endpoint {
            weight: stated
                .and_then(|stated| u32::try_from(stated).ok())
                .unwrap_or(weight),
            region: text(meta, "region"),
            zone: text(meta, "zone").or_else(|| text(self.place(), "availability-zone")),
            ..Endpoint::new(host.as_str(), Some(port))
        })
    }
}

/// The number of a port that is enabled: `{"$": 8080, "@enabled": "true"}`, or the number alone.
fn port(stated: &Value) -> Option<u16> {
    let (value, enabled) = match stated {
        Value::Object(fields) => {
            let enabled = fields.get("@enabled").map(|enabled| match enabled {
                Value::Bool(enabled) => *enabled,
                other => other.as_str() == Some("true"),
            });
            (fields.get("$")?, enabled.unwrap_or(false))
        }
        plain => (plain, true),
    };
    let port = u16::try_from(number(value)?).ok()?;
    (enabled && port > 0).then_some(port)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Object(fields) => fields.get("$").and_then(number),
        _ => None,
    }
}

fn text(meta: Option<&Map<String, Value>>, name: &str) -> Option<String> {
    let text = match meta?.get(name)? {
        Value::Object(fields) => fields.get("$")?.as_str()?,
        plain => plain.as_str()?,
    };
    (!text.is_empty()).then(|| text.to_owned())
}

/// A list, one thing that stands for a list of it, or nothing.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Any<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object or a list of objects")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            Ok(all)
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields)).map(|one| vec![one])
        }
    }

    deserializer.deserialize_any(Any(PhantomData))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(applications: Value) -> (Vec<Entry>, String) {
        let text = json!({"applications": applications}).to_string();
        serde_json::from_str::<Answer>(&text).unwrap().read(100)
    }

    /// The endpoint of one instance.
    fn endpoint(more: Value) -> Option<Endpoint> {
        let mut instance = json!({
            "instanceId": "i1", "hostName": "h1", "ipAddr": "10.0.0.1", "status": "UP",
            "port": {"$": 8080, "@enabled": "true"}, "securePort": {"$": 8443, "@enabled": "false"}
        });
        let fields = more.as_object().unwrap().clone();
        instance.as_object_mut().unwrap().extend(fields);
        let (mut entries, _) = read(json!({"application": {"name": "web", "instance": instance}}));
        match entries.remove(0).action {
            Action::Put(instance) => instance.endpoint,
            Action::Delete => None,
        }
    }

    fn address(more: Value) -> Option<String> {
        endpoint(more).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn lists_of_one_may_be_the_thing_itself() {
        let one = json!({"instanceId": "i1", "status": "DOWN", "actionType": "ADDED"});
        let shapes = [
            json!({"apps__hashcode": "DOWN_1_", "application": {"name": "web", "instance": one}}),
            json!({"apps__hashcode": "DOWN_1_", "application": [{"name": "WEB", "instance": [one]}]}),
        ];
        for shape in shapes {
            let (entries, hash) = read(shape);
            assert_eq!(
                (
                    entries.len(),
                    entries[0].app.as_str(),
                    entries[0].id.as_str()
                ),
                (1, "WEB", "i1")
            );
            assert_eq!(hash, "DOWN_1_");
        }
        for empty in [
            json!({}),
            json!({"application": null}),
            json!({"application": []}),
        ] {
            assert_eq!(read(empty), (Vec::new(), String::new()));
        }
    }

    #[test]
    fn only_instances_that_are_up_have_an_endpoint_and_an_override_wins() {
        assert_eq!(address(json!({})).as_deref(), Some("10.0.0.1:8080"));
        for status in ["DOWN", "STARTING", "OUT_OF_SERVICE", "UNKNOWN", ""] {
            assert_eq!(address(json!({"status": status})), None, "{status}");
        }
        assert_eq!(address(json!({"overriddenStatus": "OUT_OF_SERVICE"})), None);
        assert_eq!(address(json!({"overriddenstatus": "DOWN"})), None);
        assert!(address(json!({"status": "DOWN", "overriddenStatus": "UP"})).is_some());
        assert!(address(json!({"overriddenStatus": "UNKNOWN"})).is_some());
    }

    #[test]
    fn the_secure_port_is_taken_when_it_is_enabled() {
        let secure = |enabled: Value| json!({"securePort": {"$": "8443", "@enabled": enabled}});
        let taken = Some("10.0.0.1:8443".to_owned());
        assert_eq!(address(secure("true".into())), taken);
        assert_eq!(address(secure(true.into())), taken);
        assert_eq!(address(json!({"port": 81})).as_deref(), Some("10.0.0.1:81"));
        for port in [
            json!({"$": 0, "@enabled": "true"}),
            json!({"$": 80, "@enabled": "false"}),
            json!({"$": 70000, "@enabled": true}),
            json!("x"),
        ] {
            assert_eq!(address(json!({"port": port})), None);
        }
    }

    #[test]
    fn metadata_says_weight_and_place() {
        let found = endpoint(json!({
            "ipAddr": "", "metadata": {"weight": "7", "zone": "a", "region": {"$": "r"}, "@class": "x"}
        }));
        let found = found.unwrap();
        assert_eq!((found.host.as_str(), found.weight), ("h1", 7));
        assert_eq!(
            (found.zone.as_deref(), found.region.as_deref()),
            (Some("a"), Some("r"))
        );
        let cloud = json!({"name": "Amazon", "metadata": {"availability-zone": "us-1c"}});
        let found =
            endpoint(json!({"dataCenterInfo": cloud, "metadata": {"weight": "-1"}})).unwrap();
        assert_eq!((found.zone.as_deref(), found.weight), (Some("us-1c"), 100));
    }

    #[test]
    fn instances_without_id_are_told_apart_as_eureka_does() {
        let cloud = json!({"metadata": {"instance-id": "i-77"}});
        let (entries, _) = read(json!({"application": {"name": "A", "instance": [
            {"hostName": "h", "dataCenterInfo": cloud, "actionType": "DELETED"}, {"hostName": "h"}
        ]}}));
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["i-77", "h"]);
        assert_eq!(entries[0].action, Action::Delete);
    }
}
