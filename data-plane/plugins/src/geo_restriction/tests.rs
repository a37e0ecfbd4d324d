use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Location, Plugin};

use super::GeoRestriction;
use crate::tests::{answer, plugin, refusal};

/// Whether clients from Germany, the USA, somewhere in Europe, and nowhere pass.
fn passes(config: Value) -> [bool; 4] {
    let plugin = plugin::<GeoRestriction>(config);
    let host = FakeHost::shared();
    for (address, country, continent) in [
        ("192.0.2.1", Some("DE"), "EU"),
        ("192.0.2.2", Some("US"), "NA"),
        ("192.0.2.3", None, "EU"),
    ] {
        let location = Location {
            country: country.map(str::to_owned),
            continent: Some(continent.to_owned()),
        };
        host.add_location(address.parse().unwrap(), location);
    }
    [1, 2, 3, 4].map(|number| {
        let client = format!("192.0.2.{number}:9");
        let mut context = request("/").client(&client).context(host.clone());
        answer(plugin.access(&mut context)).is_none()
    })
}

#[test]
fn lists_let_in_and_keep_out() {
    for (config, expected) in [
        (
            json!({"allowlist": {"countries": ["de"]}}),
            [true, false, false, false],
        ),
        (
            json!({"allowlist": {"continents": ["EU"]}}),
            [true, false, true, false],
        ),
        (
            json!({"allowlist": {"countries": ["US"], "continents": ["EU"]}}),
            [true, true, true, false],
        ),
        (
            json!({"denylist": {"countries": ["DE"]}}),
            [false, true, true, true],
        ),
        (
            json!({"denylist": {"continents": ["EU"]}}),
            [false, true, false, true],
        ),
        (
            json!({"allowlist": {"countries": ["DE"]}, "allow_unknown": true}),
            [true, false, true, true],
        ),
        (
            json!({"denylist": {"countries": ["DE"]}, "allow_unknown": false}),
            [false, true, false, false],
        ),
    ] {
        assert_eq!(passes(config.clone()), expected, "{config}");
    }
}

#[test]
fn a_refusal_can_be_worded() {
    let config = json!({"allowlist": {"countries": ["DE"]}, "message": "no", "response_code": 451});
    let plugin = plugin::<GeoRestriction>(config);
    let mut context = request("/").context(FakeHost::shared());
    let refused = answer(plugin.access(&mut context)).unwrap();
    assert_eq!(refused.status, 451);
    assert_eq!(refused.body, Body::Json(json!({"message": "no"})));
}

#[test]
fn wrong_configurations_are_refused() {
    for wrong in [
        json!({}),
        json!({"allowlist": {}}),
        json!({"allowlist": {"countries": ["DEU"]}}),
        json!({"allowlist": {"countries": ["DE"]}, "denylist": {"countries": ["US"]}}),
        json!({"denylist": {"continents": ["XX"]}}),
        json!({"denylist": {"countries": ["DE"]}, "response_code": 200}),
    ] {
        refusal::<GeoRestriction>(wrong);
    }
}
