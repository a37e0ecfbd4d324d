//! What a case came to, against what must come of it.

use super::corpus::{Case, Line, Want};
use super::recorder::{Seen, start};
use super::wire::{Outcome, Stop};
use weir_reader::Request;

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Safe, but not as the rules prefer.
    Loose,
    /// Something is left over: a connection, a node that waits, a refusal without a reason.
    Unclean,
    /// Two readings: a request too many, a broken one, or one that differs.
    Unsafe,
}

/// One difference.
#[derive(Debug, Clone)]
pub struct Problem {
    /// How bad it is.
    pub grade: Grade,
    /// What is different.
    pub text: String,
}

/// When the client of a case stops.
#[must_use]
pub fn stop(case: &Case) -> Stop {
    match &case.want {
        Want::Unfinished => Stop::AtOnce,
        Want::Refused(..) => Stop::After(usize::MAX),
        Want::Answered(_) => Stop::After(1),
        Want::Forwarded(_, statuses) => Stop::After(statuses.len()),
    }
}

/// Whether the client was told no by the gateway itself, so that the log must have a reason.
#[must_use]
pub fn is_refusal(case: &Case, outcome: &Outcome) -> bool {
    let last = outcome.answers.last().map_or(0, |last| last.head.status);
    matches!(case.want, Want::Refused(..)) && (400..500).contains(&last)
}

/// Judges a case by what the client got and the node saw.
#[must_use]
pub fn judge(case: &Case, outcome: &Outcome, seen: &[Seen]) -> Vec<Problem> {
    let mut verdict = Verdict(Vec::new());
    let whole = verdict.requests(case, seen);
    let got: Vec<u16> = outcome
        .answers
        .iter()
        .map(|answer| answer.head.status)
        .collect();
    if let Some((fault, bytes)) = &outcome.fault {
        let text = format!("the answer is malformed, {fault}: {}", start(bytes));
        verdict.add(Grade::Unclean, text);
    }
    if outcome.hung {
        verdict.add(Grade::Unclean, format!("nothing more came, after {got:?}"));
    }
    if outcome.torn > 0 && !matches!(case.want, Want::Unfinished) {
        verdict.add(
            Grade::Unclean,
            format!("{} bytes of a torn answer", outcome.torn),
        );
    }
    match &case.want {
        Want::Unfinished => {
            if !whole.is_empty() {
                verdict.add(
                    Grade::Unsafe,
                    "half a request reached the node whole".into(),
                );
            }
            if got.iter().any(|status| *status < 400) || got.len() > 1 {
                verdict.add(
                    Grade::Unsafe,
                    format!("half a request was answered with {got:?}"),
                );
            }
        }
        Want::Refused(before, statuses) => {
            verdict.refused(case, outcome, &got, &whole, (before, statuses));
        }
        Want::Forwarded(lines, statuses) => {
            let alternative = case.or.as_ref().filter(|or| same(or, &whole));
            if same(lines, &whole) && got == *statuses {
                verdict.fields(case, whole.last().copied());
            } else if case.or_refused && whole.is_empty() && is_refused(&got) {
                verdict.closed(outcome);
            } else if alternative.is_some() && got.len() <= statuses.len() {
                verdict.add(Grade::Loose, format!("answered with {got:?}"));
            } else {
                verdict.differs(&whole, lines, &got, statuses);
            }
        }
        Want::Answered(statuses) => {
            if !whole.is_empty() {
                verdict.add(Grade::Unsafe, format!("reached the node: {}", all(&whole)));
            }
            match got.as_slice() {
                [one] if statuses.contains(one) => {}
                _ => verdict.add(
                    Grade::Unclean,
                    format!("answered with {got:?} instead of one of {statuses:?}"),
                ),
            }
        }
    }
    verdict.0
}

fn is_refused(got: &[u16]) -> bool {
    matches!(got, [status] if (400..500).contains(status) || *status == 501 || *status == 505)
}

fn same(lines: &[Line], whole: &[&Request]) -> bool {
    lines.len() == whole.len()
        && lines.iter().zip(whole).all(|(line, request)| {
            line.method == request.head.method
                && line.target == request.head.target
                && line.body == request.body
        })
}

fn all(whole: &[&Request]) -> String {
    let requests = whole
        .iter()
        .map(|one| Seen::Whole((*one).clone()).to_string());
    requests.collect::<Vec<_>>().join(", ")
}

struct Verdict(Vec<Problem>);

impl Verdict {
    fn add(&mut self, grade: Grade, text: String) {
        self.0.push(Problem { grade, text });
    }

    /// The whole requests at the node. What is malformed there is a second reading in itself; one
    /// that broke off is none, where the client's own was refused in its body.
    fn requests<'s>(&mut self, case: &Case, seen: &'s [Seen]) -> Vec<&'s Request> {
        let mut whole = Vec::new();
        for one in seen {
            match one {
                Seen::Whole(request) => whole.push(request),
                Seen::Broken(_) if matches!(case.want, Want::Refused(..) | Want::Unfinished) => {}
                Seen::Broken(_) if case.or_refused => {}
                Seen::Broken(_) => self.add(Grade::Unclean, format!("at the node: {one}")),
                Seen::Fault(..) => self.add(Grade::Unsafe, format!("at the node: {one}")),
            }
        }
        whole
    }

    fn refused(
        &mut self,
        case: &Case,
        outcome: &Outcome,
        got: &[u16],
        whole: &[&Request],
        (before, statuses): (&[Line], &[u16]),
    ) {
        let wanted = before.len() + 1;
        if !same(before, whole) {
            let alternative = case.or.as_ref().is_some_and(|or| same(or, whole));
            let grade = if alternative {
                Grade::Loose
            } else {
                Grade::Unsafe
            };
            self.add(grade, format!("reached the node: {}", all(whole)));
            return;
        }
        if got.len() > wanted {
            self.add(Grade::Unsafe, format!("{wanted} answers became {got:?}"));
        }
        match got.last() {
            Some(last) if got.len() == wanted && statuses.contains(last) => {}
            Some(last) if got.len() == wanted && (400..600).contains(last) => self.add(
                Grade::Loose,
                format!("refused with {last} instead of one of {statuses:?}"),
            ),
            _ => self.add(Grade::Unclean, format!("no refusal came, but {got:?}")),
        }
        self.closed(outcome);
    }

    fn closed(&mut self, outcome: &Outcome) {
        if !outcome.closed {
            self.add(Grade::Unclean, "the connection was not closed".into());
        }
    }

    fn differs(&mut self, whole: &[&Request], lines: &[Line], got: &[u16], statuses: &[u16]) {
        // Fewer requests than there are is no second reading; more, or others, are.
        let fewer = whole.len() <= lines.len() && same(&lines[..whole.len()], whole);
        let more = got.len() > statuses.len();
        let grade = if fewer && !more {
            Grade::Unclean
        } else {
            Grade::Unsafe
        };
        let text = format!(
            "answered with {got:?} instead of {statuses:?}; at the node: {}",
            all(whole)
        );
        self.add(grade, text);
    }

    /// Fields and trailers of the last request.
    fn fields(&mut self, case: &Case, last: Option<&Request>) {
        let Some(last) = last else { return };
        let fields = &last.head.fields;
        for (name, wanted) in &case.sees {
            let found = fields.joined(name);
            if found != *wanted {
                self.add(Grade::Unsafe, format!("the node sees {name}: {found:?}"));
            }
        }
        for (name, unwanted) in &case.lacks {
            if fields.joined(name).as_deref() == Some(unwanted) {
                self.add(Grade::Unsafe, format!("the node sees {name}: {unwanted}"));
            }
        }
        for name in &case.has {
            if fields.joined(name).is_none() {
                self.add(Grade::Unsafe, format!("the node does not see {name}"));
            }
        }
        for (name, wanted) in &case.trailers {
            let found = last.trailers.joined(name);
            if found != *wanted {
                self.add(
                    Grade::Unsafe,
                    format!("the node sees the trailer {name}: {found:?}"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
