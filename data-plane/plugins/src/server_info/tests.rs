use serde_json::json;

use super::ServerInfo;
use crate::tests::plugin;

#[test]
fn it_takes_an_empty_configuration() {
    plugin::<ServerInfo>(json!({}));
}
