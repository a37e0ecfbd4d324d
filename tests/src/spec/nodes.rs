//! Which nodes answered, which saw a request, and over which connections.

use std::collections::{BTreeMap, BTreeSet};

use super::answering::NODE;
use super::exchange::{Exchange, Moved};
use super::expected::{self, Outcome};
use super::seen::Seen;
use crate::client::Answer;

/// What later steps of a case compare with.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Nodes that answered, by the name of the `remember_each`.
    each: BTreeMap<String, Vec<String>>,
    /// Connections that nodes have seen, with the node's name.
    connections: BTreeSet<(String, u64)>,
}

/// Name of the node that answered; `none` when the gateway itself did, or nobody.
pub(crate) fn answered(outcome: &Outcome) -> String {
    let node = |answer: &Answer| Some(answer.headers.get(NODE)?.to_str().ok()?.to_owned());
    outcome
        .as_ref()
        .ok()
        .and_then(node)
        .unwrap_or_else(|| "none".to_owned())
}

/// What is wrong with the nodes that answered.
pub(crate) fn compare_answers(
    step: &Exchange,
    outcomes: &[Outcome],
    memory: &mut Memory,
) -> Vec<String> {
    let answered: Vec<String> = outcomes.iter().map(answered).collect();
    let mut spread: BTreeMap<String, usize> = BTreeMap::new();
    for name in &answered {
        *spread.entry(name.clone()).or_default() += 1;
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
    if let Some(moved) = &step.moved {
        wrong.extend(compare_moved(moved, &answered, memory));
    }
    if let Some(name) = &step.remember_each {
        memory.each.insert(name.clone(), answered);
    }
    wrong
}

fn compare_moved(moved: &Moved, now: &[String], memory: &Memory) -> Option<String> {
    let Some(before) = memory.each.get(&moved.since) else {
        return Some(format!("moved: nothing is remembered as {}", moved.since));
    };
    let pairs = before.iter().zip(now);
    let changed = pairs.clone().filter(|(before, now)| before != now).count();
    if let Some(from) = &moved.from {
        let wrong = |(before, now): &(&String, &String)| (before == now) == (*before == from);
        let wrong = pairs.filter(wrong).count();
        if wrong > 0 {
            return Some(format!(
                "moved: expected all of {from} and no others, {wrong} did otherwise"
            ));
        }
    }
    let most = moved.most.filter(|most| changed > *most);
    most.map(|most| {
        format!(
            "moved: expected at most {most}, got {changed} of {}",
            now.len()
        )
    })
}

/// What is wrong with what the nodes saw.
pub(crate) fn compare_seen(step: &Exchange, seen: &[Seen], memory: &mut Memory) -> Vec<String> {
    let mut wrong = Vec::new();
    let tried: Vec<&str> = seen.iter().map(|seen| seen.node.as_str()).collect();
    if let Some(expected) = &step.tries
        && tried != *expected
    {
        wrong.push(format!("tries: expected {expected:?}, got {tried:?}"));
    }
    if let Some(most) = step.tries_at_most
        && tried.len() > most
    {
        wrong.push(format!(
            "tries: expected at most {most}, got {}",
            tried.len()
        ));
    }
    if let Some(expected) = &step.saw {
        match seen.last() {
            Some(seen) => wrong.extend(expected::seen(expected, seen)),
            None => wrong.push("saw: no node saw the request".to_owned()),
        }
    }
    let connection = |seen: &Seen| (seen.node.clone(), seen.connection.number);
    let used: BTreeSet<_> = seen.iter().map(connection).collect();
    if let Some(expected) = step.connections
        && used.len() != expected
    {
        wrong.push(format!(
            "connections: expected {expected}, got {}",
            used.len()
        ));
    }
    if step.new_connections && !used.is_disjoint(&memory.connections) {
        wrong.push(format!("connections: expected new ones only, got {used:?}"));
    }
    memory.connections.extend(used);
    wrong
}
