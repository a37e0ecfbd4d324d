//! The reader refuses what it must: it is the judge, so it is judged first.

use super::*;

fn fault(input: &str) -> Option<Fault> {
    request(input.as_bytes()).fault()
}

#[test]
fn a_request_is_read_with_its_body() {
    let input = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
        3;x=\"a;b\"\r\nabc\r\n0\r\nX-T: 1\r\n\r\nGET";
    let (request, size) = request(input).whole().unwrap();
    assert_eq!(size, input.len() - 3);
    assert_eq!(request.body, b"abc");
    assert_eq!(request.trailers.joined("x-t").as_deref(), Some("1"));
    assert_eq!(request.head.fields.joined("host").as_deref(), Some("a"));
    for cut in 0..size {
        assert_eq!(
            super::request(input.get(..cut).unwrap()),
            Read::Partial,
            "{cut}"
        );
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ] {
        assert!(fault(head).is_some(), "{head:?}");
    }
}

#[test]
fn malformed_chunks_are_refused() {
    for input in [
        "\r\n",
        "g\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1\nx",
        "1;\r\n",
        "1;a=\r\n",
        "1;a=\"\r\n",
        "1;a b\r\n",
        "1\r\nxy",
        "1\r\nx\n",
        "1111111111111111\r\n",
        "0\r\n\n",
        "0\r\nx y: 1\r\n\r\n",
        "0\r\n x: 1\r\n\r\n",
    ] {
        assert!(chunked(input.as_bytes()).fault().is_some(), "{input:?}");
    }
}

#[test]
fn answers_end_where_their_fields_say() {
    let body = |input: &str, asked: &str, ended| {
        let read = response(input.as_bytes(), asked, ended).whole();
        read.map(|(answer, size)| (answer.body.len(), size == input.len()))
    };
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(body(sized, "GET", false), Some((2, true)));
    assert_eq!(body(sized, "HEAD", false), Some((0, false)));
    assert_eq!(body("HTTP/1.0 200\r\n\r\nab", "GET", true), Some((2, true)));
    assert_eq!(body("HTTP/1.0 200\r\n\r\nab", "GET", false), None);
    for refused in [
        "HTTP/1.1 20 OK\r\n",
        "HTTP/2 200 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
    ] {
        assert!(
            response(refused.as_bytes(), "GET", false).fault().is_some(),
            "{refused}"
        );
    }
}

#[test]
fn paths_have_one_meaning() {
    for (raw, expected) in [
        ("/a//b/./c/../d", "/a/b/d"),
        ("/a/%2e%2E/b%2fc", "/b/c"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/", "/"),
        ("/a/", "/a/"),
    ] {
        assert_eq!(path(raw).as_deref(), Ok(expected), "{raw}");
    }
    for raw in ["/..", "/%", "/%+1", "/%00", "/%ff", "a", "%2fa"] {
        assert!(path(raw).is_err(), "{raw}");
    }
}
