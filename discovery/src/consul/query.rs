//! The loop of blocking queries.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use weir_model::endpoint::EndpointSet;

use super::client::{Client, Query};
use crate::http::Answer;
use crate::{Error, Reporter, Seen};

/// Between the starts of two queries, at least: a server that does not block must not be asked in
/// a tight loop, and half of a second's delay is left for everything else.
const PACE: Duration = Duration::from_millis(100);

/// What a loop does with answers.
pub(super) trait Reader: Sync {
    /// The set that an answer holds.
    fn read(&self, answer: &Answer) -> Result<EndpointSet, Error>;

    /// Why the set of an answer is empty: a note, or that it only looks empty.
    fn explain(
        &self,
        answer: &Answer,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// What stands in for an empty set.
    fn stand_in(&self) -> Option<EndpointSet>;
}

/// Follows `query` until it fails.
pub(super) async fn follow(
    client: &Client,
    query: &Query,
    reader: &impl Reader,
    report: &Reporter,
) -> Result<Infallible, Error> {
    let mut index = 0;
    loop {
        let started = Instant::now();
        let answer = client.query(query, index).await?;
        index = next_index(index, answer.header("x-consul-index"));
        let mut set = reader.read(&answer)?;
        let mut note = None;
        if set.is_empty() {
            note = reader.explain(&answer).await?;
            set = reader.stand_in().unwrap_or(set);
        }
        report.report(Seen {
            set: Arc::new(set),
            index: index.to_string(),
            note,
        });
        let pause = if client.blocks { PACE } else { client.poll };
        sleep_until(started + pause).await;
    }
}

/// The index to wait for the next change from; 0 does not wait.
fn next_index(before: u64, answered: Option<&str>) -> u64 {
    let answered = answered.and_then(|text| text.parse().ok()).unwrap_or(0);
    // Backwards: the server was restored or replaced, so what it says next is all new.
    if answered < before { 0 } else { answered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_goes_back_or_is_missing_starts_over() {
        assert_eq!(next_index(0, Some("7")), 7);
        assert_eq!(next_index(7, Some("7")), 7);
        assert_eq!(next_index(7, Some("9")), 9);
        assert_eq!(next_index(9, Some("3")), 0);
        assert_eq!(next_index(9, Some("0")), 0);
        assert_eq!(next_index(9, Some("nonsense")), 0);
        assert_eq!(next_index(9, None), 0);
    }
}
