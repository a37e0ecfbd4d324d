//! From instances of Nacos to endpoints. Pure.

use weir_model::endpoint::Endpoint;

use super::messages::{Instance, ServiceInfo};

/// Ours for one of theirs: theirs are fractions around 1, ours are whole numbers.
const PER_WEIGHT: f64 = 100.0;

/// The endpoints of the instances that may get traffic: healthy, enabled, and in one of `clusters`
/// when there are any. `weight` is for instances that state none.
pub(super) fn endpoints<'a>(
    info: &'a ServiceInfo,
    clusters: &'a [String],
    weight: u32,
) -> impl Iterator<Item = Endpoint> + 'a {
    let wanted = move |instance: &&Instance| {
        let cluster = instance.cluster_name.as_deref().unwrap_or("DEFAULT");
        let fits = clusters.is_empty() || clusters.iter().any(|wanted| wanted == cluster);
        instance.healthy && instance.enabled && fits
    };
    let hosts = info.hosts.iter().filter(wanted);
    hosts.filter_map(move |instance| endpoint(instance, weight))
}

fn endpoint(instance: &Instance, weight: u32) -> Option<Endpoint> {
    let port = u16::try_from(instance.port).ok().filter(|port| *port > 0)?;
    let fact = |name: &str| {
        let text = instance.metadata.as_ref()?.get(name)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(Endpoint {
        weight: instance.weight.map_or(weight, whole),
        region: fact("region"),
        zone: fact("zone"),
        ..Endpoint::new(instance.ip.as_str(), Some(port))
    })
}

/// A weight as a whole number: 1.0 is 100. What is more than nothing stays so.
fn whole(weight: f64) -> u32 {
    if !weight.is_finite() || weight <= 0.0 {
        return 0;
    }
    // Saturates.
    ((weight * PER_WEIGHT).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(hosts: Value, clusters: &[&str]) -> Vec<(String, u32)> {
        let info: ServiceInfo =
            serde_json::from_value(json!({"name": "web", "hosts": hosts})).unwrap();
        let clusters: Vec<String> = clusters.iter().map(ToString::to_string).collect();
        endpoints(&info, &clusters, 7)
            .map(|found| (found.to_string(), found.weight))
            .collect()
    }

    #[test]
    fn only_healthy_and_enabled_instances_count() {
        let hosts = json!([
            {"ip": "10.0.0.1", "port": 80, "weight": 1.0, "healthy": true, "enabled": true},
            {"ip": "10.0.0.2", "port": 80, "healthy": false, "enabled": true},
            {"ip": "10.0.0.3", "port": 80, "healthy": true, "enabled": false},
            {"ip": "10.0.0.4", "port": 80, "metadata": null},
            {"ip": "10.0.0.5", "port": 0},
            {"ip": "10.0.0.6", "port": 70000}
        ]);
        let all = [
            ("10.0.0.1:80".to_owned(), 100),
            ("10.0.0.4:80".to_owned(), 7),
        ];
        assert_eq!(parsed(hosts, &[]), all);
    }

    #[test]
    fn clusters_choose() {
        let hosts = json!([
            {"ip": "10.0.0.1", "port": 80, "weight": 1, "clusterName": "A"},
            {"ip": "10.0.0.2", "port": 80, "weight": 1, "clusterName": "B"},
            {"ip": "10.0.0.3", "port": 80, "weight": 1}
        ]);
        assert_eq!(
            parsed(hosts.clone(), &["A"]),
            [("10.0.0.1:80".to_owned(), 100)]
        );
        assert_eq!(parsed(hosts, &["B", "DEFAULT"]).len(), 2);
    }

    #[test]
    fn weights_become_whole_numbers() {
        for (theirs, ours) in [
            (1.0, 100),
            (0.5, 50),
            (2.345, 235),
            (0.001, 1),
            (0.0, 0),
            (-3.0, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (1e12, u32::MAX),
        ] {
            assert_eq!(whole(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn metadata_says_where_it_is() {
        let info = json!({"hosts": [
            {"ip": "10.0.0.1", "port": 80, "metadata": {"zone": "a", "region": "r"}}
        ]});
        let info: ServiceInfo = serde_json::from_value(info).unwrap();
        let found: Vec<Endpoint> = endpoints(&info, &[], 1).collect();
        assert_eq!(found[0].zone.as_deref(), Some("a"));
        assert_eq!(found[0].region.as_deref(), Some("r"));
    }
}
