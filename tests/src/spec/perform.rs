//! Sends the requests of one step and compares.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::exchange::{At, Exchange, Seconds};
use super::expected::{self, Outcome};
use super::matching;
use super::nodes::{Memory, answered, compare_answers, compare_seen};
use super::seen::{Record, Seen};
use super::sending::send;
use super::stage::Stage;
use crate::agent::revision;

/// Pause between two tries of an `eventually`.
const AGAIN: Duration = Duration::from_millis(20);

/// What came of the requests of one step.
#[derive(Debug)]
pub(crate) struct Performed {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) lines: Vec<Value>,
    pub(crate) wrong: Vec<String>,
}

impl Performed {
    /// Name of the node that answered the last request.
    pub(crate) fn node(&self) -> String {
        self.outcomes
            .last()
            .map_or_else(|| "none".to_owned(), answered)
    }
}

/// Performs the step until it is as expected, or for as long as it says.
pub(crate) async fn perform(
    stage: &mut Stage,
    record: &Record,
    memory: &mut Memory,
    step: &Exchange,
) -> Performed {
    let limit = |seconds: Option<Seconds>| Duration::from_secs_f64(seconds.map_or(0.0, |s| s.0));
    let begun = Instant::now();
    loop {
        let performed = once(stage, record, memory, step).await;
        let over = begun.elapsed();
        let again = if performed.wrong.is_empty() {
            over < limit(step.during)
        } else {
            over < limit(step.eventually)
        };
        if !again {
            return performed;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn once(
    stage: &mut Stage,
    record: &Record,
    memory: &mut Memory,
    step: &Exchange,
) -> Performed {
    record.take();
    if step.log.is_some() {
        // The log counts in milliseconds: lines of earlier requests are older than this one's.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (since, begun) = (SystemTime::now(), Instant::now());
    let outcomes = send(stage, step).await;
    let took = begun.elapsed();
    if step.at == At::Admin {
        written(stage, &outcomes).await;
    }
    let mut seen = record.take();
    seen.retain(|seen| !seen.is_probe());
    let mut wrong: Vec<String> = outcomes
        .iter()
        .flat_map(|outcome| expected::answer(step, outcome))
        .collect();
    wrong.dedup();
    wrong.extend(compare_answers(step, &outcomes, memory));
    wrong.extend(compare_seen(step, &seen, memory));
    if let Some((least, most)) = step.took {
        let took = took.as_secs_f64();
        if took < least || took >= most {
            wrong.push(format!(
                "took: expected {least} s to {most} s, got {took:.3} s"
            ));
        }
    }
    let mut lines = Vec::new();
    if let Some(log) = &step.log {
        lines = logged(stage, step, since).await;
        if lines.len() < outcomes.len() {
            wrong.push(format!(
                "log: expected {} lines, got {}",
                outcomes.len(),
                lines.len()
            ));
        }
        wrong.extend(
            lines
                .iter()
                .flat_map(|line| matching::json("log", log, Some(line))),
        );
    } else if !wrong.is_empty() && step.at == At::Agent {
        lines = stage.access_lines(since, outcomes.len(), |_| true).await;
    }
    Performed {
        outcomes,
        seen,
        lines,
        wrong,
    }
}

async fn logged(stage: &Stage, step: &Exchange, since: SystemTime) -> Vec<Value> {
    let (method, path) = step.line();
    let raw = step.raw.is_some();
    let ours = |line: &Value| raw || (line["method"] == method && line["uri"] == path);
    stage
        .access_lines(since, step.times.unwrap_or(1), ours)
        .await
}

/// Remembers what a write through the Admin API made, and waits until the agent has it.
async fn written(stage: &mut Stage, outcomes: &[Outcome]) {
    for answer in outcomes.iter().flatten() {
        stage.written.note(answer);
        if answer.status.is_success() && answer.headers.contains_key("x-weir-revision") {
            stage.agent.applied(revision(answer)).await;
        }
    }
}
