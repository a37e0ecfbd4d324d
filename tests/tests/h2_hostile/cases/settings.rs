//! SETTINGS and windows (RFC 9113 sections 5.2, 6.5, 6.9).

use super::super::case::{Case, Expect, case};
use super::super::frames::{ACK, HEADERS, SETTINGS, WHOLE, data, frame, settings, window};
use super::{PSEUDO, block, post};
use Expect::{Connection, Forwarded, Ignored, Stream};

const TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_STREAMS: u16 = 3;
const INITIAL_WINDOW: u16 = 4;
const MAX_FRAME: u16 = 5;
const MAX_LIST: u16 = 6;
const CONNECT_PROTOCOL: u16 = 8;

pub(super) fn cases() -> Vec<Case> {
    let whole = frame(HEADERS, WHOLE, 1, block(&PSEUDO, &[]));
    let one = |name, id, value, expect| case(name, settings(&[(id, value)]), expect);
    let overflow = [post(&[]), window(1, 0x7fff_ffff)].concat();
    vec![
        case(
            "SETTINGS of five bytes",
            frame(SETTINGS, 0, 0, [0; 5]),
            Connection,
        ),
        case(
            "SETTINGS of seven bytes",
            frame(SETTINGS, 0, 0, [0; 7]),
            Connection,
        ),
        case(
            "SETTINGS ACK with values",
            frame(SETTINGS, ACK, 0, [0, 1, 0, 0, 0, 0]),
            Connection,
        ),
        one(
            "push that is neither on nor off",
            ENABLE_PUSH,
            2,
            Connection,
        ),
        one(
            "initial window of 2^31",
            INITIAL_WINDOW,
            1 << 31,
            Connection,
        ),
        one(
            "initial window of all bits",
            INITIAL_WINDOW,
            u32::MAX,
            Connection,
        ),
        one("largest frame of 16,383", MAX_FRAME, 16_383, Connection),
        one("largest frame of 0", MAX_FRAME, 0, Connection),
        one("largest frame of 2^24", MAX_FRAME, 1 << 24, Connection),
        one(
            "extended CONNECT that is neither on nor off",
            CONNECT_PROTOCOL,
            2,
            Connection,
        ),
        one("setting that nobody knows", 0xffff, 1, Ignored),
        one("setting 0", 0, 7, Ignored),
        one("table of no size", TABLE_SIZE, 0, Ignored),
        one("table of all bits", TABLE_SIZE, u32::MAX, Ignored),
        one("no streams of ours", MAX_STREAMS, 0, Ignored),
        one("no fields of ours", MAX_LIST, 0, Ignored),
        one("largest window", INITIAL_WINDOW, 0x7fff_ffff, Ignored),
        one(
            "largest frame that can be",
            MAX_FRAME,
            (1 << 24) - 1,
            Ignored,
        ),
        case(
            "same setting twice",
            settings(&[(INITIAL_WINDOW, 1), (INITIAL_WINDOW, 65_535)]),
            Ignored,
        ),
        case(
            "good value before a bad one",
            settings(&[(ENABLE_PUSH, 0), (ENABLE_PUSH, 9)]),
            Connection,
        ),
        case(
            "settings that change while a request is open",
            [
                post(&[]),
                settings(&[(INITIAL_WINDOW, 0)]),
                settings(&[(INITIAL_WINDOW, 65_535)]),
                data(1, 1, 3),
            ]
            .concat(),
            Forwarded("POST /hostile", &[], &[]),
        ),
        case(
            "window of nothing for the connection",
            window(0, 0),
            Connection,
        ),
        case(
            "window of nothing for a stream",
            [post(&[]), window(1, 0)].concat(),
            Stream,
        ),
        case(
            "window of the connection above 2^31-1",
            [window(0, 0x7fff_ffff)].concat(),
            Connection,
        ),
        case("window of a stream above 2^31-1", overflow, Stream),
        case(
            "window of a stream above 2^31-1 by settings",
            [
                post(&[]),
                window(1, 0x7fff_0000),
                settings(&[(INITIAL_WINDOW, 0x7fff_ffff)]),
            ]
            .concat(),
            Connection,
        ),
        case(
            "window of a stream that nobody opened",
            window(5, 1),
            Connection,
        ),
        case(
            "window of a stream that is over",
            [whole, window(1, 1)].concat(),
            Forwarded("GET /hostile", &[], &[]),
        ),
        case(
            "more DATA than the window of the stream, to nobody",
            [
                post(&[(b"content-length", b"9")]),
                (0..20).flat_map(|_| data(0, 1, 16_384)).collect(),
            ]
            .concat(),
            Stream,
        ),
    ]
}
