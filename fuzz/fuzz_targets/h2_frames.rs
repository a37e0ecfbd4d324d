//! The guard of HTTP/2 connections: the same verdict whatever the pieces, in both directions, and
//! once a client is over a budget it stays so.
#![no_main]

use weir_proxy::http::h2::guard::Guard;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let size = usize::from(input.first().copied().unwrap_or(0)) + 1;
    let frames = input.get(1..).unwrap_or_default();
    let (mut whole, mut split) = (Guard::new(0, 32 * 1024), Guard::new(0, 32 * 1024));
    // Many times, so that budgets are used up.
    for _ in 0..64 {
        whole.received(frames, 0);
        whole.sent(frames);
        for piece in frames.chunks(size) {
            split.received(piece, 0);
        }
        for piece in frames.chunks(size) {
            split.sent(piece);
        }
        assert_eq!(whole.over(), split.over());
        assert_eq!(whole.is_accusing(), split.is_accusing());
        assert_eq!(whole.waiting_since(), split.waiting_since());
    }
    let before = whole.over();
    whole.received(&[], 1_000_000);
    assert!(before.is_none() || whole.over() == before);
});
