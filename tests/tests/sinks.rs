//! Observing plugins against real servers that are killed meanwhile: requests pass, what fits is kept
//! and arrives, and the rest is counted.
//!
//! Needs the servers that `make test-registries` sets up, so these tests run only when asked for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use weir_tests::registries::{Kafka, Zipkin};
use weir_tests::{Bench, wait};

const LIMIT: Duration = Duration::from_secs(120);

const WAITING: &str = "apisix_batch_process_entries";
const LOST: &str = "weir_log_entries_dropped_total";

/// Waits until the agent's page of metrics has this number for a batch processor.
async fn counted(bench: &Bench, metric: &str, name: &str, route: &str, number: usize) {
    let address = bench.agent.ip;
    let labels = format!("name=\"{name}\",route_id=\"{route}\",server_addr=\"{address}\"");
    let line = &*format!("{metric}{{{labels}}} {number}");
    wait::until(line, LIMIT, || async {
        let url = bench.agent.status_url("/apisix/prometheus/metrics");
        let page = bench.agent.client.send(Method::GET, &url, &[], "").await;
        let page = page.text();
        if page.lines().any(|have| have == line) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}

async fn ask(bench: &Bench, path: &str, requests: usize) {
    for number in 0..requests {
        let answer = bench.get(&format!("{path}?n={number}"), &[]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Kafka: make test-registries"]
async fn kafka_gets_what_was_kept_while_it_was_away() {
    let bench = Bench::start().await;
    let mut kafka = Kafka::start(bench.cluster.dir()).await;
    let login = |mechanism: &str| json!({"user": Kafka::USER, "password": Kafka::PASSWORD, "mechanism": mechanism});
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let topic = mechanism.to_lowercase();
        let broker =
            json!({"host": "127.0.0.1", "port": kafka.port + 2, "sasl_config": login(mechanism)});
        let config = json!({"brokers": [broker], "kafka_topic": topic, "batch_max_size": 2, "timeout": 30,
            "max_retry_count": 5, "log_format": {"n": "$arg_n"}});
        bench.route("sasl", json!({"kafka-logger": config})).await;
        ask(&bench, "/sasl", 2).await;
        let messages = kafka.read(&topic, 1).await;
        let entries: Value = serde_json::from_str(&messages[0]).unwrap();
        assert_eq!(entries[1]["n"], "1");
    }

    let config = json!({"broker_list": {"127.0.0.1": kafka.port}, "kafka_topic": "kept", "batch_max_size": 1,
        "timeout": 5, "max_retry_count": 100, "meta_format": "origin"});
    let metadata = json!({"max_pending_entries": 5});
    bench.put("plugin_metadata/kafka-logger", metadata).await;
    bench.route("kept", json!({"kafka-logger": config})).await;
    ask(&bench, "/kept", 1).await;
    let (name, route) = ("kafka logger", "kept");
    counted(&bench, WAITING, name, route, 0).await;
    kafka.kill();
    ask(&bench, "/kept", 8).await;
    counted(&bench, LOST, name, route, 3).await;
    kafka.restart().await;
    counted(&bench, WAITING, name, route, 0).await;
    let messages = kafka.read("kept", 6).await;
    let lines = messages.iter();
    let requests = lines.filter(|line| line.starts_with("GET /kept?n="));
    assert_eq!(requests.count(), 6, "{messages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Zipkin: make test-registries"]
async fn zipkin_shows_traces_and_may_be_away() {
    let bench = Bench::start().await;
    let mut zipkin = Zipkin::start(bench.cluster.dir()).await;
    let config = json!({"endpoint": zipkin.endpoint(), "sample_ratio": 1, "service_name": "edge"});
    bench.route("z", json!({"zipkin": config})).await;
    let trace = "80f198ee56343ba864fe8b2a57d3eff7";
    let b3 = format!("{trace}-e457b5a2e4d86bd1-1");
    assert_eq!(bench.get("/z", &[("b3", &b3)]).await.status, 200);
    let spans = wait::until("Zipkin has the trace", LIMIT, || async {
        let spans = zipkin.trace(trace).await;
        if spans.len() == 3 {
            Ok(spans)
        } else {
            Err(format!("{spans:?}"))
        }
    })
    .await;
    let server = spans.iter().find(|span| span["kind"] == "SERVER").unwrap();
    assert_eq!(server["parentId"], "e457b5a2e4d86bd1");
    assert_eq!(server["localEndpoint"]["serviceName"], "edge");

    zipkin.kill();
    ask(&bench, "/z", 4).await;
    counted(&bench, LOST, "zipkin_report", "z", 4).await;
    zipkin.restart().await;
    assert_eq!(bench.get("/z", &[("b3", &b3)]).await.status, 200);
    wait::until("Zipkin has another one", LIMIT, || async {
        let spans = zipkin.trace(trace).await;
        if spans.len() == 3 {
            Ok(())
        } else {
            Err(format!("{spans:?}"))
        }
    })
    .await;
}
