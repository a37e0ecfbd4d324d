use std::sync::atomic::AtomicUsize;
use std::task::Context;

use futures_util::FutureExt;
use futures_util::task::noop_waker;

use super::*;

fn gate(most: u64, waiting: usize) -> Arc<Gate> {
    Arc::new(Gate::new(Some(most), waiting))
}

/// What is decided at once.
fn now(gate: &Arc<Gate>) -> Option<Option<Place>> {
    Gate::enter(gate).now_or_never()
}

#[test]
fn a_burst_waits_and_lasting_overload_does_not() {
    let recently = Some(CALM / 2);
    let long_ago = Some(CALM);
    assert_eq!(decide(0, 2, None), Turn::Wait(PATIENCE));
    assert_eq!(decide(1, 2, long_ago), Turn::Wait(PATIENCE));
    assert_eq!(decide(2, 2, None), Turn::Refuse);
    assert_eq!(decide(0, 2, recently), Turn::Refuse);
    assert_eq!(decide(0, 0, None), Turn::Refuse);
}

#[test]
fn places_are_bounded_and_come_back() {
    let gate = gate(2, 0);
    let one = now(&gate).unwrap().unwrap();
    let two = now(&gate).unwrap().unwrap();
    assert!(now(&gate).unwrap().is_none());
    assert_eq!((gate.taken(), gate.refused()), (2, 1));
    drop(one);
    let three = now(&gate).unwrap().unwrap();
    drop((two, three));
    assert_eq!(gate.taken(), 0);
}

#[tokio::test]
async fn whoever_waits_longest_is_next() {
    let gate = gate(1, 2);
    let holder = Gate::enter(&gate).await.unwrap();
    let mut first = Box::pin(Gate::enter(&gate));
    let mut second = Box::pin(Gate::enter(&gate));
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    assert!(first.poll_unpin(&mut cx).is_pending());
    assert!(second.poll_unpin(&mut cx).is_pending());
    assert_eq!(gate.waiting(), 2);
    drop(holder);
    assert!(second.poll_unpin(&mut cx).is_pending());
    let place = first.await.unwrap();
    drop(place);
    assert!(second.await.is_some());
    assert_eq!((gate.taken(), gate.waiting()), (0, 0));
}

#[tokio::test]
async fn one_that_leaves_takes_nothing_with_it() {
    let gate = gate(1, 2);
    let holder = Gate::enter(&gate).await.unwrap();
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut leaving = Box::pin(Gate::enter(&gate));
    assert!(leaving.poll_unpin(&mut cx).is_pending());
    let mut staying = Box::pin(Gate::enter(&gate));
    assert!(staying.poll_unpin(&mut cx).is_pending());
    drop(holder);
    // It has been granted the place, and never hears of it.
    drop(leaving);
    assert!(staying.await.is_some());
    assert_eq!((gate.taken(), gate.waiting()), (0, 0));
}

#[tokio::test]
async fn patience_ends() {
    let gate = gate(1, 1);
    let holder = Gate::enter(&gate).await.unwrap();
    let began = Instant::now();
    assert!(Gate::enter(&gate).await.is_none());
    assert!(began.elapsed() >= PATIENCE);
    // It is overload now: nobody waits.
    assert!(now(&gate).unwrap().is_none());
    drop(holder);
    assert!(now(&gate).unwrap().is_some());
}

#[test]
fn threads_together_never_pass_the_bound_and_lose_no_place() {
    let gate = gate(3, 4);
    let (inside, most, served) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let work = async || {
        for _ in 0..500 {
            let Some(place) = Gate::enter(&gate).await else {
                continue;
            };
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            served.fetch_add(1, Ordering::SeqCst);
            drop(place);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async { tokio::join!(work(), work(), work(), work()) });
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert!(served.load(Ordering::SeqCst) > 0);
    assert_eq!((gate.taken(), gate.waiting()), (0, 0));
}
