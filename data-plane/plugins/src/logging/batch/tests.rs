use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;

use super::*;
use crate::logging::tests::AtOnce;

/// Fails so many times, each time at the second entry, and notes what it is asked to send.
struct Second {
    failures: AtomicUsize,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Sender<u8> for Second {
    fn send(&self, _outside: &Arc<dyn Outside>, batch: &[u8]) -> Delivery {
        self.asked.lock().unwrap().push(batch.to_vec());
        let fails = |left: usize| left.checked_sub(1);
        let failed = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails);
        let result = failed.map_or(Ok(()), |_| {
            Err(Undelivered {
                reason: "no".into(),
                arrived: 1,
            })
        });
        Box::pin(std::future::ready(result))
    }
}

/// What is sent of 1, 2 and 3 by a sender that fails so many times; and how many are lost.
fn delivered(failures: usize, retries: u32) -> (Vec<Vec<u8>>, u64) {
    let asked = Arc::default();
    let sender = Second {
        failures: AtomicUsize::new(failures),
        asked: Arc::clone(&asked),
    };
    let options = BatchOptions {
        max_retry_count: retries,
        ..BatchOptions::default()
    };
    let context = CompileContext {
        outside: Arc::new(AtOnce),
        ..CompileContext::dry()
    };
    let batches = Batches::shared("x", "x", Rules::new(&options, 9), &context, sender);
    let batch = Batch {
        entries: vec![1, 2, 3],
        bytes: 0,
    };
    batches.count.enter(0, 9, 9);
    batches.count.enter(0, 9, 9);
    batches.count.enter(0, 9, 9);
    deliver(Arc::clone(&batches), batch).now_or_never().unwrap();
    assert_eq!(batches.count.pending.load(Ordering::Relaxed), 0);
    let asked = asked.lock().unwrap().clone();
    (asked, batches.count.dropped.load(Ordering::Relaxed))
}

#[test]
fn only_what_did_not_arrive_is_sent_again() {
    let all = vec![1, 2, 3];
    assert_eq!(delivered(0, 2), (vec![all.clone()], 0));
    assert_eq!(delivered(1, 2), (vec![all.clone(), vec![2, 3]], 0));
    assert_eq!(delivered(1, 0), (vec![all.clone()], 2));
    // The last one arrives with the failure.
    let each = vec![all, vec![2, 3], vec![3]];
    assert_eq!(delivered(3, 2), (each, 0));
}

#[test]
fn a_batch_is_due_when_it_is_old_or_nothing_comes() {
    let options = Rules::new(&BatchOptions::default(), 1);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(
        due(at(0), at(0), &options, at(0)),
        Due::In(Duration::from_secs(5))
    );
    assert_eq!(
        due(at(0), at(3), &options, at(4)),
        Due::In(Duration::from_secs(4))
    );
    assert_eq!(due(at(0), at(3), &options, at(8)), Due::Now);
    assert_eq!(
        due(at(0), at(58), &options, at(59)),
        Due::In(Duration::from_secs(1))
    );
    assert_eq!(due(at(0), at(59), &options, at(60)), Due::Now);
}
