//! Kubernetes, against a stand-in for its API server (see `weir_discovery::testkit`): the shared
//! suite, and what lists and watches may do besides.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::time::Duration;

use http::StatusCode;
use weir_discovery::ErrorKind;
use weir_discovery::testkit::{self, Backend as _, FakeKubernetes, Instance, Trouble, Watch};

const LIMIT: Duration = Duration::from_secs(20);
const ONE: &str = "127.0.0.1:8001";
const TWO: &str = "127.0.0.2:8002";

fn instances() -> [Instance; 2] {
    [1, 2].map(|n| Instance::new(&format!("127.0.0.{n}"), 8000 + n))
}

/// A service with one instance, and a watch that has seen it.
async fn following() -> (FakeKubernetes, Watch) {
    let fake = FakeKubernetes::start().await;
    let [one, _] = instances();
    fake.register("web", &one).await;
    let watch = Watch::start(&fake.registry(fake.address()), &fake.upstream("web"));
    watch.sees(&[ONE], LIMIT).await;
    (fake, watch)
}

async fn watches(fake: &FakeKubernetes, at_least: usize) -> Vec<u64> {
    weir_tests::wait::until(&format!("{at_least} watches"), LIMIT, || async {
        let watches = fake.watches();
        if watches.len() >= at_least {
            Ok(watches)
        } else {
            Err(format!("{watches:?}"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_in_passes_the_suite() {
    let mut fake = FakeKubernetes::start().await;
    testkit::run(&fake).await;
    fake.slices = false;
    testkit::run(&fake).await;
}

/// The watch ends, the list is read again, nothing is taken for a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_version_is_listed_again() {
    for trouble in [Trouble::None, Trouble::ExpiredStatus] {
        let (fake, watch) = following().await;
        fake.trouble(trouble);
        watches(&fake, 1).await;
        let before = fake.lists();
        fake.compact();
        let [_, two] = instances();
        fake.register("web", &two).await;
        watch.sees(&[ONE, TWO], LIMIT).await;
        assert!(fake.lists() > before, "{trouble:?}: it was listed again");
        assert_eq!(watch.state().failures, 0, "{:?}", watch.state());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_forgotten_starts_the_list_anew() {
    let fake = FakeKubernetes::start().await;
    let all: Vec<Instance> = (1..=5)
        .map(|n| Instance::new("127.0.0.1", 8000 + n))
        .collect();
    for instance in &all {
        fake.register("web", instance).await;
    }
    fake.trouble(Trouble::ForgottenPage);
    let watch = Watch::start(&fake.registry(fake.address()), &fake.upstream("web"));
    let addresses: Vec<String> = (1..=5).map(|n| format!("127.0.0.1:{}", 8000 + n)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    watch.sees(&addresses, LIMIT).await;
    assert_eq!(watch.state().failures, 0, "{:?}", watch.state());
}

/// A server that forgets every version is not asked in a tight loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_always_forgets_is_asked_slowly() {
    let (fake, watch) = following().await;
    fake.trouble(Trouble::AlwaysExpired);
    let before = watches(&fake, 1).await.len();
    let began = std::time::Instant::now();
    let after = watches(&fake, before + 4).await.len();
    let asked = u32::try_from(after - before).unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(300) * (asked - 2),
        "{asked} watches in {:?}",
        began.elapsed()
    );
    fake.trouble(Trouble::None);
    let [_, two] = instances();
    fake.register("web", &two).await;
    watch.sees(&[ONE, TWO], LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_watch_goes_on_from_the_bookmark() {
    let (fake, watch) = following().await;
    watches(&fake, 1).await;
    let lists = fake.lists();
    let version = fake.bookmark();
    let limit = Duration::from_secs(5);
    watch
        .until("the version of the bookmark", limit, |state| {
            let seen = state.seen.as_ref();
            seen.is_some_and(|seen| seen.index == version.to_string())
        })
        .await;
    // Watches of the test end after 2 s.
    let seen = fake.watches().len();
    let next = watches(&fake, seen + 1).await;
    assert_eq!(next.last(), Some(&version), "{next:?}");
    assert_eq!(fake.lists(), lists, "nothing was listed again");
    assert_eq!(watch.state().failures, 0, "{:?}", watch.state());
}

/// Each is an error that keeps what is known, and is overcome when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_a_watch_keeps_what_is_known() {
    for (trouble, kind) in [
        (Trouble::CutLine, ErrorKind::Unreachable),
        (Trouble::Garbage, ErrorKind::Malformed),
        (Trouble::Hang, ErrorKind::Timeout),
        (
            Trouble::Status(StatusCode::UNAUTHORIZED),
            ErrorKind::Refused,
        ),
        (Trouble::Status(StatusCode::FORBIDDEN), ErrorKind::Refused),
        (
            Trouble::Status(StatusCode::INTERNAL_SERVER_ERROR),
            ErrorKind::Failed,
        ),
    ] {
        let (fake, watch) = following().await;
        fake.trouble(trouble);
        let [_, two] = instances();
        fake.register("web", &two).await;
        let what = format!("{trouble:?} is {}", kind.as_str());
        watch
            .until(&what, LIMIT, |state| {
                state.error.as_ref().is_some_and(|error| error.kind == kind)
            })
            .await;
        assert!(!watch.state().endpoints().is_empty(), "{trouble:?}");
        fake.trouble(Trouble::None);
        watch.sees(&[ONE, TWO], LIMIT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_port_is_said() {
    let (fake, _watch) = following().await;
    let upstream = serde_json::json!({"service_name": "default/web:grpc"});
    let watch = Watch::start(&fake.registry(fake.address()), &upstream);
    watch
        .until("a note", LIMIT, |state| {
            let note = state.seen.as_ref().and_then(|seen| seen.note.as_deref());
            note == Some("no port \"grpc\"; there is http")
        })
        .await;
}
