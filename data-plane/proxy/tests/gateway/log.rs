use serde_json::Value;
use weir_proxy::telemetry::access_log::AccessLog;

use super::client::{Client, get};
use super::origin::Origin;
use super::setup::{config, eventually, everything_to, http, nodes, start};

#[test]
fn each_request_gets_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = config();
    config.access_log = AccessLog::File(path.clone());
    let origin = Origin::text("hello");
    let upstream = nodes(&[super::origin::closed_address(), origin.address]);
    let gateway = start(config, Some(everything_to(upstream)));
    let mut client = Client::connect(http(&gateway));
    client.ask("POST /a?b=%22c HTTP/1.1\r\nhost: log.test\r\ncontent-length: 3\r\n\r\nabc");
    client.ask("GET /%00 HTTP/1.1\r\nhost: log.test\r\n\r\n");
    drop(client);
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    eventually("both lines are written", || read().len() == 2);
    let lines = read();
    let proxied = &lines[0];
    assert_eq!(proxied["method"], "POST");
    assert_eq!(proxied["host"], "log.test");
    assert_eq!(proxied["uri"], "/a?b=%22c");
    assert_eq!(proxied["protocol"], "HTTP/1.1");
    assert_eq!(proxied["status"], 200);
    assert_eq!(proxied["route_id"], "1");
    assert_eq!(proxied["body_bytes"], 5);
    assert_eq!(proxied["upstream_status"], "502, 200");
    assert!(
        proxied["upstream_addr"]
            .as_str()
            .unwrap()
            .ends_with(&origin.address.to_string())
    );
    let tries = proxied["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0]["outcome"], "failed");
    assert_eq!(tries[0]["reason"], "upstream_connect_refused");
    assert_eq!(tries[1]["addr"], origin.address.to_string());
    assert_eq!(tries[1]["outcome"], "answered");
    assert_eq!(tries[1]["status"], 200);
    for time in ["start_ms", "connect_ms", "first_byte_ms", "total_ms"] {
        assert!(tries[1][time].is_number(), "{time} in {proxied}");
    }
    assert_eq!(proxied["request_id"].as_str().unwrap().len(), 32);
    assert!(proxied["total_ms"].as_f64().unwrap() >= proxied["first_byte_ms"].as_f64().unwrap());
    assert!(proxied["request_bytes"].as_u64().unwrap() > 30);
    assert_eq!(lines[1]["status"], 400);
    assert_eq!(lines[1]["reason"], "bad_request");
    assert_ne!(lines[1]["request_id"], proxied["request_id"]);
}

#[test]
fn metrics_tell_what_happened() {
    let origin = Origin::text("hello");
    let gateway = start(config(), Some(everything_to(nodes(&[origin.address]))));
    let mut client = Client::connect(http(&gateway));
    client.ask(get("/"));
    client.ask(get("/"));
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    for line in [
        "weir_proxy_requests_total 2",
        "weir_proxy_connections 1",
        "weir_proxy_upstream_connects_total 1",
        "weir_proxy_upstream_reuses_total 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in {text}");
    }
}
