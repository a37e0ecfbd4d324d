//! Inputs that get deep into the parsers: lines that are nearly right, put together and bent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Bytes over which readers stumble.
const NASTY: &[u8] = b"\r\n\0\t\x0b :;,=\"\\/?#%+-0159afxX_\x7f\x80\xff";

const STARTS: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a/b?c=d HTTP/1.1\r\n",
    "GET /a/../b/%2e%2e/%41 HTTP/1.1\r\n",
    "GET http://a.test/p HTTP/1.1\r\n",
    "GET http://a.test?q HTTP/1.1\r\n",
    "GET HTTPS://A.TEST:443/ HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "CONNECT a.test:80 HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "GET / HTTP/1.2\r\n",
    "\r\nGET / HTTP/1.1\r\n",
    "GET a.test HTTP/1.1\r\n",
    "get /%zz HTTP/1.1\r\n",
];

const FIELDS: &[&str] = &[
    "Host: a.test\r\n",
    "Host: a.test\r\n",
    "host:A.TEST:80\r\n",
    "Host: [::1]:8080\r\n",
    "Host:\r\n",
    "Host: a b\r\n",
    "Host: a.test:99999\r\n",
    "Content-Length: 5\r\n",
    "content-length:\t0 \r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: CHUNKED \r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Connection: close, x-a\r\n",
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "X-A: 1\r\n",
    "X-A:  two \t words \r\n",
    "X-A : 1\r\n",
    "X A: 1\r\n",
    " folded\r\n",
    "X-A: a\rb\r\n",
    "X-A: a\nX-B: b\r\n",
    "X-A: a\0b\r\n",
    ": 1\r\n",
    "X-A\r\n",
];

const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404 Not Found\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304\r\n",
    "HTTP/1.1 200\r\n",
    "HTTP/1.1 999 \t\r\n",
    "HTTP/1.1 099 X\r\n",
    "HTTP/1.1 20 X\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/2.0 200 OK\r\n",
];

const CHUNKS: &[&str] = &[
    "3\r\nabc\r\n",
    "003\r\nabc\r\n",
    "A\r\n0123456789\r\n",
    "3;a=b\r\nabc\r\n",
    "3;a\r\nabc\r\n",
    "3;a=\"b;\\\"c\"\r\nabc\r\n",
    "3;a=\"b\r\nabc\r\n",
    "3;\r\nabc\r\n",
    "3;=b\r\nabc\r\n",
    "3 \r\nabc\r\n",
    "3\nabc\r\n",
    "3\r\nabc\n",
    "3\r\nabcd\r\n",
    "+3\r\nabc\r\n",
    "0x3\r\nabc\r\n",
    "fffffffffffffff\r\n",
    "1000000000000000\r\n",
];

const ENDS: &[&str] = &[
    "0\r\n\r\n",
    "0\r\n\r\n",
    "00\r\n\r\n",
    "0;x\r\n\r\n",
    "0\r\nX-T: 1\r\n\r\n",
    "0\r\nX-T: 1\r\nContent-Length: 5\r\n\r\n",
    "0\r\nConnection: x-t\r\nX-T: 1\r\n\r\n",
    "0\r\nX T: 1\r\n\r\n",
    "0\r\n X-T: 1\r\n\r\n",
    "0\r\n\n",
    "0\n\r\n",
    "-0\r\n\r\n",
];

/// One change of a byte.
#[derive(Debug, Clone)]
enum Bend {
    Replace(u8),
    Insert(u8),
    Remove,
    Double,
}

/// Texts put together, and then bent at some places, often at none.
fn bent(parts: impl Strategy<Value = Vec<&'static str>>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => select(NASTY), 1 => any::<u8>()];
    let bend = prop_oneof![
        byte.clone().prop_map(Bend::Replace),
        byte.prop_map(Bend::Insert),
        Just(Bend::Remove),
        Just(Bend::Double),
    ];
    let bends = prop_oneof![
        2 => Just(Vec::new()),
        3 => vec((any::<prop::sample::Index>(), bend), 1..4),
    ];
    (parts, bends).prop_map(|(parts, bends)| {
        let mut bytes = parts.concat().into_bytes();
        for (at, bend) in bends {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match bend {
                Bend::Replace(byte) => bytes[at] = byte,
                Bend::Insert(byte) => bytes.insert(at, byte),
                Bend::Remove => {
                    bytes.remove(at);
                }
                Bend::Double => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}

fn message(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let fields = vec(select(FIELDS), 0..5);
    // Most have the one host that makes the rest count.
    let host = prop_oneof![3 => Just("Host: a.test\r\n"), 1 => Just("")];
    let parts = (select(starts), host, fields).prop_map(|(start, host, fields)| {
        let mut parts = vec![start, host];
        parts.extend(fields);
        parts.push("\r\nrest");
        parts
    });
    bent(parts)
}

/// Nearly requests.
pub(crate) fn requests() -> impl Strategy<Value = Vec<u8>> {
    message(STARTS)
}

/// Nearly answers.
pub(crate) fn answers() -> impl Strategy<Value = Vec<u8>> {
    message(ANSWERS)
}

/// Nearly chunked bodies.
pub(crate) fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let parts = (vec(select(CHUNKS), 0..4), select(ENDS)).prop_map(|(mut parts, end)| {
        parts.extend([end, "rest"]);
        parts
    });
    bent(parts)
}

/// Nearly paths.
pub(crate) fn paths() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("/"),
        Just("//"),
        Just("/."),
        Just("/.."),
        Just("%2e"),
        Just("%2F"),
        Just("%25"),
        Just("a"),
        Just(";"),
        Just("%c3%a9"),
        Just("é"),
        Just("%"),
        Just("%00"),
        Just("%+1"),
        Just("\\"),
        Just("%7f"),
        Just("%C0%AF"),
    ];
    (any::<bool>(), vec(part, 0..12)).prop_map(|(slash, parts)| {
        let first = if slash { "/" } else { "" };
        format!("{first}{}", parts.concat())
    })
}

/// Sizes of the pieces in which a connection brings it.
pub(crate) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![1 => Just(Vec::new()), 3 => vec(1usize..20, 1..6)]
}
