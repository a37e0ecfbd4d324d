use std::future::poll_fn;
use std::path::Path;

use proptest::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use super::*;

fn background() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).build().unwrap()
}

fn bounds(memory: usize, size: u64, spills: &Spills) -> Bounds {
    Bounds {
        memory,
        size,
        spills: Some(spills.clone()),
    }
}

fn spills(background: &Handle, folder: &Path, total: u64) -> Spills {
    Spills::new(background.clone(), folder.to_owned(), total)
}

/// Keeps pieces as an upload does.
async fn take(replay: &mut Replay, pieces: &[&[u8]]) {
    for piece in pieces {
        poll_fn(|cx| replay.poll_ready(cx)).await;
        replay.keep(&Bytes::copy_from_slice(piece), None);
    }
}

async fn read_back(replay: &mut Replay) -> Result<Vec<u8>, Reason> {
    let mut all = Vec::new();
    while let Some(piece) = poll_fn(|cx| replay.poll_next(cx)).await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

#[test]
fn small_body_stays_in_memory() {
    let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
    let spills = spills(runtime.handle(), folder.path(), 100);
    let mut replay = Replay::new(bounds(10, 100, &spills), None);
    runtime.block_on(async {
        take(&mut replay, &[b"0123", b"456789"]).await;
        assert_eq!(spills.used(), 0);
        assert!(replay.is_replayed());
        assert_eq!(read_back(&mut replay).await.unwrap(), b"");
        replay.rewind();
        assert_eq!(read_back(&mut replay).await.unwrap(), b"0123456789");
    });
}

#[test]
fn small_pieces_take_what_they_are_and_large_ones_are_not_copied() {
    let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
    let spills = spills(runtime.handle(), folder.path(), 1 << 20);
    let mut replay = Replay::new(bounds(1 << 20, 1 << 20, &spills), None);
    let mut expected = Vec::new();
    runtime.block_on(async {
        for number in 0..10_000_u32 {
            let piece = [number as u8];
            expected.extend_from_slice(&piece);
            take(&mut replay, &[&piece]).await;
        }
        assert!(replay.memory.len() <= 3, "{}", replay.memory.len());
        let large = vec![b'x'; 3 * LARGE];
        expected.extend_from_slice(&large);
        let piece = Bytes::from(large);
        replay.keep(&piece, None);
        let kept = replay.memory.last().unwrap();
        assert_eq!(kept.as_ptr(), piece.as_ptr());
        expected.extend_from_slice(b"end");
        take(&mut replay, &[b"end"]).await;
        assert!(replay.is_replayed());
        replay.rewind();
        assert!(read_back(&mut replay).await.unwrap() == expected);
    });
}

#[test]
fn rest_goes_to_a_file_without_a_name_and_is_given_back() {
    let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
    let spills = spills(runtime.handle(), folder.path(), 100);
    let mut replay = Replay::new(bounds(4, 100, &spills), None);
    runtime.block_on(async {
        take(&mut replay, &[b"0123", b"45", b"6789"]).await;
        replay.settled().await;
        assert_eq!(replay.whole(), Ok(()));
        assert_eq!(spills.used(), 6);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        for _ in 0..2 {
            replay.rewind();
            assert_eq!(read_back(&mut replay).await.unwrap(), b"0123456789");
        }
        // What comes after a second try is kept as well.
        take(&mut replay, &[b"abc"]).await;
        replay.rewind();
        assert_eq!(read_back(&mut replay).await.unwrap(), b"0123456789abc");
    });
    drop(replay);
    assert_eq!(spills.used(), 0);
}

#[test]
fn beyond_the_bounds_a_body_is_lost_and_the_reason_is_known() {
    let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
    let spills = spills(runtime.handle(), folder.path(), 8);
    runtime.block_on(async {
        let mut large = Replay::new(bounds(4, 6, &spills), None);
        take(&mut large, &[b"0123", b"45"]).await;
        assert_eq!(large.whole(), Ok(()));
        take(&mut large, &[b"6"]).await;
        assert_eq!(large.whole(), Err(Lost::Size));
        assert_eq!(spills.used(), 0);

        let mut announced = Replay::new(bounds(4, 6, &spills), None);
        announced.keep(&Bytes::from_static(b"012345"), Some(7));
        assert_eq!(
            announced.whole(),
            Err(Lost::Size),
            "before any of it is written"
        );

        let mut first = Replay::new(bounds(0, 100, &spills), None);
        take(&mut first, &[b"01234"]).await;
        let mut second = Replay::new(bounds(0, 100, &spills), None);
        take(&mut second, &[b"012", b"3"]).await;
        assert_eq!(second.whole(), Err(Lost::Space));
        assert_eq!(first.whole(), Ok(()));
        drop(first);
        let mut third = Replay::new(bounds(0, 100, &spills), None);
        take(&mut third, &[b"01234"]).await;
        assert_eq!(third.whole(), Ok(()));

        let memory = Bounds {
            spills: None,
            ..bounds(4, 100, &spills)
        };
        let mut once = Replay::new(memory, None);
        take(&mut once, &[b"01234"]).await;
        assert_eq!(once.whole(), Err(Lost::Size));
    });
}

#[test]
fn disk_that_fails_is_noticed_and_the_body_goes_on() {
    let runtime = background();
    let spills = spills(runtime.handle(), Path::new("/dev/null/nowhere"), 100);
    runtime.block_on(async {
        let mut replay = Replay::new(bounds(0, 100, &spills), None);
        take(&mut replay, &[b"01"]).await;
        replay.settled().await;
        assert_eq!(replay.whole(), Err(Lost::Disk));
        take(&mut replay, &[b"23"]).await;
        assert_eq!(replay.whole(), Err(Lost::Disk));
        assert_eq!(read_back(&mut replay).await.unwrap(), b"");
    });
    assert_eq!(spills.used(), 0);
}

#[test]
fn nothing_is_kept_once_there_is_an_answer() {
    let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
    let spills = spills(runtime.handle(), folder.path(), 100);
    runtime.block_on(async {
        let mut replay = Replay::new(bounds(2, 100, &spills), None);
        take(&mut replay, &[b"01", b"23"]).await;
        replay.settle();
        take(&mut replay, &[b"45"]).await;
        assert_eq!(spills.used(), 0);
        assert!(replay.is_replayed());
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However a body comes in pieces, and wherever another try begins: all of it is given back.
    #[test]
    fn a_kept_body_is_byte_exact(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..3000), 1..20),
        memory in 0usize..6000,
        rewinds in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let (runtime, folder) = (background(), tempfile::tempdir().unwrap());
        let spills = spills(runtime.handle(), folder.path(), u64::MAX);
        let mut replay = Replay::new(bounds(memory, u64::MAX, &spills), None);
        runtime.block_on(async {
            let mut expected = Vec::new();
            for (piece, rewind) in pieces.iter().zip(rewinds) {
                take(&mut replay, &[piece]).await;
                expected.extend_from_slice(piece);
                if rewind {
                    replay.rewind();
                    assert_eq!(read_back(&mut replay).await.unwrap(), expected);
                }
            }
            replay.rewind();
            assert_eq!(read_back(&mut replay).await.unwrap(), expected);
        });
    }
}
