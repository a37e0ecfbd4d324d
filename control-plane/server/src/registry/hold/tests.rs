use proptest::prelude::*;
use weir_model::endpoint::Endpoint;

use super::*;

const GRACE: Duration = Duration::from_secs(10);

fn set(hosts: impl IntoIterator<Item = u8>) -> Arc<EndpointSet> {
    let all = hosts
        .into_iter()
        .map(|n| Endpoint::new(format!("10.0.0.{n}"), Some(80)));
    Arc::new(EndpointSet::new(all).unwrap())
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

/// A service of ten endpoints, known for long.
fn ten(now: Instant) -> Hold {
    Hold::new(GRACE, Some(set(0..10)), now)
}

#[test]
fn growth_and_small_shrinks_are_believed_at_once() {
    let now = Instant::now();
    let mut hold = Hold::new(GRACE, None, now);
    assert_eq!(hold.effective(), None);
    for offered in [
        set([]),
        set(0..2),
        set(0..10),
        set(0..5),
        set(1..6),
        set(0..50),
    ] {
        hold.offer(Arc::clone(&offered), now);
        assert_eq!((hold.effective(), hold.held()), (Some(offered), None));
    }
}

#[test]
fn an_empty_answer_is_held_for_the_grace_time_and_then_taken() {
    let now = Instant::now();
    let mut hold = ten(now);
    hold.offer(set([]), after(now, 100));
    assert_eq!(hold.effective(), Some(set(0..10)));
    // Saying it again does not start the grace time anew.
    hold.offer(set([]), after(now, 105));
    assert!(!hold.release(after(now, 109)));
    assert!(hold.release(after(now, 110)));
    assert_eq!((hold.effective(), hold.held()), (Some(set([])), None));
}

#[test]
fn a_registry_that_comes_back_is_believed_again() {
    let now = Instant::now();
    let mut hold = ten(now);
    hold.offer(set([]), after(now, 1));
    hold.offer(set(0..3), after(now, 2));
    assert!(hold.held().is_some(), "still less than half");
    hold.offer(set(0..6), after(now, 3));
    assert_eq!((hold.effective(), hold.held()), (Some(set(0..6)), None));
}

#[test]
fn what_a_held_answer_adds_counts_at_once() {
    let now = Instant::now();
    let mut hold = ten(now);
    hold.offer(set([0, 77]), after(now, 1));
    assert!(hold.held().is_some());
    assert_eq!(hold.effective(), Some(set((0..10).chain([77]))));
    hold.release(after(now, 11));
    assert_eq!(hold.effective(), Some(set([0, 77])));
}

#[test]
fn shrinking_in_steps_within_the_window_is_shrinking() {
    let now = Instant::now();
    let mut hold = ten(now);
    hold.offer(set(0..6), after(now, 1));
    hold.offer(set(0..4), after(now, 2));
    assert!(hold.held().is_some());
    // The same steps over a longer time are not.
    let mut hold = ten(now);
    hold.offer(set(0..6), after(now, 1));
    hold.offer(set(0..4), after(now, 40));
    assert_eq!((hold.effective(), hold.held()), (Some(set(0..4)), None));
}

#[test]
fn the_operator_may_release_it_and_zero_grace_holds_nothing() {
    let now = Instant::now();
    let mut hold = ten(now);
    assert!(!hold.accept(now));
    hold.offer(set([]), now);
    assert!(hold.accept(now));
    assert_eq!(hold.effective(), Some(set([])));
    let mut hold = Hold::new(Duration::ZERO, Some(set(0..10)), now);
    hold.offer(set([]), now);
    assert_eq!((hold.effective(), hold.held()), (Some(set([])), None));
}

proptest! {
    /// Whatever a registry says: nothing it names is missing, one word never takes more than half, and in the end its last word counts.
    #[test]
    fn no_word_takes_more_than_half_and_the_last_one_counts(
        words in prop::collection::vec((0..20_u64, prop::collection::btree_set(0..12_u8, 0..12)), 1..20)
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut hold = Hold::new(GRACE, None, now);
        let mut last = set([]);
        for (pause, hosts) in words {
            now += Duration::from_secs(pause);
            hold.release(now);
            let before = hold.effective().filter(|_| hold.held().is_none());
            last = set(hosts);
            hold.offer(Arc::clone(&last), now);
            let effective = hold.effective().unwrap();
            for endpoint in last.endpoints() {
                prop_assert!(effective.endpoints().contains(endpoint));
            }
            if let Some(before) = before {
                prop_assert!(!is_suspicious(before.len(), effective.len()));
            }
        }
        hold.release(now + GRACE);
        prop_assert_eq!(hold.effective().unwrap(), last);
    }
}
