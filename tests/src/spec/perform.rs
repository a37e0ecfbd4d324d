//! Sends the requests of one step and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::Value;

use super::answering::NODE;
use super::call::{Call, Caller, Target, send_raw};
use super::exchange::{At, Exchange, Seconds};
use super::expected::{self, Outcome};
use super::matching;
use super::seen::{Record, Seen};
use super::stage::Stage;
use crate::agent::revision;
use crate::client::Answer;
use crate::cluster::KEY;

/// Host of requests that say nothing else.
const HOST: &str = "gateway.test";
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
    pub(crate) fn node(&self) -> Option<String> {
        self.outcomes
            .last()
            .and_then(|outcome| node(outcome.as_ref().ok()?))
    }
}

/// Performs the step until it is as expected, or for as long as it says.
pub(crate) async fn perform(stage: &mut Stage, record: &Record, step: &Exchange) -> Performed {
    let limit = |seconds: Option<Seconds>| Duration::from_secs_f64(seconds.map_or(0.0, |s| s.0));
    let begun = Instant::now();
    loop {
        let performed = once(stage, record, step).await;
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

async fn once(stage: &mut Stage, record: &Record, step: &Exchange) -> Performed {
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
    wrong.extend(nodes(step, &outcomes));
    wrong.extend(tries(step, &seen));
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
    } else if !wrong.is_empty() {
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

fn node(answer: &Answer) -> Option<String> {
    Some(answer.headers.get(NODE)?.to_str().ok()?.to_owned())
}

/// What is wrong with the nodes that answered.
fn nodes(step: &Exchange, outcomes: &[Outcome]) -> Vec<String> {
    let mut spread: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in outcomes {
        let name = outcome
            .as_ref()
            .ok()
            .and_then(node)
            .unwrap_or_else(|| "none".to_owned());
        *spread.entry(name).or_default() += 1;
    }
    let mut wrong = Vec::new();
    if let Some(expected) = &step.node
        && !spread.keys().eq([expected])
    {
        wrong.push(format!("node: expected {expected}, got {spread:?}"));
    }
    if let Some(unwanted) = &step.not_node
        && spread.contains_key(unwanted)
    {
        wrong.push(format!(
            "node: expected another than {unwanted}, got {spread:?}"
        ));
    }
    if let Some(expected) = step.nodes
        && spread.len() != expected
    {
        wrong.push(format!(
            "nodes: expected {expected} different ones, got {spread:?}"
        ));
    }
    if let Some(expected) = &step.spread {
        let within = step.within.unwrap_or(0);
        let names: BTreeSet<&String> = expected.keys().chain(spread.keys()).collect();
        let count = |map: &BTreeMap<String, usize>, name: &str| map.get(name).copied().unwrap_or(0);
        if names
            .iter()
            .any(|name| count(expected, name).abs_diff(count(&spread, name)) > within)
        {
            wrong.push(format!(
                "spread: expected {expected:?} within {within}, got {spread:?}"
            ));
        }
    }
    wrong
}

/// What is wrong with what the nodes saw.
fn tries(step: &Exchange, seen: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    let tried: Vec<&str> = seen.iter().map(|seen| seen.node.as_str()).collect();
    if let Some(expected) = &step.tries
        && tried != *expected
    {
        wrong.push(format!("tries: expected {expected:?}, got {tried:?}"));
    }
    if let Some(expected) = &step.saw {
        match seen.last() {
            Some(seen) => wrong.extend(expected::seen(expected, seen)),
            None => wrong.push("saw: no node saw the request".to_owned()),
        }
    }
    if let Some(expected) = step.connections {
        let used = seen
            .iter()
            .map(|seen| (seen.node.as_str(), seen.connection.number));
        let used = used.collect::<BTreeSet<_>>().len();
        if used != expected {
            wrong.push(format!("connections: expected {expected}, got {used}"));
        }
    }
    wrong
}

/// Sends all requests of the step.
async fn send(stage: &Stage, step: &Exchange) -> Vec<Outcome> {
    let target = target(stage, step);
    let times = step.times.unwrap_or(1);
    if let Some(raw) = &step.raw {
        let mut outcomes = Vec::new();
        for _ in 0..times {
            outcomes.push(send_raw(&target, raw.as_bytes()).await);
        }
        return outcomes;
    }
    let call = call(stage, step);
    let clients = step.clients.unwrap_or(1).min(times);
    let client = |number: usize| {
        let (target, call) = (target.clone(), &call);
        async move {
            let mut caller = Caller::new(target);
            let mut outcomes = Vec::new();
            for _ in (number..times).step_by(clients) {
                outcomes.push(caller.send(call).await);
            }
            outcomes
        }
    };
    join_all((0..clients).map(client)).await.concat()
}

fn target(stage: &Stage, step: &Exchange) -> Target {
    let (ip, port) = match step.at {
        At::Agent if step.over.is_tls() => (stage.agent.ip, 9443),
        At::Agent => (stage.agent.ip, 9080),
        At::Status => (stage.agent.ip, 9091),
        At::Admin => (stage.control().ip, 9180),
    };
    let host = step.host.as_deref().unwrap_or(HOST);
    let sni = step.sni.as_deref().unwrap_or(host);
    Target {
        address: (ip, port).into(),
        over: step.over,
        from: step.from,
        sni: sni.split(':').next().unwrap_or_default().to_owned(),
    }
}

fn call(stage: &Stage, step: &Exchange) -> Call {
    let (method, path) = step.line();
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in &step.headers {
        headers.extend(
            values
                .all()
                .iter()
                .map(|value| (name.clone(), value.clone())),
        );
    }
    let (path, host) = match step.at {
        At::Agent => (path.to_owned(), HOST.to_owned()),
        At::Status => (path.to_owned(), stage.agent.ip.to_string()),
        At::Admin => {
            headers.push(("x-api-key".to_owned(), KEY.to_owned()));
            (
                format!("/apisix/admin/{path}"),
                stage.control().ip.to_string(),
            )
        }
    };
    let body = match (&step.body, &step.json) {
        (Some(body), _) => body.bytes(),
        (None, Some(json)) => json.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if step.json.is_some() && !has_type {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Call {
        method: method.to_owned(),
        path,
        host: step.host.clone().unwrap_or(host),
        headers,
        body: Bytes::from(body),
    }
}
