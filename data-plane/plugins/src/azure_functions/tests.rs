use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::request;
use weir_plugin_api::{Living, PluginDef};

use super::AzureFunctions;
use crate::function_call::tests::{Platform, header};
use crate::tests::{compile_in, on_route};

fn sent(
    authorization: Option<Value>,
    metadata: Option<Value>,
    client: &[(&str, &str)],
) -> [String; 2] {
    let mut config = json!({"function_uri": "https://f.test"});
    if let Some(authorization) = authorization {
        config["authorization"] = authorization;
    }
    let owner = Key::new(Kind::Route, "1");
    let context = on_route(&owner, "a", &Living::default(), metadata);
    let plugin = compile_in::<AzureFunctions>(config, &context).unwrap();
    let platform = Platform::answering(200, &[], "");
    let request = client.iter().fold(request("/"), |request, (name, value)| {
        request.header(name, value)
    });
    platform.answer(&plugin, request);
    let call = platform.asked();
    ["x-functions-key", "x-functions-clientid"].map(|name| header(&call.headers, name).to_owned())
}

#[test]
fn keys_come_from_the_client_the_configuration_or_the_metadata() {
    let own = || Some(json!({"apikey": "own", "clientid": "me"}));
    let master = || Some(json!({"master_apikey": "master", "master_clientid": ""}));
    assert_eq!(sent(None, None, &[]), ["", ""]);
    assert_eq!(sent(None, master(), &[]), ["master", ""]);
    assert_eq!(sent(own(), master(), &[]), ["own", "me"]);
    assert_eq!(sent(Some(json!({})), master(), &[]), ["", ""]);
    assert_eq!(
        sent(own(), master(), &[("x-functions-key", "client")]),
        ["client", ""]
    );
    assert_eq!(
        sent(own(), master(), &[("x-functions-clientid", "c")]),
        ["", "c"]
    );
}

#[test]
fn metadata_that_cannot_be_sent_is_refused() {
    assert_eq!(
        AzureFunctions::check_metadata(&json!({"master_apikey": "a\nb"})),
        Err("plugin metadata.master_apikey must be able to stand in a header".into())
    );
    assert_eq!(AzureFunctions::check_metadata(&json!({})), Ok(()));
}
