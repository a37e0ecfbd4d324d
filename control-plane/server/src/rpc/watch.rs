//! Follows the change log: every revision once, in order, without holding more than one of them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use weir_model::Revision;
use weir_proto::control::WatchResponse;
use weir_store::State;
use weir_store::changes::{ChangeRecord, changes_since};

use super::pages::{Filter, Pages, show};

/// Resources and keys in one message at most.
const PART: usize = 500;

/// One watch.
pub(super) struct Watch {
    states: Receiver<Arc<State>>,
    shutdown: CancellationToken,
    filter: Filter,
    /// Everything up to this revision was told, or is in what follows.
    from: Revision,
    /// A whole state that is being told.
    whole: Option<(Pages, bool)>,
    /// Records that are still to be told, and the state that has them.
    records: VecDeque<ChangeRecord>,
    state: Arc<State>,
    ready: VecDeque<WatchResponse>,
}

impl Watch {
    pub(super) fn new(
        states: Receiver<Arc<State>>,
        shutdown: CancellationToken,
        filter: Filter,
        from: Revision,
    ) -> Self {
        let state = Arc::clone(&states.borrow());
        Self {
            states,
            shutdown,
            filter,
            from,
            whole: None,
            records: VecDeque::new(),
            state,
            ready: VecDeque::new(),
        }
    }

    /// The next message; `None` when the node shuts down. Nothing is lost when the future is
    /// dropped.
    pub(super) async fn next(&mut self) -> Option<WatchResponse> {
        loop {
            if let Some(message) = self.prepared() {
                return Some(message);
            }
            let state = Arc::clone(&self.states.borrow_and_update());
            if state.set.revision > self.from {
                self.take(state);
                continue;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                changed = self.states.changed() => changed.ok()?,
            }
        }
    }

    /// What lies ready, without waiting.
    fn prepared(&mut self) -> Option<WatchResponse> {
        if let Some((pages, first)) = &mut self.whole {
            if let Some((upserts, more)) = pages.next() {
                let full = std::mem::replace(first, false);
                return Some(WatchResponse {
                    revision: pages.revision(),
                    upserts,
                    full,
                    more,
                    ..WatchResponse::default()
                });
            }
            self.whole = None;
        }
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let record = self.records.pop_front()?;
            self.ready = messages(&record, &self.state, &self.filter).into();
        }
    }

    /// Makes the changes up to a newer state ready.
    fn take(&mut self, state: Arc<State>) {
        match changes_since(&state, self.from) {
            Some(records) => self.records = records.into(),
            None => {
                let pages = Pages::new(Arc::clone(&state), self.filter.clone(), false);
                self.whole = Some((pages, true));
            }
        }
        self.from = state.set.revision;
        self.state = state;
    }
}

/// One record as messages; none when it has nothing that is wanted.
fn messages(record: &ChangeRecord, state: &State, filter: &Filter) -> Vec<WatchResponse> {
    let mut messages = Vec::new();
    let mut message = WatchResponse::default();
    let mut parts = 0;
    let mut full = |message: &mut WatchResponse, parts: &mut usize| {
        *parts += 1;
        if *parts == PART {
            *parts = 0;
            messages.push(std::mem::take(message));
        }
    };
    for key in record.upserts.iter().filter(|key| filter.wants(key.kind)) {
        // The state may be newer than the record.
        match state.set.get(key) {
            Some(resource) if resource.modified == record.revision => {
                message.upserts.push(show(resource, false));
            }
            _ => message.superseded.push(key.into()),
        }
        full(&mut message, &mut parts);
    }
    for key in record.removals.iter().filter(|key| filter.wants(key.kind)) {
        message.removals.push(key.into());
        full(&mut message, &mut parts);
    }
    if parts > 0 {
        messages.push(message);
    }
    let last = messages.len().saturating_sub(1);
    for (position, message) in messages.iter_mut().enumerate() {
        message.revision = record.revision;
        message.at_ms = record.at_ms;
        message.author.clone_from(&record.author);
        message.message.clone_from(&record.message);
        message.more = position < last;
    }
    messages
}
