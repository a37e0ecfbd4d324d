//! Fields: names, values, what belongs to a connection, sizes (RFC 9113 sections 8.2 and 10.5.1).

use super::super::case::{Case, Expect, case};
use super::super::frames::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, data, frame};
use super::{PSEUDO, block, get, post};
use Expect::{Forwarded, Malformed, Refused};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(values());
    cases.extend(of_the_connection());
    cases.extend(lengths());
    cases.extend(sizes());
    cases
}

fn names() -> Vec<Case> {
    let name = |what, name: &'static [u8]| case(what, get(&[(name, b"1")]), Malformed);
    vec![
        name("name in capitals", b"X-A"),
        name("name with one capital", b"x-aB"),
        name("empty name", b""),
        name("name with a blank", b"x a"),
        name("name that begins with a blank", b" x-a"),
        name("name that ends with a blank", b"transfer-encoding "),
        name("name with a colon", b"x-a:"),
        name("name that holds a field", b"x-a: 1\r\nx-b"),
        name("name with a line feed", b"x\na"),
        name("name with NUL", b"x\0a"),
        name("name with a tabulator", b"x\ta"),
        name("name with DEL", b"x\x7fa"),
        name("name beyond ASCII", b"x-\xc3\xa9"),
        name("name with a slash", b"x/a"),
        name("name with quotes", b"\"x\""),
        name("name with brackets", b"x[0]"),
        name("name with a comma", b"x,a"),
        case(
            "name of all kinds of letters",
            get(&[(b"x-a!#$%&'*+.^_`|~9", b"1")]),
            Forwarded("GET /hostile", &["x-a!#$%&'*+.^_`|~9: 1"], &[]),
        ),
    ]
}

fn values() -> Vec<Case> {
    let value = |what, value: &'static [u8]| case(what, get(&[(b"x-a", value)]), Malformed);
    vec![
        value("value with a line end", b"1\r\nx-b: 2"),
        value("value with a line feed", b"1\nx-b: 2"),
        value("value with a carriage return", b"1\rx-b: 2"),
        value("value with NUL", b"1\x002"),
        value("value with a control character", b"1\x0b2"),
        value("value with DEL", b"1\x7f2"),
        value(
            "value with two line ends",
            b"1\r\n\r\nGET /hostile2 HTTP/1.1\r\nHost: t\r\n\r\n",
        ),
        value("value that begins with a blank", b" 1"),
        value("value that ends with a blank", b"1 "),
        value("value that begins with a tabulator", b"\t1"),
        value("value that ends with a tabulator", b"1\t"),
        value("value of a blank", b" "),
        value("value that ends with a line feed", b"1\n"),
        case(
            "value with a blank in it",
            get(&[(b"x-a", b"1 2\t3")]),
            Forwarded("GET /hostile", &["x-a: 1 2\t3"], &[]),
        ),
        case(
            "empty value",
            get(&[(b"x-a", b"")]),
            Forwarded("GET /hostile", &[], &[]),
        ),
        case(
            "Cookie in pieces",
            get(&[(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2")]),
            Forwarded("GET /hostile", &["cookie: a=1; b=2"], &[]),
        ),
    ]
}

fn of_the_connection() -> Vec<Case> {
    let field = |what, name: &'static [u8], value: &'static [u8]| {
        case(what, get(&[(name, value)]), Malformed)
    };
    let chunked = [
        post(&[(b"transfer-encoding", b"chunked")]),
        data(END_STREAM, 1, 3),
    ]
    .concat();
    let both = [
        post(&[
            (b"transfer-encoding", b"chunked"),
            (b"content-length", b"3"),
        ]),
        data(END_STREAM, 1, 3),
    ]
    .concat();
    vec![
        field("Connection", b"connection", b"close"),
        field("Connection that names a field", b"connection", b"x-secret"),
        field("Keep-Alive", b"keep-alive", b"timeout=5"),
        field("Proxy-Connection", b"proxy-connection", b"keep-alive"),
        field("Transfer-Encoding", b"transfer-encoding", b"chunked"),
        field(
            "Transfer-Encoding of identity",
            b"transfer-encoding",
            b"identity",
        ),
        field("Upgrade", b"upgrade", b"websocket"),
        field("Upgrade to h2c", b"upgrade", b"h2c"),
        field("TE beyond trailers", b"te", b"gzip"),
        field("TE with trailers and more", b"te", b"trailers, gzip"),
        case("Transfer-Encoding with a body", chunked, Malformed),
        case("Transfer-Encoding and a length", both, Malformed),
        case(
            "TE of trailers",
            get(&[(b"te", b"trailers")]),
            Forwarded("GET /hostile", &[], &["transfer-encoding"]),
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let length = |what, value: &'static [u8]| {
        case(
            what,
            [post(&[(b"content-length", value)]), data(END_STREAM, 1, 3)].concat(),
            Malformed,
        )
    };
    vec![
        length("length of letters", b"abc"),
        length("empty length", b""),
        length("length with a sign", b"+3"),
        length("negative length", b"-3"),
        length("length as a list", b"3, 3"),
        length("length in hexadecimal", b"0x3"),
        length("length with a blank", b" 3"),
        length("length with a fraction", b"3.0"),
        length("length beyond 64 bits", b"18446744073709551619"),
        length(
            "length beyond 64 bits that wraps to the right one",
            b"36893488147419103235",
        ),
        case(
            "two lengths",
            [
                post(&[(b"content-length", b"3"), (b"content-length", b"4")]),
                data(END_STREAM, 1, 3),
            ]
            .concat(),
            Malformed,
        ),
        case(
            "same length twice",
            [
                post(&[(b"content-length", b"3"), (b"content-length", b"3")]),
                data(END_STREAM, 1, 3),
            ]
            .concat(),
            Malformed,
        )
        .or(Forwarded("POST /hostile", &["content-length: 3"], &[])),
    ]
}

fn sizes() -> Vec<Case> {
    let long = vec![b'a'; 12_000];
    let many: Vec<(Vec<u8>, Vec<u8>)> = (0..150)
        .map(|at| (format!("x-{at}").into_bytes(), b"1".to_vec()))
        .collect();
    let many: Vec<(&[u8], &[u8])> = many
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    // More than a head may have, less than four times as much.
    let large = block(&PSEUDO, &[(&b"x-long"[..], &long[..]); 8]);
    let (first, rest) = large.split_at(16_000);
    let mut split = frame(HEADERS, END_STREAM, 1, first);
    let pieces: Vec<&[u8]> = rest.chunks(16_000).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let flags = if at + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        split.extend(frame(CONTINUATION, flags, 1, piece));
    }
    vec![
        case("more fields than there may be", get(&many), Refused(&[431])),
        case(
            "field longer than it may be",
            get(&[(b"x-long", &long)]),
            Refused(&[431]),
        ),
        case("head larger than it may be", split, Refused(&[431])),
    ]
}
