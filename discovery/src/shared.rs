//! One attempt for all who want the same thing at the same time.

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Error;

/// Something that one makes and many use: a login, a connection.
pub(crate) struct Shared<T> {
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    made: Option<T>,
    failed: Option<(Instant, Error)>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        let slot = Slot {
            made: None,
            failed: None,
        };
        Self {
            slot: Mutex::new(slot),
        }
    }
}

impl<T> Shared<T> {
    /// What `take` finds in the value that was made last; when it finds nothing any more, a new one
    /// is made. An attempt that fails has failed for all who waited for it.
    pub(crate) async fn get<U>(
        &self,
        take: impl Fn(&T) -> Option<U>,
        make: impl Future<Output = Result<(T, U), Error>>,
    ) -> Result<U, Error> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(found) = slot.made.as_ref().and_then(&take) {
            return Ok(found);
        }
        if let Some((at, error)) = &slot.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        match make.await {
            Ok((made, taken)) => {
                slot.made = Some(made);
                Ok(taken)
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The next one is made anew.
    pub(crate) async fn forget(&self) {
        self.slot.lock().await.made = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_fails_fails_once_for_all_who_wait() {
        let shared = Shared::<u32>::default();
        let made = AtomicUsize::new(0);
        let fail = || async {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Err::<(u32, u32), _>(Error::config("x"))
        };
        let all = join_all((0..5).map(|_| shared.get(|value| Some(*value), fail()))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(shared.get(|value| Some(*value), fail()).await.is_err());
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_made_is_used_until_it_is_no_good() {
        let shared = Shared::default();
        let take = |value: &u32| (*value > 1).then_some(*value);
        let get = async |value: u32| {
            shared
                .get(take, async { Ok((value, value)) })
                .await
                .unwrap()
        };
        assert_eq!(get(1).await, 1);
        assert_eq!(get(2).await, 2);
        assert_eq!(get(3).await, 2);
        shared.forget().await;
        assert_eq!(get(3).await, 3);
    }
}
