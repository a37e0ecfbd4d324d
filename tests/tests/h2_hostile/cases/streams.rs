//! The life of streams (RFC 9113 section 5.1), bodies and trailers (section 8.1).

use super::super::case::{Case, Expect, case};
use super::super::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, WHOLE, data, frame, reset, window,
};
use super::super::hpack;
use super::{PSEUDO, block, get, post, post_on, with};
use Expect::{Connection, Forwarded, Ignored, Malformed, Refused, Stream};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lives();
    cases.extend(bodies());
    cases.extend(trailers());
    cases
}

fn lives() -> Vec<Case> {
    let whole = |stream| frame(HEADERS, WHOLE, stream, block(&PSEUDO, &[]));
    let crowd =
        |count: u32| -> Vec<u8> { (0..count).flat_map(|at| post_on(1 + 2 * at, &[])).collect() };
    vec![
        case(
            "DATA of a stream that nobody opened",
            data(0, 1, 1),
            Connection,
        ),
        case(
            "RST_STREAM of a stream that nobody opened",
            reset(1, 8),
            Connection,
        ),
        case("stream of the server's", whole(2), Connection).on(2),
        case(
            "stream with a lower number than another",
            [post_on(5, &[]), whole(3)].concat(),
            Connection,
        )
        .on(3),
        case(
            "HEADERS after the end",
            [post(&[]), data(END_STREAM, 1, 0), whole(1)].concat(),
            Stream,
        )
        .tolerate(),
        case(
            "DATA after the end",
            [
                post(&[(b"content-length", b"3")]),
                data(END_STREAM, 1, 2),
                data(0, 1, 1),
            ]
            .concat(),
            Stream,
        ),
        case(
            "request again on a stream that is over",
            [post(&[]), reset(1, 8), whole(1)].concat(),
            Stream,
        ),
        case(
            "DATA after RST_STREAM",
            [post(&[]), reset(1, 8), data(0, 1, 1)].concat(),
            Ignored,
        )
        .or(Stream),
        case(
            "RST_STREAM twice",
            [post(&[]), reset(1, 8), reset(1, 8)].concat(),
            Ignored,
        ),
        case(
            "RST_STREAM with a code that nobody knows",
            [post(&[]), reset(1, 0xdead)].concat(),
            Ignored,
        ),
        case(
            "WINDOW_UPDATE after RST_STREAM",
            [post(&[]), reset(1, 8), window(1, 1)].concat(),
            Ignored,
        ),
        case(
            "PRIORITY after RST_STREAM",
            [
                post(&[]),
                reset(1, 8),
                frame(PRIORITY, 0, 1, [0, 0, 0, 3, 1]),
            ]
            .concat(),
            Ignored,
        ),
        case("more streams than there may be", crowd(129), Stream).on(257),
        case(
            "largest number of a stream",
            whole(0x7fff_ffff),
            Forwarded("GET /hostile", &[], &[]),
        )
        .on(0x7fff_ffff),
        case(
            "next stream after the largest number",
            [whole(0x7fff_ffff), whole(1)].concat(),
            Connection,
        )
        .tolerate(),
    ]
}

fn bodies() -> Vec<Case> {
    vec![
        case(
            "expectation that nobody meets",
            get(&[(b"expect", b"200-ok")]),
            Refused(&[417]),
        ),
        case(
            "less DATA than the length",
            [post(&[(b"content-length", b"5")]), data(END_STREAM, 1, 4)].concat(),
            Stream,
        ),
        case(
            "more DATA than the length",
            [post(&[(b"content-length", b"5")]), data(END_STREAM, 1, 6)].concat(),
            Stream,
        ),
        case(
            "no DATA at all where a length is",
            get(&[(b"content-length", b"5")]),
            Stream,
        ),
        case(
            "empty DATA where a length is",
            [post(&[(b"content-length", b"5")]), data(END_STREAM, 1, 0)].concat(),
            Stream,
        ),
        case(
            "DATA where the length is 0",
            [post(&[(b"content-length", b"0")]), data(END_STREAM, 1, 1)].concat(),
            Stream,
        )
        .tolerate(),
        case(
            "length of 0 and no DATA",
            get(&[(b"content-length", b"0")]),
            Forwarded("GET /hostile", &[], &["transfer-encoding"]),
        ),
        case(
            "length that is right",
            [
                post(&[(b"content-length", b"5")]),
                data(0, 1, 2),
                data(END_STREAM, 1, 3),
            ]
            .concat(),
            Forwarded(
                "POST /hostile",
                &["content-length: 5"],
                &["transfer-encoding"],
            ),
        ),
        case(
            "no length",
            [post(&[]), data(END_STREAM, 1, 3)].concat(),
            Forwarded("POST /hostile", &[], &["content-length"]),
        ),
        case(
            "DATA that looks like the end of a chunked body",
            [
                post(&[]),
                frame(
                    DATA,
                    END_STREAM,
                    1,
                    b"0\r\n\r\nGET /hostile2 HTTP/1.1\r\nHost: t\r\n\r\n",
                ),
            ]
            .concat(),
            Forwarded("POST /hostile", &[], &["content-length"]),
        ),
        case(
            "body of GET that looks like a request",
            [
                frame(HEADERS, END_HEADERS, 1, block(&PSEUDO, &[])),
                frame(
                    DATA,
                    END_STREAM,
                    1,
                    b"GET /hostile2 HTTP/1.1\r\nHost: t\r\n\r\n",
                ),
            ]
            .concat(),
            Forwarded("GET /hostile", &[], &["content-length"]),
        ),
        case(
            "expectation is ours to meet",
            [
                post(&[(b"expect", b"100-continue"), (b"content-length", b"2")]),
                data(END_STREAM, 1, 2),
            ]
            .concat(),
            Forwarded("POST /hostile", &["content-length: 2"], &["expect"]),
        ),
        case(
            "HEAD with a length and no body",
            frame(
                HEADERS,
                WHOLE,
                1,
                block(
                    &with(b":method", Some(b"HEAD")),
                    &[(b"content-length", b"7")],
                ),
            ),
            Stream,
        ),
    ]
}

fn trailers() -> Vec<Case> {
    let ended_by = |fields: &[(&[u8], &[u8])]| {
        [
            post(&[]),
            data(0, 1, 1),
            frame(HEADERS, WHOLE, 1, hpack::block(fields)),
        ]
        .concat()
    };
    let served = |without| Forwarded("POST /hostile", &[], without);
    // The h2 crate drops pseudo fields of trailers instead: nothing of them goes on.
    vec![
        case(
            "trailers",
            ended_by(&[(b"x-last", b"1")]),
            served(&["x-last"]),
        ),
        case(
            "trailers that do not end the stream",
            [
                post(&[]),
                frame(HEADERS, END_HEADERS, 1, hpack::block(&[(b"x-last", b"1")])),
            ]
            .concat(),
            Stream,
        ),
        case(
            "trailers with a pseudo field",
            ended_by(&[(b":path", b"/hostile2")]),
            Malformed,
        )
        .or(served(&[":"])),
        case(
            "trailers with a status",
            ended_by(&[(b":status", b"200")]),
            Malformed,
        )
        .or(served(&[":"])),
        case(
            "trailers with a name in capitals",
            ended_by(&[(b"X-Last", b"1")]),
            Malformed,
        ),
        case(
            "trailers with a line feed",
            ended_by(&[(b"x-last", b"1\nx: 2")]),
            Malformed,
        ),
        case(
            "trailers with a field of the connection",
            ended_by(&[(b"connection", b"close")]),
            Malformed,
        ),
        case(
            "trailers with a framing",
            ended_by(&[(b"transfer-encoding", b"chunked")]),
            Malformed,
        ),
        case(
            "trailers with a length",
            ended_by(&[(b"content-length", b"1")]),
            served(&["content-length"]),
        ),
        case(
            "trailers with a host",
            ended_by(&[(b"host", b"other")]),
            served(&["host: other"]),
        ),
        case(
            "trailers before all of the length",
            [
                post(&[(b"content-length", b"5")]),
                data(0, 1, 1),
                frame(HEADERS, WHOLE, 1, hpack::block(&[(b"x-last", b"1")])),
            ]
            .concat(),
            Stream,
        ),
        case(
            "request in place of trailers",
            [post(&[]), frame(HEADERS, WHOLE, 1, block(&PSEUDO, &[]))].concat(),
            Malformed,
        )
        .or(served(&[":"])),
    ]
    .into_iter()
    .chain([case(
        "CONNECT",
        frame(
            HEADERS,
            END_HEADERS,
            1,
            hpack::block(&[(b":method", b"CONNECT"), (b":authority", b"t.test:80")]),
        ),
        Refused(&[405, 501]),
    )])
    .collect()
}
