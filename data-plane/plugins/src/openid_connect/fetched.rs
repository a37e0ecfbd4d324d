//! What a provider publishes: fetched once for all workers, kept, and fetched again in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use weir_plugin_api::Host;

/// Between two tries at least, while there is something to go on with.
const BETWEEN_TRIES: Duration = Duration::from_secs(10);

type Outcome<T> = Result<Arc<T>, Arc<str>>;
type Fetch<T> = Shared<BoxFuture<'static, Outcome<T>>>;

/// One published thing.
pub(super) struct Fetched<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// With the time at which it came.
    value: Option<(Arc<T>, Duration)>,
    /// When it was last asked for.
    asked: Option<Duration>,
    under_way: Option<Fetch<T>>,
}

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        let state = State {
            value: None,
            asked: None,
            under_way: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// The value, fetched when there is none or it is as old as `max_age`. All who need it wait for
    /// one fetch; while a fetch fails, an old value stays.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn get(
        &self,
        host: &dyn Host,
        max_age: Duration,
        fetch: impl FnOnce() -> BoxFuture<'static, Result<T, String>>,
    ) -> Outcome<T> {
        let (known, fetch) = self.plan(host.monotonic(), max_age, fetch);
        let Some(fetch) = fetch else {
            return known.ok_or_else(|| "nothing was fetched".into());
        };
        let outcome = fetch.clone().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .under_way
            .as_ref()
            .is_some_and(|other| other.ptr_eq(&fetch))
        {
            state.under_way = None;
            if let Ok(value) = &outcome {
                state.value = Some((Arc::clone(value), host.monotonic()));
            }
        }
        drop(state);
        match (outcome, known) {
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "openid-connect: what is known already stays in use");
                Ok(known)
            }
            (outcome, _) => outcome,
        }
    }

    /// What is known, and what is to be waited for, if anything.
    fn plan(
        &self,
        now: Duration,
        max_age: Duration,
        fetch: impl FnOnce() -> BoxFuture<'static, Result<T, String>>,
    ) -> (Option<Arc<T>>, Option<Fetch<T>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.value.as_ref();
        let is_fresh = known.is_some_and(|(_, at)| now.saturating_sub(*at) < max_age);
        let known = known.map(|(value, _)| Arc::clone(value));
        if is_fresh {
            return (known, None);
        }
        if let Some(fetch) = &state.under_way {
            // Who has something to go on with does not wait for another's fetch.
            let wait = known.is_none().then(|| fetch.clone());
            return (known, wait);
        }
        let asked = state.asked;
        let is_early = asked.is_some_and(|at| now.saturating_sub(at) < BETWEEN_TRIES);
        if known.is_some() && is_early {
            return (known, None);
        }
        let fetch = fetch().map(|outcome| outcome.map(Arc::new).map_err(Arc::from));
        let fetch = fetch.boxed().shared();
        state.under_way = Some(fetch.clone());
        state.asked = Some(now);
        (known, Some(fetch))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::ready;
    use weir_plugin_api::testkit::FakeHost;

    use super::*;

    fn get(
        fetched: &Fetched<u32>,
        host: &FakeHost,
        max_age: u64,
        next: Result<u32, String>,
    ) -> Result<u32, String> {
        let fetch = move || ready(next).boxed();
        let outcome = fetched.get(host, Duration::from_secs(max_age), fetch);
        let outcome = outcome.now_or_never().unwrap();
        outcome
            .map(|value| *value)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_fetched_again_when_it_is_old_and_stays_when_that_fails() {
        let (fetched, host) = (Fetched::default(), FakeHost::shared());
        let failed = || Err("down".to_owned());
        assert_eq!(get(&fetched, &host, 60, failed()), failed());
        assert_eq!(get(&fetched, &host, 60, Ok(1)), Ok(1));
        assert_eq!(get(&fetched, &host, 60, Ok(2)), Ok(1));
        // Keys that nobody knows do not make it be fetched all the time.
        assert_eq!(get(&fetched, &host, 0, Ok(2)), Ok(1));
        host.advance(Duration::from_secs(61));
        assert_eq!(get(&fetched, &host, 60, failed()), Ok(1));
        assert_eq!(get(&fetched, &host, 60, Ok(3)), Ok(1));
        host.advance(Duration::from_secs(10));
        assert_eq!(get(&fetched, &host, 60, Ok(3)), Ok(3));
    }
}
