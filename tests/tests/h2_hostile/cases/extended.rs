//! Extended CONNECT (RFC 8441): what asks for a stream of another protocol and must not get one.

use super::super::case::{Case, Expect, case};
use super::super::frames::{END_HEADERS, END_STREAM, HEADERS, data, frame};
use super::{Field, block};
use Expect::{Malformed, Refused, Stream};

/// The pseudo fields of a WebSocket where there may be one.
const PSEUDO: [Field<'static>; 5] = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":path", b"/hostile/socket"),
    (b":authority", b"t.test"),
];

/// The head with these pseudo fields, and these fields behind.
fn ask(pseudo: &[Field<'_>], more: &[Field<'_>]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, block(pseudo, more))
}

/// The usual pseudo fields, with one replaced, or left out where there is no value.
fn with(name: &'static [u8], value: Option<&'static [u8]>) -> Vec<Field<'static>> {
    let usual = PSEUDO.iter().copied();
    usual
        .filter_map(|field| match value {
            Some(value) if field.0 == name => Some((name, value)),
            None if field.0 == name => None,
            _ => Some(field),
        })
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = pseudo();
    cases.extend(fields());
    cases
}

fn pseudo() -> Vec<Case> {
    let without = |title, name| case(title, ask(&with(name, None), &[]), Malformed);
    let path = |path| with(b":path", Some(path));
    vec![
        without("extended CONNECT without path", b":path"),
        without("extended CONNECT without scheme", b":scheme"),
        without("extended CONNECT without authority", b":authority"),
        without("protocol without method", b":method"),
        case(
            "protocol of a POST",
            ask(&with(b":method", Some(b"POST")), &[]),
            Malformed,
        ),
        case(
            "protocol twice",
            ask(&[&PSEUDO[..], &PSEUDO[1..2]].concat(), &[]),
            Malformed,
        ),
        case(
            "protocol behind a field",
            ask(
                &with(b":protocol", None),
                &[(b"x-a", b"1"), (b":protocol", b"websocket")],
            ),
            Malformed,
        ),
        case(
            "protocol that nobody knows",
            ask(&with(b":protocol", Some(b"connect-udp")), &[]),
            Refused(&[400, 501]),
        ),
        case(
            "empty protocol",
            ask(&with(b":protocol", Some(b"")), &[]),
            Malformed,
        ),
        case(
            "protocol with a line end",
            ask(&with(b":protocol", Some(b"websocket\r\nx: 1")), &[]),
            Malformed,
        ),
        case(
            "WebSocket where a path is empty",
            ask(&path(b""), &[]),
            Malformed,
        ),
        case(
            "WebSocket with an asterisk",
            ask(&path(b"*"), &[]),
            Malformed,
        ),
        case(
            "WebSocket where none may be",
            ask(&path(b"/hostile"), &[]),
            Refused(&[405]),
        ),
        case(
            "WebSocket where none may be, and frames of it",
            [ask(&path(b"/hostile"), &[]), data(0, 1, 30)].concat(),
            Refused(&[405]),
        ),
        case(
            "WebSocket where none may be, and its end",
            [ask(&path(b"/hostile"), &[]), data(END_STREAM, 1, 0)].concat(),
            Refused(&[405]),
        ),
    ]
}

fn fields() -> Vec<Case> {
    let refused = |title, field| case(title, ask(&PSEUDO, &[field]), Malformed);
    vec![
        refused(
            "WebSocket with a key of HTTP/1.1",
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        refused(
            "WebSocket of another version",
            (b"sec-websocket-version", b"12"),
        ),
        refused("WebSocket with a length", (b"content-length", b"5")),
        refused("WebSocket with an upgrade", (b"upgrade", b"websocket")),
        refused("WebSocket with a connection", (b"connection", b"upgrade")),
        case(
            "WebSocket with two versions",
            ask(
                &PSEUDO,
                &[
                    (b"sec-websocket-version", b"13"),
                    (b"sec-websocket-version", b"13"),
                ],
            ),
            Malformed,
        ),
        case(
            "WebSocket with a head in its head",
            ask(&PSEUDO, &[(b"sec-websocket-protocol", b"a\r\nx: 1")]),
            Malformed,
        ),
        case(
            "WebSocket and its head once more",
            [
                ask(&with(b":path", Some(b"/hostile")), &[]),
                ask(&PSEUDO, &[]),
            ]
            .concat(),
            Stream,
        )
        .or(Refused(&[405])),
    ]
}
