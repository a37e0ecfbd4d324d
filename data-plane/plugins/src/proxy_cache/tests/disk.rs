//! Bodies in files.

use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use weir_plugin_api::outside::{CacheDisk, CacheZone, CacheZones};

use super::*;

/// A world in which everything is done at once.
pub(super) struct Inline(CacheZones);

impl Inline {
    /// Zone `d` is on disk, `m` in memory.
    pub(super) fn with_zones(folder: &Path) -> Arc<Self> {
        let zone = |name: &str, disk| CacheZone {
            name: name.into(),
            memory: 100_000,
            disk,
        };
        let disk = CacheDisk {
            folder: folder.to_path_buf(),
            size: 1_000,
            levels: vec![2],
        };
        Arc::new(Self(CacheZones {
            ttl: CacheZones::TTL,
            zones: vec![zone("d", Some(disk)), zone("m", None)],
        }))
    }
}

impl Outside for Inline {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        task.now_or_never().unwrap();
    }

    fn cache_zones(&self) -> Option<&CacheZones> {
        Some(&self.0)
    }
}

fn bed(folder: &Path, mut config: Value) -> Bed {
    config["cache_zone"] = json!("d");
    let host = FakeHost::shared();
    let outside: Arc<dyn Outside> = Inline::with_zones(folder);
    host.set_outside(Arc::clone(&outside));
    let context = CompileContext {
        outside,
        ..CompileContext::dry()
    };
    let plugin = compile_in::<ProxyCache>(config, &context).unwrap();
    Bed { plugin, host }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn answers_live_in_files_as_long_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let bed = bed(folder.path(), json!({}));
    assert_eq!(bed.ask(get("/"), says("one")).cache(), "MISS");
    let hit = bed.ask(get("/"), says("two"));
    assert_eq!((hit.cache(), &*hit.body), ("HIT", b"one".as_slice()));
    assert_eq!(files(folder.path()).len(), 1);
    let head = bed.ask(get("/").method("HEAD"), says(""));
    assert_eq!(
        (head.cache(), head.header("content-length")),
        ("HIT", Some("3"))
    );
    // What says nothing lives for the time of the agent's file.
    bed.later(10);
    let node = says("two")
        .with("cache-control", "max-age=60")
        .with("etag", "\"2\"");
    assert_eq!(bed.ask(get("/"), node).cache(), "EXPIRED");
    bed.later(59);
    assert_eq!(bed.ask(get("/"), says("x")).body, "two");
    bed.later(1);
    let again = bed.ask(
        get("/"),
        says("").status(304).with("cache-control", "max-age=5"),
    );
    assert_eq!(
        (again.cache(), &*again.body),
        ("REVALIDATED", b"two".as_slice())
    );
    assert_eq!(bed.ask(get("/"), says("x")).body, "two");
    assert_eq!(files(folder.path()).len(), 1);
    bed.ask(get("/").method("PURGE"), says(""));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn files_are_bounded_and_gone_with_the_zone() {
    let folder = tempfile::tempdir().unwrap();
    let bed = bed(folder.path(), json!({"cache_time": 100}));
    let body: &'static str = Box::leak("x".repeat(300).into_boxed_str());
    for target in ["/1", "/2", "/3", "/4", "/5"] {
        bed.ask(get(target), says(body));
    }
    assert_eq!(files(folder.path()).len(), 3);
    bed.later(50);
    assert_eq!(bed.ask(get("/5"), says("x")).cache(), "HIT");
    assert_eq!(bed.ask(get("/1"), says("x")).cache(), "MISS");
    let large: &'static str = Box::leak("x".repeat(1_001).into_boxed_str());
    bed.ask(get("/6"), says(large));
    assert_eq!(bed.ask(get("/6"), says("x")).cache(), "MISS");
    drop(bed);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_corrupt_file_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let bed = bed(folder.path(), json!({}));
    bed.ask(get("/"), says("one"));
    for path in files(folder.path()) {
        std::fs::write(path, "two").unwrap();
    }
    let got = bed.ask(get("/"), says("three"));
    assert_eq!((got.cache(), &*got.body), ("MISS", b"three".as_slice()));
    assert_eq!(bed.ask(get("/"), says("x")).body, "three");
}

#[test]
fn a_stale_file_stands_for_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let bed = bed(folder.path(), json!({"cache_control": true}));
    let node = says("one").with(
        "cache-control",
        "max-age=5, stale-if-error=5, stale-while-revalidate=5",
    );
    bed.ask(get("/"), node);
    bed.later(7);
    let got = bed.ask(get("/"), says("x").status(500));
    assert_eq!(
        (got.status, got.cache(), &*got.body),
        (200, "STALE", b"one".as_slice())
    );
    let mut first = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut first).is_none());
    let second = bed.ask(get("/"), says("x"));
    assert_eq!(
        (second.cache(), &*second.body),
        ("UPDATING", b"one".as_slice())
    );
}
