//! HTTP/1.1 with clients: refusals that say why, one answer for each request and in order, and a
//! connection that ends as it should.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::GatewayConfig;
use weir_proxy::telemetry::access_log::AccessLog;

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::retrying::telling;
use super::setup::{config, eventually, everything_to, http, nodes, proxy_to, start};

fn refused(client: &mut Client, request: &str) -> (u16, Option<String>) {
    client.send(request);
    let answer = client.answer(false);
    assert_eq!(answer.header("connection"), Some("close"), "{request:?}");
    assert!(client.is_closed(), "{request:?}");
    let reason = answer.header("x-weir-reason").map(str::to_owned);
    (answer.status, reason)
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_never_reaches_a_node() {
    let origin = Origin::text("ok");
    let gateway = start(telling(), Some(everything_to(nodes(&[origin.address]))));
    for (head, status, reason) in [
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "bad_request",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            400,
            "bad_request",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
            400,
            "bad_request",
        ),
        ("GET / HTTP/1.1\nhost: a\n\n", 400, "bad_request"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\n x\r\n\r\n",
            400,
            "bad_request",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            400,
            "bad_request",
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (
            "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
            400,
            "bad_request",
        ),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400, "bad_request"),
        (
            "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            400,
            "bad_request",
        ),
        (
            "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
            505,
            "version_unsupported",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nexpect: the-worst\r\n\r\n",
            417,
            "expectation_failed",
        ),
        (
            "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
            405,
            "method_refused",
        ),
    ] {
        // A request behind it must not be answered: nobody knows where it begins.
        let text = format!("{head}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut client = Client::connect(http(&gateway));
        if status == 405 {
            let answer = client.ask(head);
            assert_eq!(answer.status, 405);
            continue;
        }
        assert_eq!(
            refused(&mut client, &text),
            (status, Some(reason.to_owned())),
            "{head:?}"
        );
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn refusals_are_logged_with_the_rule_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let origin = Origin::answering(|seen| ok(std::str::from_utf8(&seen.body).unwrap_or("")));
    let config = GatewayConfig {
        access_log: AccessLog::File(path.clone()),
        ..config()
    };
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    for request in [
        "PUT /a HTTP/1.1\r\nHost: log.test\r\nx y: 1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: log.test\r\n\r\n",
        "POST /c HTTP/1.1\r\nHost: log.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nz\r\n",
    ] {
        assert_eq!(ask(http(&gateway), request).status, 400);
    }
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    eventually("all lines are written", || read().len() == 3);
    let found: Vec<_> = read()
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("method"), text("host"), text("reason"), text("detail"))
        })
        .collect();
    let expected = [
        ("PUT", "field name is not a token"),
        ("GET", "percent sequence is not complete"),
        ("POST", "chunk is malformed"),
    ];
    for (found, (method, detail)) in found.iter().zip(expected) {
        let all = (found.0.as_str(), found.1.as_str(), found.2.as_str());
        assert_eq!(all, (method, "log.test", "bad_request"));
        assert_eq!(found.3, detail);
    }
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    for line in [
        "weir_proxy_malformed_requests_total 1",
        "weir_proxy_failures_total{reason=\"bad_request\"} 3",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in {text}");
    }
}

#[test]
fn limits_of_heads_trailers_and_extensions_hold() {
    let origin = Origin::answering(|seen| ok(&seen.body.len().to_string()));
    let mut config = telling();
    config.settings.limits.header_count = 10;
    config.settings.limits.trailer_bytes = 100;
    config.settings.limits.trailer_count = 3;
    config.settings.limits.chunk_extension = 10;
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (request, status, reason) in [
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: 1\r\n".repeat(10)),
            431,
            "head_too_large",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
                "a".repeat(9000)
            ),
            431,
            "head_too_large",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx: {}",
                "a: b\r\n".repeat(20_000)
            ),
            431,
            "head_too_large",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(9000)),
            414,
            "uri_too_long",
        ),
        (
            format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(11)),
            400,
            "bad_request",
        ),
        (
            format!("{chunked}0\r\nx: {}\r\n\r\n", "a".repeat(100)),
            431,
            "head_too_large",
        ),
        (
            format!("{chunked}0\r\n{}\r\n", "x: 1\r\n".repeat(4)),
            431,
            "head_too_large",
        ),
    ] {
        let mut client = Client::connect(http(&gateway));
        let found = refused(&mut client, &request);
        assert_eq!(found, (status, Some(reason.to_owned())));
    }
    let within = format!("{chunked}1;aaaaaaaa\r\nx\r\n0\r\nx: 1\r\n\r\n");
    assert_eq!(ask(http(&gateway), within).text(), "1");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::answering(|seen| ok(seen.line.split(' ').nth(1).unwrap()));
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    let mut text = String::from("\r\n");
    for number in 0..300 {
        text += &format!("POST /{number} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    }
    let mut writer = client.reader.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || writer.write_all(text.as_bytes()).unwrap());
    for number in 0..300 {
        assert_eq!(client.answer(false).text(), format!("/{number}"));
    }
    sending.join().unwrap();
    assert_eq!(client.ask(get("/last")).text(), "/last");
}

#[test]
fn clients_of_http10_get_what_they_understand() {
    let origin = Origin::answering(|seen| match seen.line.as_str() {
        "GET /chunked HTTP/1.1" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()
        }
        _ => ok("plain"),
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    let kept = client.ask("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert_eq!(
        (kept.text(), kept.header("connection")),
        ("plain", Some("keep-alive"))
    );
    client.send("GET /chunked HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let head = client.head();
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(head.header("connection"), Some("close"));
    let mut rest = String::new();
    client.reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "abc");
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask("GET / HTTP/1.0\r\n\r\n").text(), "plain");
    assert!(client.is_closed());
}

#[test]
fn answers_have_a_date_and_nodes_may_set_it() {
    let origin = Origin::answering(|seen| match seen.line.as_str() {
        "GET /old HTTP/1.1" => {
            b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n"
                .to_vec()
        }
        _ => ok("plain"),
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    assert!(
        client
            .ask(get("/"))
            .header("date")
            .unwrap()
            .ends_with(" GMT")
    );
    let old = client.ask(get("/old"));
    assert_eq!(old.header("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
}

#[test]
fn who_waits_for_100_gets_the_refusal_instead() {
    let mut config = config();
    config.settings.limits.body_bytes = Some(10);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n");
    let answer = client.answer(false);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (413, Some("close"))
    );
    assert!(client.is_closed());
    // The body may follow at once, and then nobody is told to go on.
    let mut hasty = Client::connect(http(&gateway));
    hasty
        .send("PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(hasty.answer(false).text(), "ok");
    assert_eq!(hasty.ask(get("/")).text(), "ok");
    assert_eq!(origin.seen()[0].body, b"body");
}

#[test]
fn a_short_rest_of_a_body_is_read_and_a_long_one_ends_the_connection() {
    let gateway = start(config(), Some(super::setup::runtime(&[])));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n");
    assert_eq!(client.answer(false).status, 404);
    client.send("a".repeat(10_000));
    assert_eq!(client.ask(get("/")).status, 404);
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n");
    let mut writer = client.reader.get_ref().try_clone().unwrap();
    // The client gets the answer although it goes on sending.
    let sending = std::thread::spawn(move || {
        let _ = writer.write_all("a".repeat(1_000_000).as_bytes());
    });
    let answer = client.answer(false);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (404, Some("close"))
    );
    sending.join().unwrap();
    assert!(client.is_closed());
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let mut config = telling();
    config.settings.limits.body_rate = 10_000;
    config.settings.limits.body_rate_grace = Duration::from_millis(300);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n");
    let mut writer = client.reader.get_ref().try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        for _ in 0..1000 {
            std::thread::park_timeout(Duration::from_millis(20));
            if writer.write_all(b"a").is_err() {
                return;
            }
        }
    });
    let answer = client.answer(false);
    assert_eq!(answer.status, 408);
    assert_eq!(answer.header("x-weir-reason"), Some("client_timeout"));
    drop(client);
    trickle.join().unwrap();
}

#[test]
fn interim_answers_of_nodes_are_bounded_and_lose_what_is_of_the_hop() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 5\r\n\r\n";
    let origin = Origin::answering(move |seen| {
        let count = if seen.line.starts_with("GET /many") {
            17
        } else {
            2
        };
        [
            hints.repeat(count).into_bytes(),
            b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
            ok("final"),
        ]
        .concat()
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    for _ in 0..2 {
        let hint = client.head();
        assert_eq!(hint.status, 103);
        assert_eq!(hint.headers, [("link".to_owned(), "</a>".to_owned())]);
    }
    assert_eq!(client.answer(false).text(), "final");
    client.send(get("/many"));
    let mut head = client.head();
    while head.status == 103 {
        head = client.head();
    }
    assert_eq!(head.status, 502);
}

#[test]
fn noise_harms_nobody_else() {
    let origin = Origin::text("ok");
    let gateway = start(
        config(),
        Some(super::setup::runtime(&[(
            "routes/1",
            json!({ "uri": "/ok", "upstream": nodes(&[origin.address]) }),
        )])),
    );
    // Bytes of every kind, in no order: whatever comes of them, the next client is served.
    for seed in 0..200_u64 {
        let mut client = Client::connect(http(&gateway));
        let noise: Vec<u8> = (0..300)
            .map(|at: u64| {
                (seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(at.wrapping_mul(1_442_695_040_888_963_407))
                    >> 33) as u8
            })
            .collect();
        let _ = client.reader.get_mut().write_all(&noise);
    }
    assert_eq!(ask(http(&gateway), get("/ok")).text(), "ok");
}
