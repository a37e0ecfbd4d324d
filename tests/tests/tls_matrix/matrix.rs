//! The table: what a client offers, and what it gets.

use std::path::Path;

use serde_json::json;

use super::client::openssl;
use super::mint::{Authority, Kind, self_signed};
use super::setup::Bench;

/// One line of the table.
struct Row {
    what: &'static str,
    /// Arguments of `openssl s_client`.
    client: &'static str,
    /// Host and path of the request.
    asks: (&'static str, &'static str),
    /// All of these are printed, and none of those that begin with `!`.
    sees: &'static [&'static str],
}

const fn row(
    what: &'static str,
    client: &'static str,
    asks: (&'static str, &'static str),
    sees: &'static [&'static str],
) -> Row {
    Row {
        what,
        client,
        asks,
        sees,
    }
}

const OK: &str = "HTTP/1.1 200";
const BAD: &str = "HTTP/1.1 400";
const NO_NAME: &str = "alert number 109";
const UNKNOWN_NAME: &str = "alert number 112";
const NO_CERTIFICATE: &str = "alert number 116";
const UNKNOWN_CA: &str = "alert number 48";
const EXPIRED: &str = "alert number 45";
const NO_ANSWER: &str = "!HTTP/1.1";

const NAMES: &[Row] = &[
    row(
        "exact name",
        "-servername exact.a.test",
        ("exact.a.test", "/"),
        &["CN = exact", OK],
    ),
    row(
        "case does not matter",
        "-servername EXACT.A.test",
        ("exact.a.test", "/"),
        &["CN = exact", OK],
    ),
    row(
        "wildcard",
        "-servername other.a.test",
        ("other.a.test", "/"),
        &["CN = wildcard", OK],
    ),
    row(
        "a wildcard is one label",
        "-servername b.other.a.test",
        ("b.other.a.test", "/"),
        &[UNKNOWN_NAME, NO_ANSWER],
    ),
    row(
        "a wildcard is not its parent",
        "-servername a.test",
        ("a.test", "/"),
        &[UNKNOWN_NAME, NO_ANSWER],
    ),
    row(
        "unknown name",
        "-servername unknown.test",
        ("unknown.test", "/"),
        &[UNKNOWN_NAME, NO_ANSWER],
    ),
    row(
        "no name",
        "-noservername",
        ("exact.a.test", "/"),
        &[NO_NAME, NO_ANSWER],
    ),
    row(
        "an object that is off",
        "-servername off.test",
        ("off.test", "/"),
        &[UNKNOWN_NAME, NO_ANSWER],
    ),
    row(
        "an object for nodes",
        "-servername client.test",
        ("client.test", "/"),
        &[UNKNOWN_NAME, NO_ANSWER],
    ),
    row(
        "two objects with one name: the first id",
        "-servername twice.test",
        ("twice.test", "/"),
        &["CN = first", OK],
    ),
    row(
        "another host on the connection",
        "-servername exact.a.test",
        ("other.a.test", "/"),
        &["CN = exact", OK],
    ),
    row(
        "an expired certificate is offered as it is",
        "-servername expired.test",
        ("expired.test", "/"),
        &["CN = expired", OK],
    ),
];

const ABILITIES: &[Row] = &[
    row(
        "both chains, TLS 1.3",
        "-servername both.test",
        ("both.test", "/"),
        &["CN = ecdsa", "TLSv1.3", OK],
    ),
    row(
        "only RSA signatures, TLS 1.3",
        "-servername both.test -sigalgs RSA-PSS+SHA256",
        ("both.test", "/"),
        &["CN = rsa", "TLSv1.3", OK],
    ),
    row(
        "only ECDSA suites, TLS 1.2",
        "-servername both.test -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
        ("both.test", "/"),
        &["CN = ecdsa", OK],
    ),
    row(
        "only RSA suites, TLS 1.2",
        "-servername both.test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
        ("both.test", "/"),
        &["CN = rsa", OK],
    ),
    row(
        "no suite in common",
        "-servername exact.a.test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
        ("exact.a.test", "/"),
        &["alert number 40", NO_ANSWER],
    ),
    row(
        "TLS 1.2 by the object",
        "-servername old.test",
        ("old.test", "/"),
        &["TLSv1.2", OK],
    ),
    row(
        "TLS 1.3 where the object has 1.2",
        "-servername old.test -tls1_3",
        ("old.test", "/"),
        &["alert number 70", NO_ANSWER],
    ),
    row(
        "TLS 1.2 where the object has 1.3",
        "-servername new.test -tls1_2",
        ("new.test", "/"),
        &["alert number 70", NO_ANSWER],
    ),
    row(
        "TLS 1.1",
        "-servername exact.a.test -tls1_1 -cipher ALL:@SECLEVEL=0",
        ("exact.a.test", "/"),
        &["alert number 40", NO_ANSWER],
    ),
    row(
        "HTTP/2",
        "-servername exact.a.test -alpn h2,http/1.1",
        ("exact.a.test", "/"),
        &["ALPN protocol: h2"],
    ),
    row(
        "HTTP/1.1",
        "-servername exact.a.test -alpn http/1.1",
        ("exact.a.test", "/"),
        &["ALPN protocol: http/1.1", OK],
    ),
    row(
        "no application protocol",
        "-servername exact.a.test",
        ("exact.a.test", "/"),
        &["No ALPN negotiated", OK],
    ),
    row(
        "unknown application protocol",
        "-servername exact.a.test -alpn spdy/3",
        ("exact.a.test", "/"),
        &["alert number 120", NO_ANSWER],
    ),
    row(
        "no early data",
        "-servername exact.a.test -tls1_3",
        ("exact.a.test", "/"),
        &["!Early data was accepted", OK],
    ),
];

const CLIENTS: &[Row] = &[
    row(
        "right certificate",
        "-servername m.test @right",
        ("m.test", "/"),
        &[OK],
    ),
    row(
        "right certificate, TLS 1.2",
        "-tls1_2 -servername m.test @right",
        ("m.test", "/"),
        &[OK],
    ),
    row(
        "none",
        "-servername m.test",
        ("m.test", "/"),
        &[NO_CERTIFICATE, NO_ANSWER],
    ),
    row(
        "none, TLS 1.2",
        "-tls1_2 -servername m.test",
        ("m.test", "/"),
        &[NO_CERTIFICATE, NO_ANSWER],
    ),
    row(
        "expired",
        "-servername m.test @late",
        ("m.test", "/"),
        &[EXPIRED, NO_ANSWER],
    ),
    row(
        "not valid yet",
        "-servername m.test @early",
        ("m.test", "/"),
        &[EXPIRED, NO_ANSWER],
    ),
    row(
        "of another authority",
        "-servername m.test @foreign",
        ("m.test", "/"),
        &[UNKNOWN_CA, NO_ANSWER],
    ),
    row(
        "not for clients",
        "-servername m.test @server-only",
        ("m.test", "/"),
        &["alert number 4", NO_ANSWER],
    ),
    row(
        "one in between",
        "-servername m.test @one -cert_chain @one",
        ("m.test", "/"),
        &[OK],
    ),
    row(
        "two in between, one allowed",
        "-servername m.test @two -cert_chain @two",
        ("m.test", "/"),
        &[UNKNOWN_CA, NO_ANSWER],
    ),
    row(
        "two in between, two allowed",
        "-servername deep.test @two -cert_chain @two",
        ("deep.test", "/"),
        &[OK],
    ),
    row(
        "self-signed, its own authority",
        "-servername self.test @self",
        ("self.test", "/"),
        &[OK],
    ),
    row(
        "self-signed CA, its own authority",
        "-servername self-ca.test @self-ca",
        ("self-ca.test", "/"),
        &[OK],
    ),
    row(
        "self-signed CA, of another",
        "-servername self.test @self-ca",
        ("self.test", "/"),
        &["alert number 46", NO_ANSWER],
    ),
    row(
        "skipped path, none",
        "-servername skip.test",
        ("skip.test", "/free/x"),
        &[OK],
    ),
    row(
        "other path, none",
        "-servername skip.test",
        ("skip.test", "/closed"),
        &[BAD],
    ),
    row(
        "path that leads out of what is skipped",
        "-servername skip.test",
        ("skip.test", "/free/../closed"),
        &[BAD],
    ),
    row(
        "other path, right certificate",
        "-servername skip.test @right",
        ("skip.test", "/closed"),
        &[OK],
    ),
    row(
        "skipped path, of another authority",
        "-servername skip.test @foreign",
        ("skip.test", "/free/x"),
        &[UNKNOWN_CA, NO_ANSWER],
    ),
    row(
        "another name in TLS than the host",
        "-servername exact.a.test @right",
        ("m.test", "/"),
        &[BAD],
    ),
    row(
        "a host without check on a checked connection",
        "-servername m.test @right",
        ("exact.a.test", "/"),
        &[BAD],
    ),
    row(
        "a host with another check",
        "-servername m.test @right",
        ("skip.test", "/closed"),
        &[BAD],
    ),
];

/// `@name` stands for the certificate and key of a client, after `-cert_chain` for what is above.
fn arguments(dir: &Path, written: &str) -> Vec<String> {
    let file = |name: &str, kind: &str| dir.join(format!("{name}.{kind}")).display().to_string();
    let mut arguments: Vec<String> = Vec::new();
    for word in written.split_whitespace() {
        match word.strip_prefix('@') {
            Some(name) if arguments.last().is_some_and(|last| last == "-cert_chain") => {
                arguments.push(file(&format!("{name}-chain"), "pem"));
            }
            Some(name) => arguments.extend([
                "-cert".to_owned(),
                file(name, "pem"),
                "-key".to_owned(),
                file(name, "key"),
            ]),
            None => arguments.push(word.to_owned()),
        }
    }
    arguments
}

/// Runs rows; returns what did not come out.
fn run(bench: &Bench, rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let arguments = arguments(bench.cluster.dir(), row.client);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let seen = openssl(&bench.agent, &arguments, row.asks.0, row.asks.1);
        let fits = |text: &&str| match text.strip_prefix('!') {
            Some(absent) => !seen.contains(absent),
            None => seen.contains(text),
        };
        let missing: Vec<_> = row.sees.iter().filter(|text| !fits(text)).collect();
        if !missing.is_empty() {
            wrong.push(format!("{}: {missing:?}\n{seen}", row.what));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_get_what_the_table_says() {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    let servers = Authority::new(dir, "servers");
    let clients = Authority::new(dir, "clients");
    let others = Authority::new(dir, "others");
    let mint = |name: &str, host: &str, kind| servers.mint(dir, name, host, kind);

    for (id, name, host, more) in [
        ("exact", "exact", "exact.a.test", json!({})),
        ("wildcard", "wildcard", "*.a.test", json!({})),
        ("off", "off", "off.test", json!({"status": 0})),
        ("node", "node", "client.test", json!({"type": "client"})),
        ("twice-1", "first", "twice.test", json!({})),
        ("twice-2", "second", "twice.test", json!({})),
        (
            "old",
            "old",
            "old.test",
            json!({"ssl_protocols": ["TLSv1.2"]}),
        ),
        (
            "new",
            "new",
            "new.test",
            json!({"ssl_protocols": ["TLSv1.3"]}),
        ),
        ("m", "m", "m.test", json!({"client": {"ca": clients.pem}})),
        (
            "deep",
            "deep",
            "deep.test",
            json!({"client": {"ca": clients.pem, "depth": 2}}),
        ),
        (
            "skip",
            "skip",
            "skip.test",
            json!({"client": {"ca": clients.pem, "skip_mtls_uri_regex": ["^/free"]}}),
        ),
        (
            "self",
            "s",
            "self.test",
            json!({"client": {"ca": self_signed(dir, "self", false).cert}}),
        ),
        (
            "self-ca",
            "sc",
            "self-ca.test",
            json!({"client": {"ca": self_signed(dir, "self-ca", true).cert}}),
        ),
    ] {
        let minted = mint(name, host, Kind::Ecdsa);
        let mut object = json!({"sni": host, "cert": minted.cert, "key": minted.key});
        let fields = object.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        bench.put(&format!("ssls/{id}"), object).await;
    }
    let expired = mint("expired", "expired.test", Kind::Expired);
    let object = json!({"sni": "expired.test", "cert": expired.cert, "key": expired.key});
    bench.put("ssls/expired", object).await;
    let (ecdsa, rsa) = (
        mint("ecdsa", "both.test", Kind::Ecdsa),
        mint("rsa", "both.test", Kind::Rsa),
    );
    let object = json!({"snis": ["both.test"], "cert": ecdsa.cert, "key": ecdsa.key,
        "certs": [rsa.cert], "keys": [rsa.key]});
    bench.put("ssls/both", object).await;

    for (name, kind) in [
        ("right", Kind::Ecdsa),
        ("late", Kind::Expired),
        ("early", Kind::Future),
        ("server-only", Kind::ServerOnly),
    ] {
        clients.mint(dir, name, name, kind);
    }
    others.mint(dir, "foreign", "foreign", Kind::Ecdsa);
    let first = clients.intermediate("first in between");
    let second = first.intermediate("second in between");
    first.mint(dir, "one", "one", Kind::Ecdsa);
    second.mint(dir, "two", "two", Kind::Ecdsa);
    std::fs::write(dir.join("one-chain.pem"), first.chain()).unwrap();
    std::fs::write(dir.join("two-chain.pem"), second.chain()).unwrap();

    let mut wrong = run(&bench, NAMES);
    wrong.extend(run(&bench, ABILITIES));
    wrong.extend(run(&bench, CLIENTS));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    // The log has the reason with name and kind, and the metrics count by kind.
    let log = bench.agent.tail();
    assert!(log.contains("TLS handshake failed"), "{log}");
    for (kind, least) in [
        ("no_server_name", 1.0),
        ("unknown_server_name", 5.0),
        ("client_certificate_missing", 2.0),
        ("client_certificate_refused", 6.0),
        ("version", 3.0),
        ("cipher", 1.0),
        ("protocol", 1.0),
    ] {
        let name = format!("weir_proxy_tls_handshake_failures_total{{kind=\"{kind}\"}}");
        let count = bench.metric(&name).await;
        assert!(count >= least, "{kind}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_a_name_get_the_fallback_and_the_process_bounds_versions() {
    let file = "apisix: {ssl: {fallback_sni: Fallback.test, ssl_protocols: TLSv1.3}}\n";
    let bench = Bench::start(file).await;
    let dir = bench.cluster.dir();
    let servers = Authority::new(dir, "servers");
    for (name, more) in [
        ("fallback.test", json!({})),
        ("old.test", json!({"ssl_protocols": ["TLSv1.2"]})),
    ] {
        let minted = servers.mint(dir, name, name, Kind::Ecdsa);
        let mut object = json!({"sni": name, "cert": minted.cert, "key": minted.key});
        let fields = object.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        bench.put(&format!("ssls/{name}"), object).await;
    }
    let wrong = run(
        &bench,
        &[
            row(
                "no name",
                "-noservername",
                ("fallback.test", "/"),
                &["CN = fallback.test", OK],
            ),
            row(
                "unknown name",
                "-servername unknown.test",
                ("a", "/"),
                &[UNKNOWN_NAME, NO_ANSWER],
            ),
            row(
                "older than the process has",
                "-tls1_2 -servername fallback.test",
                ("fallback.test", "/"),
                &["alert number 70", NO_ANSWER],
            ),
            row(
                "the object's own versions",
                "-servername old.test",
                ("old.test", "/"),
                &["TLSv1.2", OK],
            ),
        ],
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
