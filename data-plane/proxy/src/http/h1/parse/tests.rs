//! Every rule by a request that breaks it, and laws of the reader.

use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits {
        header_bytes: 4096,
        header_count: 20,
        uri_length: 200,
        ..Limits::default()
    }
}

/// Feeds `input` in pieces of at most `size` bytes, as a connection would; `None` when it is not
/// whole. Gives what is left as well.
fn head_in_pieces(input: &[u8], size: usize) -> Result<Option<(Head, BytesMut)>, Refusal> {
    let mut buffer = BytesMut::new();
    let mut scanner = Scanner::default();
    for piece in input.chunks(size) {
        buffer.extend_from_slice(piece);
        if let Some(size) = find_end(&mut scanner, &buffer, &limits())? {
            let mut rest = buffer.split_off(size);
            let head = take_head(&mut buffer, size, &limits()).map_err(|bad| bad.refusal)?;
            let fed = input.len().min(size + rest.len());
            rest.extend_from_slice(&input[fed..]);
            return Ok(Some((head, rest)));
        }
    }
    Ok(None)
}

fn read(input: &[u8]) -> Result<Head, Refusal> {
    let found = head_in_pieces(input, usize::MAX)?;
    Ok(found.expect("a whole head").0)
}

fn get(fields: &str) -> Result<Head, Refusal> {
    read(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
}

#[test]
fn a_head_is_taken_apart() {
    let head = read(b"POST /a?b HTTP/1.1\r\nHOST: a\r\nX-A:  1 \r\nx-a: 2\r\nTE: trailers\r\nContent-Length: 3\r\n\r\n").unwrap();
    assert_eq!(head.parts.method, Method::POST);
    assert_eq!(head.parts.uri, "/a?b");
    assert_eq!(head.parts.version, Version::HTTP_11);
    assert_eq!(head.parts.headers["host"], "a");
    let all: Vec<_> = head.parts.headers.get_all("x-a").iter().collect();
    assert_eq!(all, ["1", "2"]);
    assert_eq!(head.body.remaining(), Some(3));
    assert!(head.takes_trailers && head.keep_alive && !head.expects_continue);
    let custom = read(b"M-SEARCH / HTTP/1.1\r\nHost:\r\n\r\n").unwrap();
    assert_eq!(custom.parts.method.as_str(), "M-SEARCH");
}

#[test]
fn connection_lives_as_version_and_fields_say() {
    let keeps = |version: &str, connection: &str| {
        let text = format!("GET / {version}\r\nhost: a\r\nconnection: {connection}\r\n\r\n");
        read(text.as_bytes()).unwrap().keep_alive
    };
    assert!(keeps("HTTP/1.1", "x"));
    assert!(keeps("HTTP/1.1", "Keep-Alive"));
    assert!(!keeps("HTTP/1.1", "x, Close"));
    assert!(!keeps("HTTP/1.0", "x"));
    assert!(keeps("HTTP/1.0", "x , Keep-Alive"));
    assert!(!keeps("HTTP/1.0", "keep-alive, close"));
}

#[test]
fn body_is_framed_in_one_way() {
    assert!(get("").unwrap().body.is_done());
    assert!(get("content-length: 0\r\n").unwrap().body.is_done());
    let chunked = get("Transfer-Encoding: Chunked\r\n").unwrap().body;
    assert!(!chunked.is_done() && chunked.remaining().is_none());
}

/// The rule and what breaks it, in front of or behind `Host`.
#[test]
fn every_broken_rule_is_named() {
    for (fields, detail) in [
        (
            "content-length: 1\r\ntransfer-encoding: chunked\r\n",
            "content-length beside transfer-encoding",
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
            "content-length beside transfer-encoding",
        ),
        (
            "content-length: 1\r\ncontent-length: 1\r\n",
            "content-length is given twice",
        ),
        (
            "content-length: 1\r\ncontent-length: 2\r\n",
            "content-length is given twice",
        ),
        (
            "content-length: 1, 1\r\n",
            "content-length is not one number",
        ),
        ("content-length: +1\r\n", "content-length is not one number"),
        ("content-length: -1\r\n", "content-length is not one number"),
        (
            "content-length: 0x1\r\n",
            "content-length is not one number",
        ),
        (
            "content-length: 1 2\r\n",
            "content-length is not one number",
        ),
        ("content-length:\r\n", "content-length is not one number"),
        (
            "content-length: 99999999999999999999\r\n",
            "content-length is not one number",
        ),
        (
            "transfer-encoding: gzip\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: chunked, chunked\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: identity\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: chunked;a=b\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding: \x0bchunked\r\n",
            "control character in a field value",
        ),
        (
            "transfer-encoding:\r\n",
            "transfer-encoding is not chunked, once",
        ),
        (
            "transfer-encoding : chunked\r\n",
            "blank between field name and colon",
        ),
        ("x: 1\r\n 2\r\n", "field value is folded over lines"),
        ("x: 1\r\n\t2\r\n", "field value is folded over lines"),
        ("x\r\n", "field line has no colon"),
        (": 1\r\n", "field name is empty"),
        ("x\0: 1\r\n", "field name is not a token"),
        ("x(y): 1\r\n", "field name is not a token"),
        ("x: \0\r\n", "control character in a field value"),
        ("x: \x7f\r\n", "control character in a field value"),
        ("x: 1\n", "line does not end in CR LF"),
        ("x: 1\ry: 2\r\n", "carriage return without line feed"),
        ("x: 1\r\r\n", "carriage return without line feed"),
    ] {
        for text in [
            format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
            format!("POST / HTTP/1.1\r\n{fields}Host: a\r\n\r\n"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), bad(detail), "{text:?}");
        }
    }
    for target in ["/", "http://a/"] {
        let text = format!("GET {target} HTTP/1.1\r\nx: 1\r\n\r\n");
        assert_eq!(read(text.as_bytes()).unwrap_err(), bad("host is missing"));
    }
    assert!(read(b"GET / HTTP/1.0\r\n\r\n").is_ok());
    let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(read(old).unwrap_err(), bad("transfer-encoding in HTTP/1.0"));
}

#[test]
fn request_lines_are_read_by_the_grammar_only() {
    const FORM: Refusal = bad("request line is not method, target and version");
    const VERSION: Refusal = bad("version is not HTTP/ and two digits");
    for (line, refusal) in [
        ("GET /", FORM),
        ("GET", FORM),
        ("GET  / HTTP/1.1", FORM),
        ("GET /  HTTP/1.1", FORM),
        ("GET / HTTP/1.1 ", FORM),
        ("GET /a b HTTP/1.1", FORM),
        ("GET\t/ HTTP/1.1", FORM),
        ("G(T / HTTP/1.1", bad("method is not a token")),
        ("GET / http/1.1", VERSION),
        ("GET / Http/1.1", VERSION),
        ("GET / HTTP/1.1\r", VERSION),
        ("GET / HTTP/11", VERSION),
        ("GET / HTTP/1.10", VERSION),
        ("GET / HTTP/1,1", VERSION),
        ("GET / HTTP/x.1", VERSION),
        ("GET / XTTP/1.1", VERSION),
        ("INVALID CONNECTION PREFACE", FOREIGN),
        ("GET * HTTP", FOREIGN),
        ("HELO a.test", FORM),
        ("GET / HTTP/0.9", Reason::VersionUnsupported.into()),
        ("GET / HTTP/1.2", Reason::VersionUnsupported.into()),
        ("PRI * HTTP/2.0", Reason::VersionUnsupported.into()),
        ("GET /\r\r HTTP/1.1", bad("control character in the target")),
        ("GET /\u{e4} HTTP/1.1", bad("target has bytes beyond ASCII")),
        ("GET /#a HTTP/1.1", bad("target has a fragment")),
        (
            "GET ftp://a/ HTTP/1.1",
            bad("target has another scheme than http and https"),
        ),
        (
            "GET a:80 HTTP/1.1",
            bad("target is neither a path nor a URI"),
        ),
        (
            "GET * HTTP/1.1",
            bad("target is an asterisk, but the method is not OPTIONS"),
        ),
        (
            "CONNECT / HTTP/1.1",
            bad("target of CONNECT is not host and port"),
        ),
    ] {
        let text = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(read(text.as_bytes()).unwrap_err(), refusal, "{line:?}");
    }
}

#[test]
fn limits_hold_before_the_bytes_are_there() {
    let refused = |input: String| head_in_pieces(input.as_bytes(), 7).unwrap_err().reason;
    assert_eq!(
        refused(format!("GET /{}", "a".repeat(300))),
        Reason::UriTooLong
    );
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(
        refused(format!("{start}x: {}", "a".repeat(5000))),
        Reason::HeadTooLarge
    );
    let whole = |fields: String| {
        read(format!("{start}{fields}\r\n").as_bytes())
            .unwrap_err()
            .reason
    };
    assert_eq!(whole("x: 1\r\n".repeat(20)), Reason::HeadTooLarge);
    assert!(get(&"x: 1\r\n".repeat(19)).is_ok());
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(200));
    assert_eq!(
        read(long.as_bytes()).unwrap_err().reason,
        Reason::UriTooLong
    );
}

#[test]
fn what_is_no_request_is_told_at_once() {
    for input in ["\x16\x03\x01", "\r\n", "\n", "\0", " GET", "\u{e4}"] {
        let refused = head_in_pieces(input.as_bytes(), 1).unwrap_err();
        assert_eq!(refused.reason, Reason::BadRequest, "{input:?}");
    }
}

#[test]
fn one_expectation_is_known() {
    assert!(get("expect: 100-Continue\r\n").unwrap().expects_continue);
    let other = get("expect: x\r\n").unwrap_err();
    assert_eq!(other.reason, Reason::ExpectationFailed);
    let old = read(b"GET / HTTP/1.0\r\nexpect: x\r\n\r\n").unwrap();
    assert!(!old.expects_continue);
}

#[test]
fn what_was_understood_is_kept_for_the_log() {
    let text = b"PUT /a HTTP/1.1\r\nHost: b\r\nx y: 1\r\n\r\n";
    let mut buffer = BytesMut::from(&text[..]);
    let bad = take_head(&mut buffer, text.len(), &limits()).unwrap_err();
    assert_eq!(bad.parts.method, Method::PUT);
    assert_eq!(bad.parts.uri, "/a");
    assert_eq!(bad.parts.headers["host"], "b");
}

/// Bytes that look like requests often enough to get deep into the reader.
fn nearly_a_request() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST http://a/ HTTP/1.0\r\n".to_vec()),
        Just(b"host: a\r\n".to_vec()),
        Just(b"content-length: 5\r\n".to_vec()),
        Just(b"transfer-encoding: chunked\r\n".to_vec()),
        Just(b"connection: close, x-a\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn head_does_not_depend_on_the_pieces(input in nearly_a_request(), size in 1usize..20) {
        let whole = head_in_pieces(&input, usize::MAX);
        match (whole, head_in_pieces(&input, size)) {
            (Ok(Some((whole, rest))), Ok(Some((split, split_rest)))) => {
                prop_assert_eq!(whole.parts.method, split.parts.method);
                prop_assert_eq!(whole.parts.uri, split.parts.uri);
                prop_assert_eq!(whole.parts.headers, split.parts.headers);
                prop_assert_eq!(whole.body, split.body);
                prop_assert_eq!(rest, split_rest);
            }
            (Ok(whole), Ok(split)) => prop_assert_eq!(whole.is_some(), split.is_some()),
            // Which rule is told depends on how much had come when the first was found broken.
            (whole, split) => {
                let reason = |result: Result<_, Refusal>| result.err().map(|bad| bad.reason);
                prop_assert_eq!(reason(whole), reason(split));
            }
        }
    }
}
