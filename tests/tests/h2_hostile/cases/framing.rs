//! Frames themselves: sizes, padding, flags, and what may stand between (RFC 9113 sections 4 and 6).

use super::super::case::{Case, Expect, case, good};
use super::super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, WITH_PRIORITY, data, frame,
    ping, reset, settings, window,
};
use super::{PSEUDO, block, get, post};
use Expect::{Calm, Connection, Forwarded, Ignored, Left, Malformed, Stream};

const SERVED: Expect = Forwarded("GET /hostile", &[], &[]);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(blocks());
    cases.extend(others());
    cases.extend(beginnings());
    cases
}

fn whole() -> Vec<u8> {
    block(&PSEUDO, &[])
}

fn sizes() -> Vec<Case> {
    let padded = |padding: u8, rest: &[u8]| [&[padding][..], rest].concat();
    vec![
        case(
            "DATA longer than a frame may be",
            [post(&[]), data(0, 1, 16_385)].concat(),
            Connection,
        ),
        case(
            "HEADERS longer than a frame may be",
            frame(HEADERS, WHOLE, 1, vec![0; 16_385]),
            Connection,
        ),
        case(
            "CONTINUATION longer than a frame may be",
            [
                frame(HEADERS, 0, 1, []),
                frame(CONTINUATION, 4, 1, vec![0; 16_385]),
            ]
            .concat(),
            Connection,
        ),
        case(
            "frame of an extension longer than a frame may be",
            frame(0xfe, 0, 0, vec![0; 16_385]),
            Connection,
        ),
        case(
            "frame of the largest length that can be told",
            vec![0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0],
            Connection,
        ),
        case(
            "PRIORITY of four bytes",
            frame(PRIORITY, 0, 1, [0; 4]),
            Stream,
        ),
        case(
            "PRIORITY of six bytes",
            frame(PRIORITY, 0, 1, [0; 6]),
            Stream,
        ),
        case(
            "RST_STREAM of three bytes",
            [post(&[]), frame(RST_STREAM, 0, 1, [0; 3])].concat(),
            Connection,
        ),
        case(
            "RST_STREAM of five bytes",
            [post(&[]), frame(RST_STREAM, 0, 1, [0; 5])].concat(),
            Connection,
        ),
        case("PING of seven bytes", frame(PING, 0, 0, [0; 7]), Connection),
        case("PING of nine bytes", frame(PING, 0, 0, [0; 9]), Connection),
        case("PING of none", frame(PING, 0, 0, []), Connection),
        case(
            "GOAWAY of seven bytes",
            frame(GOAWAY, 0, 0, [0; 7]),
            Connection,
        ),
        case(
            "WINDOW_UPDATE of three bytes",
            frame(WINDOW_UPDATE, 0, 0, [0; 3]),
            Connection,
        ),
        case(
            "WINDOW_UPDATE of five bytes",
            frame(WINDOW_UPDATE, 0, 0, [0; 5]),
            Connection,
        ),
        case(
            "DATA with as much padding as payload",
            [post(&[]), frame(DATA, PADDED, 1, padded(4, b"xxx"))].concat(),
            Connection,
        )
        .on(1),
        case(
            "DATA with more padding than payload",
            [post(&[]), frame(DATA, PADDED, 1, padded(255, b"x"))].concat(),
            Connection,
        ),
        case(
            "DATA with padding and no length of it",
            [post(&[]), frame(DATA, PADDED, 1, [])].concat(),
            Connection,
        ),
        case(
            "HEADERS with more padding than payload",
            frame(HEADERS, WHOLE | PADDED, 1, padded(200, &whole())),
            Connection,
        ),
        case(
            "HEADERS with padding and no length of it",
            frame(HEADERS, WHOLE | PADDED, 1, []),
            Connection,
        ),
        case(
            "HEADERS with priority of three bytes",
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [0; 3]),
            Connection,
        ),
        case(
            "HEADERS with padding are read without it",
            frame(
                HEADERS,
                WHOLE | PADDED,
                1,
                [padded(5, &whole()), vec![0; 5]].concat(),
            ),
            SERVED,
        ),
        case(
            "HEADERS with padding that is not zero",
            frame(
                HEADERS,
                WHOLE | PADDED,
                1,
                [padded(5, &whole()), vec![7; 5]].concat(),
            ),
            SERVED,
        ),
        case(
            "DATA with padding is read without it",
            [
                post(&[]),
                frame(DATA, PADDED | END_STREAM, 1, padded(3, b"body\0\0\0")),
            ]
            .concat(),
            Forwarded("POST /hostile", &[], &["content-length"]),
        ),
    ]
}

fn blocks() -> Vec<Case> {
    let open = || frame(HEADERS, END_STREAM, 1, whole());
    let between = |name, other: Vec<u8>| {
        case(
            name,
            [open(), other, frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
            Connection,
        )
    };
    let continued = |count: usize, size: usize| {
        let mut bytes = frame(HEADERS, END_STREAM, 1, []);
        for _ in 0..count {
            bytes.extend(frame(CONTINUATION, 0, 1, vec![0; size]));
        }
        bytes
    };
    let letters = whole()
        .iter()
        .fold(frame(HEADERS, END_STREAM, 1, []), |mut bytes, letter| {
            if bytes.len() < 36 {
                bytes.extend(frame(CONTINUATION, 0, 1, [*letter]));
            }
            bytes
        });
    vec![
        between("PING within a header block", ping()),
        between("DATA within a header block", data(0, 1, 1)),
        between("SETTINGS within a header block", settings(&[])),
        between(
            "SETTINGS ACK within a header block",
            frame(SETTINGS, ACK, 0, []),
        ),
        between("RST_STREAM within a header block", reset(1, 8)),
        between(
            "PRIORITY within a header block",
            frame(PRIORITY, 0, 1, [0, 0, 0, 3, 1]),
        ),
        between("WINDOW_UPDATE within a header block", window(0, 1)),
        between("GOAWAY within a header block", frame(GOAWAY, 0, 0, [0; 8])),
        between(
            "HEADERS within a header block",
            frame(HEADERS, WHOLE, 3, whole()),
        ),
        between(
            "frame of an extension within a header block",
            frame(0xfe, 0, 1, []),
        ),
        between(
            "CONTINUATION of another stream",
            frame(CONTINUATION, END_HEADERS, 3, []),
        ),
        between(
            "CONTINUATION of no stream",
            frame(CONTINUATION, END_HEADERS, 0, []),
        ),
        case(
            "CONTINUATION of nothing",
            frame(CONTINUATION, END_HEADERS, 1, whole()),
            Connection,
        ),
        case(
            "CONTINUATION of no stream, of nothing",
            frame(CONTINUATION, END_HEADERS, 0, []),
            Connection,
        ),
        case(
            "CONTINUATION after the end of a header block",
            [post(&[]), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
            Connection,
        ),
        case(
            "CONTINUATION after DATA",
            [
                post(&[]),
                data(0, 1, 1),
                frame(CONTINUATION, END_HEADERS, 1, []),
            ]
            .concat(),
            Connection,
        ),
        case(
            "header block in two pieces",
            [
                frame(HEADERS, END_STREAM, 1, &whole()[..20]),
                frame(CONTINUATION, END_HEADERS, 1, &whole()[20..]),
            ]
            .concat(),
            SERVED,
        ),
        case(
            "header block in pieces with nothing in them",
            [
                frame(HEADERS, END_STREAM, 1, []),
                frame(CONTINUATION, 0, 1, []),
                frame(CONTINUATION, END_HEADERS, 1, whole()),
            ]
            .concat(),
            SERVED,
        ),
        case(
            "header block of a letter at a time",
            [letters, frame(CONTINUATION, END_HEADERS, 1, &whole()[2..])].concat(),
            Stream,
        ),
        case(
            "header block without end, of empty frames",
            continued(100, 0),
            Calm,
        ),
        case(
            "header block without end, of full frames",
            continued(100, 16_384),
            Connection,
        ),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case("DATA of no stream", data(0, 0, 1), Connection),
        case(
            "HEADERS of no stream",
            frame(HEADERS, WHOLE, 0, whole()),
            Connection,
        ),
        case(
            "PRIORITY of no stream",
            frame(PRIORITY, 0, 0, [0, 0, 0, 3, 1]),
            Connection,
        ),
        case("RST_STREAM of no stream", reset(0, 8), Connection),
        case(
            "SETTINGS of a stream",
            frame(SETTINGS, 0, 1, []),
            Connection,
        ),
        case("PING of a stream", frame(PING, 0, 1, [0; 8]), Connection),
        case(
            "GOAWAY of a stream",
            frame(GOAWAY, 0, 1, [0; 8]),
            Connection,
        ),
        case(
            "PUSH_PROMISE of a client",
            [
                post(&[]),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    [&[0, 0, 0, 2][..], &whole()].concat(),
                ),
            ]
            .concat(),
            Connection,
        ),
        case(
            "PUSH_PROMISE of no stream",
            frame(PUSH_PROMISE, END_HEADERS, 0, [0, 0, 0, 2]),
            Connection,
        ),
        case(
            "frame of an extension, of no stream",
            frame(0xfe, 0xff, 0, b"what"),
            Ignored,
        ),
        case(
            "frame of an extension, of a stream that nobody opened",
            frame(0xfe, 0xff, 99, b"what"),
            Ignored,
        ),
        case(
            "PING that answers nothing",
            frame(PING, ACK, 0, [1; 8]),
            Ignored,
        ),
        case(
            "PING with flags that mean nothing",
            frame(PING, 0xfe, 0, [1; 8]),
            Ignored,
        ),
        case(
            "GOAWAY of a client that goes on",
            frame(GOAWAY, 0, 0, [0; 8]),
            Left,
        ),
        case(
            "flags of HEADERS that mean nothing",
            frame(HEADERS, WHOLE | 0xd2, 1, whole()),
            SERVED,
        ),
        case(
            "reserved bit of a stream",
            frame(HEADERS, WHOLE, 0x8000_0001, whole()),
            SERVED,
        ),
        case("reserved bit of a window", window(0, 0x8000_0001), Ignored),
        case(
            "PRIORITY of a stream that nobody opened",
            frame(PRIORITY, 0, 77, [0, 0, 0, 3, 1]),
            Ignored,
        ),
        case(
            "PRIORITY of a stream on itself",
            [post(&[]), frame(PRIORITY, 0, 1, [0, 0, 0, 1, 1])].concat(),
            Stream,
        ),
        case(
            "HEADERS on itself",
            frame(
                HEADERS,
                WHOLE | WITH_PRIORITY,
                1,
                [vec![0, 0, 0, 1, 16], whole()].concat(),
            ),
            Malformed,
        ),
        case(
            "HEADERS with priority",
            frame(
                HEADERS,
                WHOLE | WITH_PRIORITY,
                1,
                [vec![0, 0, 0, 9, 16], whole()].concat(),
            ),
            SERVED,
        ),
    ]
}

fn beginnings() -> Vec<Case> {
    let hello = |more: Vec<u8>| [PREFACE.to_vec(), settings(&[]), more].concat();
    vec![
        case("preface twice", hello(PREFACE.to_vec()), Connection).raw(),
        case(
            "preface cut off",
            [&PREFACE[..20], b"xxxx"].concat(),
            Connection,
        )
        .raw(),
        case(
            "preface with another version",
            b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n".to_vec(),
            Connection,
        )
        .raw(),
        case(
            "preface in small letters",
            b"PRI * http/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            Connection,
        )
        .raw(),
        case(
            "preface with another second part",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
            Connection,
        )
        .raw(),
        case(
            "request of HTTP/1.1 with the method of the preface",
            b"PRI /hostile HTTP/1.1\r\nHost: t.test\r\n\r\n".to_vec(),
            Connection,
        )
        .raw(),
        case(
            "neither HTTP/1 nor HTTP/2",
            b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec(),
            Connection,
        )
        .raw(),
        case(
            "frame before the preface",
            [settings(&[]), PREFACE.to_vec()].concat(),
            Connection,
        )
        .raw(),
        case("introduction and request at once", hello(get(&[])), SERVED).raw(),
        case(
            "request of HTTP/1.1 behind the preface",
            hello(b"GET /hostile HTTP/1.1\r\nHost: t.test\r\n\r\n".to_vec()),
            Connection,
        )
        .raw(),
        case(
            "good request first",
            [good(1), frame(HEADERS, WHOLE, 3, whole())].concat(),
            SERVED,
        )
        .on(3),
    ]
}
