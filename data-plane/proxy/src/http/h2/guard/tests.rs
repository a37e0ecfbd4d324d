//! What trips the guard, and what must not.

use super::*;
use crate::http::h2::frames::PADDED;
use proptest::prelude::*;

const HEADER_BYTES: usize = 32 * 1024;

fn guard() -> Guard {
    Guard::new(0, HEADER_BYTES)
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags, 0, 0, 0, 1]);
    bytes.extend(payload);
    bytes
}

fn data(flags: u8, size: usize) -> Vec<u8> {
    frame(kind::DATA, flags, &vec![0; size])
}

/// Sends `bytes` again and again, all at once, until the guard is over or `limit` is reached.
fn flood(bytes: &[u8], limit: usize) -> (Option<Budget>, usize) {
    let mut guard = guard();
    for sent in 0..limit {
        guard.received(bytes, 0);
        if guard.over().is_some() {
            return (guard.over(), sent + 1);
        }
    }
    (guard.over(), limit)
}

#[test]
fn every_flood_ends_within_its_burst() {
    let mut request = frame(kind::HEADERS, END_HEADERS | END_STREAM, &[0x82, 0x84]);
    request.extend(frame(kind::RST_STREAM, 0, &[0, 0, 0, 8]));
    let mut split = frame(kind::HEADERS, 0, &[]);
    split.extend(frame(kind::CONTINUATION, END_HEADERS, &[0x82]));
    for (what, bytes, budget, at_most) in [
        ("rapid reset", request, Budget::Resets, 201),
        (
            "settings",
            frame(kind::SETTINGS, 0, &[]),
            Budget::Settings,
            51,
        ),
        (
            "settings acks",
            frame(kind::SETTINGS, END_STREAM, &[]),
            Budget::Settings,
            51,
        ),
        (
            "large settings",
            frame(kind::SETTINGS, 0, &[0; 6 * 500]),
            Budget::Settings,
            1,
        ),
        (
            "going away",
            frame(kind::GOAWAY, 0, &[0; 8]),
            Budget::Settings,
            51,
        ),
        ("pings", frame(kind::PING, 0, &[0; 8]), Budget::Pings, 101),
        (
            "priorities",
            frame(kind::PRIORITY, 0, &[0; 5]),
            Budget::Priorities,
            201,
        ),
        (
            "window updates",
            frame(kind::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
            Budget::WindowUpdates,
            1_001,
        ),
        ("empty data", data(0, 0), Budget::EmptyData, 101),
        (
            "padding only",
            frame(kind::DATA, PADDED, &[4, 0, 0, 0, 0]),
            Budget::EmptyData,
            101,
        ),
        ("unknown", frame(0xee, 0, &[]), Budget::Unknown, 201),
        (
            "large unknown",
            frame(0xee, 0, &[0; 16 * 1024]),
            Budget::Unknown,
            12,
        ),
        ("split heads", split, Budget::Continuations, 257),
    ] {
        let (over, sent) = flood(&bytes, 10_000);
        assert_eq!((over, sent), (Some(budget), at_most), "{what}");
    }
}

#[test]
fn header_block_without_end_is_bounded_in_frames_and_in_bytes() {
    let mut guard = guard();
    guard.received(&frame(kind::HEADERS, 0, &[0x82]), 0);
    let mut sent = 0;
    while guard.over().is_none() {
        guard.received(&frame(kind::CONTINUATION, 0, &[]), 0);
        sent += 1;
    }
    assert_eq!((guard.over(), sent), (Some(Budget::Continuations), 64));
    let (over, sent) = {
        let mut guard = self::guard();
        guard.received(&frame(kind::HEADERS, 0, &[0x82]), 0);
        let mut sent = 0;
        while guard.over().is_none() {
            guard.received(&frame(kind::CONTINUATION, 0, &[0; 16_384]), 0);
            sent += 1;
        }
        (guard.over(), sent)
    };
    assert_eq!((over, sent), (Some(Budget::Continuations), 8));
}

#[test]
fn streams_that_the_client_breaks_are_counted_and_others_are_not() {
    for (code, counted) in [
        (0_u32, false),
        (2, false),
        (8, false),
        (1, true),
        (3, true),
        (5, true),
        (7, true),
    ] {
        let mut guard = guard();
        for _ in 0..101 {
            guard.sent(&frame(kind::RST_STREAM, 0, &code.to_be_bytes()));
        }
        assert_eq!(guard.over(), counted.then_some(Budget::Faults), "{code}");
    }
}

#[test]
fn windows_of_a_byte_are_counted() {
    let mut guard = guard();
    for _ in 0..201 {
        assert_eq!(guard.over(), None);
        guard.tiny_window();
        guard.sent(&data(0, 1));
    }
    assert_eq!(guard.over(), Some(Budget::TinyWindows));
}

#[test]
fn what_the_library_closes_is_noted() {
    let mut guard = guard();
    guard.sent(&frame(kind::GOAWAY, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    assert!(!guard.is_accusing());
    guard.sent(&frame(kind::GOAWAY, 0, &[0, 0, 0, 1, 0, 0, 0, 1]));
    assert!(guard.is_accusing());
    assert_eq!(guard.over(), None);
    guard.sent(&frame(kind::GOAWAY, 0, &[0, 0, 0, 1, 0, 0, 0, 11]));
    assert_eq!(guard.over(), Some(Budget::Library));
}

#[test]
fn time_gives_back_what_was_spent_up_to_the_burst() {
    let mut guard = guard();
    let reset = frame(kind::RST_STREAM, 0, &[0, 0, 0, 8]);
    for _ in 0..200 {
        guard.received(&reset, 0);
    }
    assert_eq!(guard.over(), None);
    // Twenty in a second, whatever the pauses are.
    for at in 1..=100 {
        guard.received(&reset, at * 50);
    }
    assert_eq!(guard.over(), None);
    guard.received(&reset, 5_001);
    assert_eq!(guard.over(), Some(Budget::Resets));
    let mut rested = self::guard();
    for _ in 0..200 {
        rested.received(&reset, 1_000_000);
    }
    assert_eq!(rested.over(), None);
}

/// A proxy in front of many: 500 calls a second, each fifth of which is cancelled.
#[test]
fn busy_client_of_grpc_is_left_alone() {
    let mut guard = guard();
    let call = frame(kind::HEADERS, END_HEADERS, &[0x83; 40]);
    let (message, end) = (data(0, 100), data(END_STREAM, 0));
    let answer = [
        frame(kind::HEADERS, END_HEADERS, &[0x88]),
        data(0, 200),
        frame(kind::HEADERS, END_HEADERS | END_STREAM, &[0x88]),
    ]
    .concat();
    for call_number in 0..50_000_u64 {
        let now = call_number * 2;
        guard.received(&call, now);
        for _ in 0..20 {
            guard.received(&message, now);
        }
        guard.received(&end, now);
        if call_number % 5 == 0 {
            guard.received(&frame(kind::RST_STREAM, 0, &[0, 0, 0, 8]), now);
        } else {
            guard.sent(&answer);
            // It measures the bandwidth, and acknowledges every frame twice.
            guard.received(&frame(kind::PING, 0, &[0; 8]), now);
            for _ in 0..2 {
                guard.received(&frame(kind::WINDOW_UPDATE, 0, &[0, 0, 0, 200]), now);
            }
        }
        assert_eq!(guard.over(), None, "call {call_number}");
    }
}

#[test]
fn downloads_and_uploads_in_small_pieces_are_left_alone() {
    let mut guard = guard();
    for _ in 0..100_000 {
        guard.received(&data(0, 1), 0);
        guard.sent(&data(0, 16 * 1024));
        // One for every 4 KiB, for the stream and for the connection.
        for _ in 0..8 {
            guard.received(&frame(kind::WINDOW_UPDATE, 0, &[0, 0, 16, 0]), 0);
        }
        assert_eq!(guard.over(), None);
    }
}

#[test]
fn browser_is_left_alone() {
    let mut guard = guard();
    guard.received(&frame(kind::SETTINGS, 0, &[0; 24]), 0);
    guard.received(&frame(kind::WINDOW_UPDATE, 0, &[0, 1, 0, 0]), 0);
    for _ in 0..6 {
        guard.received(&frame(kind::PRIORITY, 0, &[0; 5]), 0);
    }
    for _ in 0..1_000 {
        guard.received(
            &frame(kind::HEADERS, END_HEADERS | END_STREAM, &[0x82; 300]),
            0,
        );
        guard.received(&frame(0x10, 0, b"\0\0\0\x01u=3, i"), 0);
        guard.received(&frame(0x2a, 0, b"grease"), 0);
        guard.received(&frame(kind::PRIORITY, 0, &[0; 5]), 0);
        guard.sent(&frame(kind::HEADERS, END_HEADERS, &[0x88]));
        guard.sent(&data(END_STREAM, 30_000));
        assert_eq!(guard.over(), None);
    }
}

#[test]
fn what_the_client_owes_is_known() {
    let mut guard = guard();
    let head = frame(kind::HEADERS, 0, &[0x82; 40]);
    guard.received(&head[..3], 5);
    assert_eq!(guard.waiting_since(), Some(5));
    guard.received(&head[3..30], 6);
    guard.received(&head[30..], 7);
    // The block began with its frame, however often something comes.
    let since = guard.waiting_since().unwrap();
    for at in 8..20 {
        guard.received(&frame(kind::CONTINUATION, 0, &[0x82]), at);
        assert_eq!(guard.waiting_since(), Some(since));
    }
    guard.received(&frame(kind::CONTINUATION, END_HEADERS, &[0x82]), 20);
    assert_eq!(guard.waiting_since(), None);
    // The rest of a body is another limit's business.
    guard.received(&data(0, 100)[..50], 21);
    assert_eq!(guard.waiting_since(), None);
    guard.received(&data(0, 100)[50..], 22);
    // A client that is busy owes only what it has begun last.
    guard.received(
        &[
            head.clone(),
            frame(kind::CONTINUATION, END_HEADERS, &[]),
            head.clone(),
        ]
        .concat()[..60],
        30,
    );
    assert_eq!(guard.waiting_since(), Some(30));
}

proptest! {
    /// Whatever comes, in whatever pieces, the verdict is the same and nothing breaks.
    #[test]
    fn pieces_make_no_difference(
        bytes in proptest::collection::vec(any::<u8>(), 0..3_000),
        cuts in proptest::collection::vec(1_usize..200, 1..20),
    ) {
        let mut whole = guard();
        whole.received(&bytes, 1);
        whole.sent(&bytes);
        let mut pieces = guard();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.received(piece, 1);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        pieces.sent(&bytes);
        prop_assert_eq!(whole.over(), pieces.over());
        prop_assert_eq!(whole.waiting_since(), pieces.waiting_since());
    }
}
