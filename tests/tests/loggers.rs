//! Logging plugins against receivers of ours: what arrives, when, and what becomes of what does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use weir_tests::agent::revision;
use weir_tests::{Bench, wait};

/// Puts route `/NAME*` with one plugin, and asks it so many times.
async fn log(bench: &Bench, plugin: &str, config: Value, requests: usize) {
    bench.route(plugin, json!({plugin: config})).await;
    for number in 0..requests {
        let path = format!("/{plugin}?n={number}");
        let answer = bench.send(Method::POST, &path, &[], "hello").await;
        assert_eq!(answer.status, 200);
    }
}

/// What an HTTP receiver got: the head and the body of each request.
type Got = Arc<Mutex<Vec<(String, String)>>>;

/// Answers the first `failing` requests with 500, the others with 200; grants tokens at `/token`.
async fn http_receiver(failing: usize) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let head = head.to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap();
                    let length = length.lines().next().unwrap().trim().parse().unwrap();
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    let granted = if head.starts_with("post /token ") {
                        r#"{"access_token": "t0"}"#
                    } else {
                        ""
                    };
                    let count = {
                        let mut seen = seen.lock().unwrap();
                        seen.push((head, String::from_utf8(body).unwrap()));
                        seen.len()
                    };
                    let status = if count <= failing {
                        "500 Oops"
                    } else {
                        "200 OK"
                    };
                    let length = granted.len();
                    let answer =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{granted}");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, got)
}

async fn received(got: &Got, count: usize) -> Vec<(String, String)> {
    wait::until(
        "the receiver has enough",
        Duration::from_secs(20),
        || async {
            let got = got.lock().unwrap().clone();
            if got.len() >= count {
                Ok(got)
            } else {
                Err(format!("{got:?}"))
            }
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_logger_batches_and_tries_again() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(1).await;
    let config = json!({"uri": format!("http://127.0.0.1:{port}/in?x=1"), "batch_max_size": 3, "auth_header": "Bearer t",
        "max_retry_count": 2, "retry_delay": 0, "include_req_body": true, "max_req_body_bytes": 4});
    log(&bench, "http-logger", config, 3).await;
    let got = received(&got, 2).await;
    let (head, body) = &got[1];
    assert!(head.starts_with("post /in?x=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer t\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(got[0].1, *body);
    let entries: Vec<Value> = serde_json::from_str(body).unwrap();
    assert_eq!(entries.len(), 3);
    let entry = &entries[0];
    assert_eq!(entry["request"]["method"], "POST");
    assert_eq!(entry["request"]["body"], "hell");
    assert_eq!(entry["response"]["status"], 200);
    assert_eq!(entry["route_id"], "http-logger");
    assert_eq!(entry["client_ip"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_gets_its_own_form() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(0).await;
    let place = format!("http://127.0.0.1:{port}");
    let format = json!({"n": "$arg_n"});
    let one = json!({"batch_max_size": 2, "log_format": format});
    let with = |own: Value| {
        let mut config = one.clone();
        config
            .as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        config
    };
    let loki =
        with(json!({"endpoint_addrs": [place], "log_labels": {"job": "j", "host": "$host"}}));
    log(&bench, "loki-logger", loki, 2).await;
    let (head, body) = received(&got, 1).await.remove(0);
    assert!(head.starts_with("post /loki/api/v1/push "), "{head}");
    assert!(head.contains("x-scope-orgid: fake\r\n"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["streams"][0]["stream"]["job"], "j");
    assert_eq!(body["streams"][0]["values"].as_array().unwrap().len(), 2);

    let elastic = with(
        json!({"endpoint_addr": place, "field": {"index": "i-$arg_n"}, "auth": {"username": "u", "password": "p"}}),
    );
    log(&bench, "elasticsearch-logger", elastic, 2).await;
    let (head, body) = received(&got, 2).await.remove(1);
    assert!(head.starts_with("post /_bulk "), "{head}");
    assert!(head.contains("authorization: basic dtpw\r\n"), "{head}");
    assert!(body.contains(r#"{"create":{"_index":"i-1"}}"#), "{body}");

    let click = with(
        json!({"endpoint_addr": place, "user": "u", "password": "p", "database": "d", "logtable": "t"}),
    );
    log(&bench, "clickhouse-logger", click, 2).await;
    let (head, body) = received(&got, 3).await.remove(2);
    assert!(head.contains("x-clickhouse-user: u\r\n"), "{head}");
    assert!(
        body.starts_with("INSERT INTO t FORMAT JSONEachRow\n{\"n\":\"0\""),
        "{body}"
    );

    let splunk =
        with(json!({"endpoint": {"uri": format!("{place}/services/collector"), "token": "tok"}}));
    log(&bench, "splunk-hec-logging", splunk, 2).await;
    let (head, body) = received(&got, 4).await.remove(3);
    assert!(head.contains("authorization: splunk tok\r\n"), "{head}");
    assert_eq!(body.matches("\"event\"").count(), 2, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_logged_is_chosen_by_plugin_and_metadata() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(0).await;
    let uri = format!("http://127.0.0.1:{port}/in");
    let config = |own: Value| {
        let mut config = json!({"uri": uri, "batch_max_size": 1});
        let own = own.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(own);
        json!({ "http-logger": config })
    };
    let entry = async |number: usize| {
        let (_, body) = received(&got, number).await.remove(number - 1);
        serde_json::from_str::<Value>(&body).unwrap()
    };

    // Nobody serves this.
    let rule = json!({"plugins": config(json!({"log_format_extra": {"region": "eu"}}))});
    bench.put("global_rules/1", rule).await;
    let lost = bench.get("/nowhere?a=1&a=2&b", &[("host", "shop.test")]);
    assert_eq!(lost.await.status, 404);
    let logged = entry(1).await;
    assert_eq!(logged["route_id"], "no-matched");
    assert_eq!(logged["service_id"], "shop.test");
    assert_eq!(logged["region"], "eu");
    assert_eq!(logged["upstream"], "");
    assert_eq!(
        logged["request"]["querystring"],
        json!({"a": ["1", "2"], "b": true})
    );
    assert!(logged["upstream_latency"].is_null(), "{logged}");
    let node = &bench.cluster.nodes[0];
    let deleted = node.try_admin(Method::DELETE, "global_rules/1", &Value::Null);
    bench.agent.applied(revision(&deleted.await.unwrap())).await;

    // An empty format in the metadata is none; one of the plugin wins over one that is there.
    let metadata = async |format: Value| {
        let metadata = json!({ "log_format": format });
        bench.put("plugin_metadata/http-logger", metadata).await;
    };
    metadata(json!({})).await;
    bench.route("common", config(json!({}))).await;
    bench
        .route(
            "own",
            config(json!({"log_format": {"own": {"m": "$request_method"}}})),
        )
        .await;
    assert_eq!(bench.get("/common", &[]).await.status, 200);
    assert_eq!(entry(2).await["request"]["method"], "GET");
    metadata(json!({"common": "$uri"})).await;
    assert_eq!(bench.get("/common", &[]).await.status, 200);
    assert_eq!(
        entry(3).await,
        json!({"common": "/common", "route_id": "common"})
    );
    assert_eq!(bench.get("/own", &[]).await.status, 200);
    assert_eq!(
        entry(4).await,
        json!({"own": {"m": "GET"}, "route_id": "own"})
    );

    // The answer's body, cut, where an expression holds.
    let bodies = json!({"include_resp_body": true, "include_resp_body_expr": [["arg_log", "==", "yes"]],
        "max_resp_body_bytes": 5, "log_format": {"n": "$arg_n"}});
    bench.route("bodies", config(bodies)).await;
    assert_eq!(bench.get("/bodies?n=1", &[]).await.status, 200);
    assert_eq!(entry(5).await, json!({"n": "1", "route_id": "bodies"}));
    let whole = bench.get("/bodies?n=2&log=yes", &[]).await.text();
    let cut = whole.get(..5).unwrap();
    let expected = json!({"n": "2", "route_id": "bodies", "response": {"body": cut}});
    assert_eq!(entry(6).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_events_and_labels_have_the_form_of_the_original() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(0).await;
    let place = format!("http://127.0.0.1:{port}");
    let lines = json!({"uri": place, "batch_max_size": 2, "concat_method": "new_line",
        "log_format": {"n": "$arg_n"}, "name": "two lines"});
    log(&bench, "http-logger", lines, 2).await;
    let (head, body) = received(&got, 1).await.remove(0);
    assert!(head.contains("content-type: text/plain\r\n"), "{head}");
    let expected = [0, 1].map(|n| format!("{{\"n\":\"{n}\",\"route_id\":\"http-logger\"}}"));
    assert_eq!(body, expected.join("\n"));
    let url = bench.agent.status_url("/apisix/prometheus/metrics");
    let line = format!(
        "apisix_batch_process_entries{{name=\"two lines\",route_id=\"http-logger\",server_addr=\"{}\"}} 0",
        bench.agent.ip
    );
    wait::until(&line, Duration::from_secs(20), || async {
        let page = bench.agent.client.try_get(&url).await?.text();
        match page.lines().any(|known| known == line) {
            true => Ok(()),
            false => Err(page),
        }
    })
    .await;

    let splunk = json!({"endpoint": {"uri": format!("{place}/services/collector/"), "token": "tok"},
        "batch_max_size": 1, "log_format_extra": {"region": "eu"}});
    log(&bench, "splunk-hec-logging", splunk, 1).await;
    let (head, body) = received(&got, 2).await.remove(1);
    assert!(head.starts_with("post /services/collector/ "), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_ne!(told["host"], "", "{told}");
    let event = &told["event"];
    assert_eq!(event["request_method"], "POST");
    assert_eq!(event["request_query"], json!({"n": "0"}));
    assert_eq!(event["response_status"], 200);
    assert_eq!(event["upstream"], bench.origin.node());
    assert_eq!(event["region"], "eu");
    assert!(event["request"].is_null(), "{event}");

    let loki = json!({"endpoint_addrs": [place], "batch_max_size": 1,
        "log_labels": {"place": "$host$uri", "none": "$arg_none", "job": "j"}});
    log(&bench, "loki-logger", loki, 1).await;
    let (_, body) = received(&got, 3).await.remove(2);
    let body: Value = serde_json::from_str(&body).unwrap();
    let place = format!("{}/loki-logger", bench.agent.ip);
    assert_eq!(
        body["streams"][0]["stream"],
        json!({"place": place, "job": "j"})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_files_get_lines() {
    let bench = Bench::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let config = json!({"host": "127.0.0.1", "port": port, "batch_max_size": 1, "log_format": {"n": "$arg_n"}});
    log(&bench, "tcp-logger", config, 1).await;
    let (stream, _) = tcp.accept().await.unwrap();
    let line = BufReader::new(stream)
        .lines()
        .next_line()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(line, r#"{"n":"0","route_id":"tcp-logger"}"#);

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = udp.local_addr().unwrap().port();
    let config = json!({"host": "127.0.0.1", "port": port, "batch_max_size": 2, "log_format": {"n": "$arg_n"}});
    log(&bench, "udp-logger", config, 2).await;
    let mut datagram = vec![0; 2000];
    let size = udp.recv(&mut datagram).await.unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&datagram[..size]).unwrap();
    assert_eq!(entries.len(), 2);

    let path = bench.cluster.dir().join("requests.log");
    let config =
        json!({"path": path, "match": [[["arg_n", "==", "1"]]], "log_format": {"n": "$arg_n"}});
    log(&bench, "file-logger", config, 3).await;
    let line = "{\"n\":\"1\",\"route_id\":\"file-logger\"}\n";
    assert_eq!(written(&path).await, line);
    // The file of the metadata is for those who name none; one that is moved away is made anew.
    let common = bench.cluster.dir().join("common.log");
    let metadata = json!({"path": common, "log_format": {"n": "$arg_n"}});
    bench.put("plugin_metadata/file-logger", metadata).await;
    for _ in 0..2 {
        log(&bench, "file-logger", json!({}), 1).await;
        assert_eq!(written(&common).await, line.replace('1', "0"));
        std::fs::rename(&common, common.with_extension("moved")).unwrap();
    }
}

/// What is in a file, once whole lines are.
async fn written(path: &Path) -> String {
    wait::until("the file has a line", Duration::from_secs(20), || async {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syslog_and_dogstatsd_get_their_own_lines() {
    let bench = Bench::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let config =
        json!({"host": "127.0.0.1", "port": port, "flush_limit": 1, "log_format": {"n": "$arg_n"}});
    log(&bench, "syslog", config, 1).await;
    let (stream, _) = tcp.accept().await.unwrap();
    let line = BufReader::new(stream).lines().next_line().await;
    let line = line.unwrap().unwrap();
    assert!(line.starts_with("<46>1 "), "{line}");
    assert!(
        line.ends_with(r#" - - {"n":"0","route_id":"syslog"}"#),
        "{line}"
    );

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = udp.local_addr().unwrap().port();
    let config = json!({"host": "127.0.0.1", "port": port, "sock_type": "udp", "batch_max_size": 2,
        "log_format": {"n": "$arg_n"}});
    log(&bench, "syslog", config, 2).await;
    let mut datagram = vec![0; 2000];
    for number in 0..2 {
        let size = udp.recv(&mut datagram).await.unwrap();
        let text = String::from_utf8_lossy(&datagram[..size]);
        let expected = format!(r#" - - {{"n":"{number}","route_id":"syslog"}}"#);
        assert!(text.ends_with(&expected), "{text}");
    }

    let place = json!({"host": "127.0.0.1", "port": port, "namespace": "gate"});
    bench.put("plugin_metadata/datadog", place).await;
    let config = json!({"batch_max_size": 2, "include_method": true});
    log(&bench, "datadog", config, 2).await;
    let mut lines = Vec::new();
    while lines.len() < 12 {
        let size = udp.recv(&mut datagram).await.unwrap();
        let text = String::from_utf8_lossy(&datagram[..size]).into_owned();
        lines.extend(text.lines().map(ToOwned::to_owned));
    }
    assert!(
        lines[0].starts_with("gate.request.counter:1|c|#source:apisix,route_name:datadog,"),
        "{lines:?}"
    );
    assert!(lines[0].ends_with(",method:POST"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_is_asked_for_a_token_first() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(0).await;
    let dir = bench.cluster.dir();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let account = json!({"client_email": "a@b.c", "private_key": key.serialize_pem(), "project_id": "p",
        "token_uri": format!("http://127.0.0.1:{port}/token"), "entries_uri": format!("http://127.0.0.1:{port}/write")});
    let path = dir.join("google.json");
    std::fs::write(&path, account.to_string()).unwrap();
    let config = json!({"auth_file": path, "batch_max_size": 1, "log_format": {"n": "$arg_n"}});
    log(&bench, "google-cloud-logging", config, 2).await;
    let got = received(&got, 3).await;
    let (head, body) = &got[0];
    assert!(head.starts_with("post /token "), "{head}");
    assert!(
        body.contains("grant-type%3Ajwt-bearer&assertion="),
        "{body}"
    );
    let mut writes = got
        .iter()
        .filter(|(head, _)| head.starts_with("post /write "));
    let (head, body) = writes.next_back().unwrap();
    assert!(head.contains("authorization: bearer t0\r\n"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    let entry = &body["entries"][0];
    assert_eq!(entry["jsonPayload"]["route_id"], "google-cloud-logging");
    assert_eq!(entry["logName"], "projects/p/logs/apisix.apache.org%2Flogs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_counted() {
    let bench = Bench::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let config = json!({"uri": format!("http://127.0.0.1:{port}/"), "batch_max_size": 2});
    log(&bench, "http-logger", config, 4).await;
    let expected = format!(
        "weir_log_entries_dropped_total{{name=\"http logger\",route_id=\"http-logger\",server_addr=\"{}\"}} 4",
        bench.agent.ip
    );
    wait::until("the loss is counted", Duration::from_secs(20), || async {
        let url = bench.agent.status_url("/apisix/prometheus/metrics");
        let answer = bench.agent.client.send(Method::GET, &url, &[], "").await;
        let page = answer.text();
        if page.contains(&expected) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_tells_who_it_is_and_counts_connections() {
    let bench = Bench::start().await;
    bench
        .route("plain", json!({"server-info": {}, "node-status": {}}))
        .await;
    assert_eq!(bench.get("/plain", &[]).await.status, 200);
    let ask = async |path: &str| {
        let url = bench.agent.status_url(path);
        bench.agent.client.get(&url).await.json()
    };
    let info = ask("/v1/server_info").await;
    assert_eq!(info["id"], "agent");
    assert!(info["boot_time"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(info["etcd_version"], "unknown");
    let status = ask("/apisix/status").await["status"].clone();
    for name in [
        "active", "accepted", "handled", "total", "reading", "writing", "waiting",
    ] {
        assert!(
            status[name].as_str().unwrap().parse::<u64>().is_ok(),
            "{status}"
        );
    }
    assert_eq!(status["total"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agents_own_lines_are_shipped() {
    let bench = Bench::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let metadata = json!({"tcp": {"host": "127.0.0.1", "port": port}, "batch_max_size": 1});
    bench
        .put("plugin_metadata/error-log-logger", metadata)
        .await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = gone.local_addr().unwrap().port();
    drop(gone);
    let config = json!({"host": "127.0.0.1", "port": nowhere, "batch_max_size": 1});
    log(&bench, "tcp-logger", config, 1).await;
    let (stream, _) = tcp.accept().await.unwrap();
    let line = BufReader::new(stream).lines().next_line().await;
    let line = line.unwrap().unwrap();
    assert!(line.contains(" [WARN] weir_plugins::logging"), "{line}");
    assert!(line.contains("log entries could not be sent"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_masked_reaches_the_node_and_no_log() {
    let bench = Bench::start().await;
    let (port, got) = http_receiver(0).await;
    let masks = json!({"max_body_size": 100, "max_req_post_args": 2, "request": [
        {"type": "query", "name": "token", "action": "replace", "value": "***"},
        {"type": "query", "name": "drop", "action": "remove"},
        {"type": "header", "name": "X-Card", "action": "regex", "regex": "(\\d+)-\\d+-(\\d+)", "value": "$1-***-$2"},
        {"type": "header", "name": "Cookie", "action": "remove"},
        {"type": "body", "body_format": "json", "name": "$.users[*].password", "action": "remove"},
        {"type": "body", "body_format": "json", "name": "$..card", "action": "replace", "value": "?"},
        {"type": "body", "body_format": "urlencoded", "name": "pin", "action": "replace", "value": "0"},
    ]});
    let logger = json!({"uri": format!("http://127.0.0.1:{port}/"), "batch_max_size": 1, "include_req_body": true});
    bench
        .route("masked", json!({"data-mask": masks, "http-logger": logger}))
        .await;
    let headers = [("x-card", "12-345-67"), ("cookie", "session=secret")];
    let target = "/masked?a=1&token=secret&drop=secret&tok%65n=secret";
    let json = r#"{"users":[{"name":"jack","password":"secret"},{"password":"secret"}],"deep":{"card":"secret"}}"#;
    let seen = bench.send(Method::POST, target, &headers, json).await;
    assert_eq!(seen.json()["uri"], target);
    assert_eq!(seen.json()["headers"]["x-card"], "12-345-67");
    let form = "pin=secret&a=1&pin=secret";
    received(&got, 1).await;
    bench.send(Method::POST, "/masked", &[], form).await;
    received(&got, 2).await;
    let large = r#"{"users": ["secret", "secret", "secret", "secret", "secret", "secret", "secret", "secret", "secret", "secret"]}"#;
    bench.send(Method::POST, "/masked", &[], large).await;
    let got = received(&got, 3).await;
    let entries: Vec<Value> = got
        .iter()
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    for (_, body) in &got {
        assert!(!body.contains("secret"), "{body}");
    }
    let request = &entries[0]["request"];
    assert_eq!(request["querystring"]["token"], json!(["***", "***"]));
    assert!(
        request["uri"]
            .as_str()
            .unwrap()
            .starts_with("/masked?a=1&token=***&")
    );
    assert_eq!(request["headers"]["x-card"], "12-***-67");
    assert!(request["headers"]["cookie"].is_null());
    assert_eq!(
        request["body"],
        r#"{"users":[{"name":"jack"},{}],"deep":{"card":"?"}}"#
    );
    assert_eq!(entries[1]["request"]["body"], "pin=0&a=1");
}
