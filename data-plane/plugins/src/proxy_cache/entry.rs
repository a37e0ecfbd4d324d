//! A kept answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use super::freshness::Life;
use super::store::File;

/// Bytes that an entry takes beside its fields and its body, about.
const OVERHEAD: u64 = 512;

/// Where a body lies.
#[derive(Clone)]
pub(super) enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file, which goes with the last entry that names it.
    Disk(Arc<File>),
}

/// A kept answer; never changed.
pub(super) struct Entry {
    pub(super) status: StatusCode,
    /// As the node sent them.
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Monotonic time at which it came.
    pub(super) stored_at: Duration,
    pub(super) life: Life,
    /// Values of the request's fields that `Vary` names, in the order of the group.
    pub(super) selects: Vec<Option<String>>,
}

/// What an entry may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As it is.
    Fresh,
    /// While somebody fetches a new one, and when none can be had.
    Revalidating,
    /// When no new one can be had.
    OnError,
    /// To ask the node whether it has changed.
    Stale,
}

impl Entry {
    /// Its age.
    pub(super) fn age(&self, now: Duration) -> Duration {
        self.life
            .age
            .saturating_add(now.saturating_sub(self.stored_at))
    }

    /// What it may be used for now.
    pub(super) fn freshness(&self, now: Duration) -> Freshness {
        let over = self.age(now).checked_sub(self.life.fresh);
        match over {
            None => Freshness::Fresh,
            Some(over) if over < self.life.while_revalidating => Freshness::Revalidating,
            Some(over) if over < self.life.if_error => Freshness::OnError,
            Some(_) => Freshness::Stale,
        }
    }

    /// Whether it may stand for an answer that cannot be had.
    pub(super) fn serves_errors(&self, now: Duration) -> bool {
        let over = self.age(now).saturating_sub(self.life.fresh);
        over < self.life.if_error
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> u64 {
        let fields = self.headers.iter();
        let fields: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        let selects: usize = self.selects.iter().flatten().map(String::len).sum();
        let body = match &self.body {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Disk(_) => 0,
        };
        OVERHEAD + (fields + selects) as u64 + body
    }

    /// Bytes on disk that it takes.
    pub(super) fn disk(&self) -> u64 {
        match &self.body {
            Body::Memory(_) => 0,
            Body::Disk(file) => file.size(),
        }
    }
}

/// The values of the fields that `Vary` names.
pub(super) fn selects(vary: &[HeaderName], request: &HeaderMap) -> Vec<Option<String>> {
    let value = |name: &HeaderName| {
        let values = request.get_all(name).iter();
        let texts: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    vary.iter().map(value).collect()
}

/// The fields that an answer depends on, sorted. An encoded answer depends on what the client takes,
/// even if it does not say so; else those who do not take it would get it.
pub(super) fn vary(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(http::header::VARY).iter();
    let mut names: Vec<HeaderName> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        names.push(http::header::ACCEPT_ENCODING);
    }
    names.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    names.dedup();
    names
}
