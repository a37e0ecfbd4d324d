use http::Method;
use serde_json::json;
use weir_model::{PluginCatalog, PluginPart};
use weir_plugin_api::testkit::request;

use super::OpenFunction;
use crate::Builtin;
use crate::function_call::tests::{asked, header};

#[test]
fn the_token_is_sent_unless_the_client_has_one() {
    let config =
        json!({"function_uri": "http://f.test/hello", "authorization": {"service_token": "a:b"}});
    let put = || {
        request("/?x=1")
            .method(Method::PUT)
            .body("text/plain", "hi")
    };
    let call = asked::<OpenFunction>(config.clone(), put());
    assert_eq!((call.method, call.body), (Method::PUT, "hi".into()));
    assert_eq!(call.uri, "http://f.test/hello?x=1");
    assert_eq!(header(&call.headers, "authorization"), "Basic YTpi");
    let call = asked::<OpenFunction>(config, put().header("authorization", "own"));
    assert_eq!(header(&call.headers, "authorization"), "own");
    let call = asked::<OpenFunction>(json!({"function_uri": "http://f.test"}), put());
    assert_eq!(header(&call.headers, "authorization"), "");
}

#[test]
fn a_token_of_another_kind_is_refused() {
    let config = json!({"function_uri": "http://f.test", "authorization": {"service_token": 1}});
    assert!(
        Builtin
            .check("openfunction", PluginPart::Config, &config)
            .is_err()
    );
}
