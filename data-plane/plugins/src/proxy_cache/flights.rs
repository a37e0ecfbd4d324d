//! Requests under way to nodes, so that many for one answer become one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LinkedHashMap;
use tokio::sync::watch;

/// How long nobody waits for an answer that turned out not to be kept.
const NOT_KEPT_FOR: Duration = Duration::from_secs(5);
/// How many of these are remembered.
const REMEMBERED: usize = 10_000;

/// All flights of a zone.
#[derive(Default)]
pub(super) struct Flights {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<Arc<str>, watch::Receiver<()>>,
    /// Keys whose answers are not kept, until when.
    not_kept: LinkedHashMap<Arc<str>, Duration>,
}

/// A request that others wait for. It is over when this is dropped, whatever became of it.
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Arc<str>,
    _over: watch::Sender<()>,
}

/// What a request that found nothing does.
pub(super) enum Turn {
    /// It fetches, for others too.
    Leads(Flight),
    /// It waits until the other is over.
    Waits(Wait),
    /// It fetches for itself: answers to this key are not kept.
    Alone,
}

/// A flight of somebody else.
pub(super) struct Wait(watch::Receiver<()>);

impl Wait {
    /// Until the flight is over, or for this time.
    pub(super) async fn over(mut self, limit: Duration) {
        // Nothing is ever sent: an error says that the sender is gone.
        let _ = tokio::time::timeout(limit, self.0.changed()).await;
    }
}

impl Flights {
    /// Begins a flight, or finds the one that is under way.
    pub(super) fn begin(self: &Arc<Self>, key: &str, now: Duration) -> Turn {
        let mut state = self.state();
        if let Some(open) = state.open.get(key) {
            return Turn::Waits(Wait(open.clone()));
        }
        match state.not_kept.get(key) {
            Some(until) if *until > now => return Turn::Alone,
            Some(_) => drop(state.not_kept.remove(key)),
            None => {}
        }
        let (over, open) = watch::channel(());
        let key: Arc<str> = Arc::from(key);
        state.open.insert(Arc::clone(&key), open);
        Turn::Leads(Flight {
            flights: Arc::clone(self),
            key,
            _over: over,
        })
    }

    /// Whether somebody fetches an answer of this key.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.state().open.contains_key(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Ends the flight: the answer is not kept, so the next ones need not wait for each other.
    pub(super) fn not_kept(self, now: Duration) {
        let mut state = self.flights.state();
        state
            .not_kept
            .insert(Arc::clone(&self.key), now.saturating_add(NOT_KEPT_FOR));
        if state.not_kept.len() > REMEMBERED {
            state.not_kept.pop_front();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.state().open.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn leads(flights: &Arc<Flights>, key: &str, now: Duration) -> Flight {
        match flights.begin(key, now) {
            Turn::Leads(flight) => flight,
            _ => panic!("it does not lead"),
        }
    }

    #[tokio::test]
    async fn others_wait_until_the_first_is_over() {
        let flights = Arc::new(Flights::default());
        let first = leads(&flights, "a", NOW);
        assert!(flights.is_open("a") && !flights.is_open("b"));
        let Turn::Waits(wait) = flights.begin("a", NOW) else {
            panic!("it does not wait");
        };
        drop(leads(&flights, "b", NOW));
        let waiting = tokio::spawn(wait.over(Duration::from_secs(60)));
        drop(first);
        waiting.await.unwrap();
        drop(leads(&flights, "a", NOW));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let flights = Arc::new(Flights::default());
        let _first = leads(&flights, "a", NOW);
        let Turn::Waits(wait) = flights.begin("a", NOW) else {
            panic!("it does not wait");
        };
        wait.over(Duration::from_secs(5)).await;
    }

    #[test]
    fn nobody_waits_for_what_is_not_kept() {
        let flights = Arc::new(Flights::default());
        leads(&flights, "a", NOW).not_kept(NOW);
        assert!(matches!(flights.begin("a", NOW), Turn::Alone));
        drop(leads(&flights, "a", NOW + NOT_KEPT_FOR));
        for number in 0..REMEMBERED + 10 {
            leads(&flights, &number.to_string(), NOW).not_kept(NOW);
        }
        assert_eq!(flights.state().not_kept.len(), REMEMBERED);
    }
}
