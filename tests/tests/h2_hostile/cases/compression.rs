//! Header compression (RFC 7541).

use super::super::case::{Case, Expect, case};
use super::super::frames::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, WHOLE, frame};
use super::super::hpack::{indexing, integer, literal};
use super::{PSEUDO, block, with};
use Expect::{Connection, Forwarded, Malformed, Refused, Stream};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = broken();
    cases.extend(sound());
    cases.extend(bombs());
    cases
}

/// A whole request whose block ends with these bytes.
fn ending(bytes: &[u8]) -> Vec<u8> {
    frame(
        HEADERS,
        WHOLE,
        1,
        [block(&PSEUDO, &[]), bytes.to_vec()].concat(),
    )
}

/// The same, begun with these.
fn beginning(bytes: &[u8]) -> Vec<u8> {
    frame(
        HEADERS,
        WHOLE,
        1,
        [bytes.to_vec(), block(&PSEUDO, &[])].concat(),
    )
}

fn broken() -> Vec<Case> {
    let bad = |name, bytes: &[u8]| case(name, ending(bytes), Connection);
    vec![
        bad("index 0", &[0x80]),
        bad("index of a table that is empty", &integer(0x80, 7, 62)),
        bad("index of no table", &integer(0x80, 7, 9_999)),
        bad("index that does not end", &[0xff]),
        bad(
            "index that overflows",
            &[
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ),
        bad(
            "index with many zeros",
            &[
                0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00,
            ],
        ),
        bad(
            "name of a table that is empty",
            &[&integer(0x40, 6, 62)[..], &[1, b'x']].concat(),
        ),
        bad(
            "name of no table, kept by none",
            &[&integer(0x00, 4, 500)[..], &[1, b'x']].concat(),
        ),
        bad("literal without name", &[0x00]),
        bad("literal without value", &[0x00, 3, b'x', b'-', b'a']),
        bad("name that is cut off", &[0x00, 9, b'x']),
        bad(
            "value that is cut off",
            &[0x00, 3, b'x', b'-', b'a', 9, b'1'],
        ),
        bad(
            "length of a string that overflows",
            &[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        bad(
            "Huffman code with the end in it",
            &[0x00, 3, b'x', b'-', b'a', 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        bad(
            "Huffman code padded by zeros",
            &[0x00, 3, b'x', b'-', b'a', 0x81, 0x00],
        ),
        bad(
            "Huffman code padded by a byte",
            &[0x00, 3, b'x', b'-', b'a', 0x82, 0x07, 0xff],
        ),
        bad("size of the table behind a field", &[0x20]),
        case(
            "size of the table above what we said",
            beginning(&integer(0x20, 5, 65_536)),
            Connection,
        ),
        case(
            "size of the table that overflows",
            beginning(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Connection,
        ),
        case(
            "block of sizes only",
            frame(HEADERS, WHOLE, 1, [0x20, 0x20]),
            Malformed,
        ),
        case(
            "block cut off within a field",
            [
                frame(HEADERS, END_STREAM, 1, &block(&PSEUDO, &[])[..20]),
                frame(CONTINUATION, END_HEADERS, 1, []),
            ]
            .concat(),
            Connection,
        ),
    ]
}

fn sound() -> Vec<Case> {
    let kept = indexing(b"x-kept", b"1");
    let again = frame(
        HEADERS,
        WHOLE,
        3,
        [block(&PSEUDO, &[]), integer(0x80, 7, 62)].concat(),
    );
    let emptied = frame(
        HEADERS,
        WHOLE,
        3,
        [
            vec![0x20],
            integer(0x20, 5, 4096),
            block(&PSEUDO, &[]),
            integer(0x80, 7, 62),
        ]
        .concat(),
    );
    // The table is the connection's: also what is refused must be read to its end.
    let refused = frame(
        HEADERS,
        WHOLE,
        1,
        [block(&with(b":method", None), &[]), kept.clone()].concat(),
    );
    vec![
        case(
            "size of the table",
            beginning(&[0x20]),
            Forwarded("GET /hostile", &[], &[]),
        ),
        case(
            "two sizes of the table",
            beginning(&[&[0x20][..], &integer(0x20, 5, 4096)].concat()),
            Forwarded("GET /hostile", &[], &[]),
        ),
        case(
            "field that must never be kept",
            ending(&[&[0x10][..], &literal(b"x-secret", b"1")[1..]].concat()),
            Forwarded("GET /hostile", &["x-secret: 1"], &[]),
        ),
        case(
            "value in Huffman code",
            ending(&[0x00, 3, b'x', b'-', b'a', 0x81, 0x0f]),
            Forwarded("GET /hostile", &["x-a: 1"], &[]),
        ),
        case(
            "request in the table we all know",
            frame(
                HEADERS,
                WHOLE,
                1,
                [
                    &[0x82, 0x86, 0x04, 8][..],
                    b"/hostile",
                    &[0x01, 6],
                    b"t.test",
                ]
                .concat(),
            ),
            Forwarded("GET /hostile", &["host: t.test"], &[]),
        ),
        case(
            "field of the table",
            [frame(
                HEADERS,
                WHOLE,
                1,
                [block(&PSEUDO, &[]), kept.clone(), integer(0x80, 7, 62)].concat(),
            )]
            .concat(),
            Forwarded("GET /hostile", &["x-kept: 1"], &[]),
        ),
        case(
            "field of the table after a request that was refused",
            [refused, again].concat(),
            Forwarded("GET /hostile", &["x-kept: 1"], &[]),
        )
        .on(3),
        case(
            "field of a table that was emptied",
            [
                frame(
                    HEADERS,
                    WHOLE,
                    1,
                    [block(&with(b":path", Some(b"/ok")), &[]), kept].concat(),
                ),
                emptied,
            ]
            .concat(),
            Connection,
        )
        .on(3),
    ]
}

fn bombs() -> Vec<Case> {
    let large = indexing(b"x-bomb", &vec![b'a'; 4_000]);
    let bomb = |times: usize| {
        [
            block(&PSEUDO, &[]),
            large.clone(),
            integer(0x80, 7, 62).repeat(times),
        ]
        .concat()
    };
    vec![
        case(
            "large field of the table, some times",
            frame(HEADERS, WHOLE, 1, bomb(30)),
            Refused(&[431]),
        ),
        case(
            "large field of the table, as often as a frame holds",
            frame(HEADERS, WHOLE, 1, bomb(12_000)),
            Connection,
        ),
        case(
            "small field of the table, as often as a frame holds",
            frame(
                HEADERS,
                WHOLE,
                1,
                [block(&PSEUDO, &[]), integer(0x80, 7, 16).repeat(16_000)].concat(),
            ),
            Refused(&[431]),
        )
        .or(Stream),
    ]
}
