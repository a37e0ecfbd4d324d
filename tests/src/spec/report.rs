//! What a failed case prints: where, what was expected, what came, what nodes and log say.

use std::fmt::Write;

use super::document::{Case, Step};
use super::expected::Outcome;
use super::matching::short;
use super::perform::Performed;

/// Answers and requests that are shown of many.
const SHOWN: usize = 5;

/// A failed case.
pub(crate) fn case(case: &Case, error: &str, agent: &str) -> String {
    format!(
        "{}\n  ({})\n{error}\n--- agent ---\n{agent}",
        case.name,
        first_line(&case.about)
    )
}

/// A failed step.
pub(crate) fn step(number: usize, of: usize, step: &Step, error: &str) -> String {
    format!("step {number} of {of}: {}\n{error}", step.text())
}

/// Requests that did not go as expected.
pub(crate) fn performed(performed: &Performed) -> String {
    let mut text = String::new();
    for wrong in performed.wrong.iter().take(SHOWN) {
        let _ = writeln!(text, "  ✗ {wrong}");
    }
    for outcome in performed.outcomes.iter().take(SHOWN) {
        let _ = writeln!(text, "  answer: {}", answer(outcome));
    }
    for seen in performed.seen.iter().take(SHOWN) {
        let (body, headers) = (String::from_utf8_lossy(&seen.body), &seen.headers);
        let line = format!("{} {} {headers:?} {}", seen.method, seen.uri, short(&body));
        let _ = writeln!(text, "  node {} saw: {line}", seen.node);
    }
    for line in performed.lines.iter().take(SHOWN) {
        let _ = writeln!(text, "  access log: {line}");
    }
    let left = performed.outcomes.len().saturating_sub(SHOWN);
    if left > 0 {
        let _ = writeln!(text, "  (and {left} more requests)");
    }
    text
}

fn answer(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => format!(
            "{} {:?} {}",
            answer.status,
            answer.headers,
            short(&answer.text())
        ),
        Err(error) => format!("none: {error}"),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
