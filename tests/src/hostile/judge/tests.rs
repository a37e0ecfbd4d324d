//! The judge is shown planted faults, each of which it must find.

use std::collections::BTreeMap;

use weir_reader::Read;

use super::*;

fn case(want: Want) -> Case {
    Case {
        id: "planted".into(),
        send: Vec::new(),
        asked: "GET".into(),
        want,
        or: None,
        or_refused: false,
        sees: vec![("x-a".into(), None)],
        lacks: BTreeMap::new(),
        has: Vec::new(),
        trailers: Vec::new(),
    }
}

fn line(target: &str) -> Line {
    Line {
        method: "GET".into(),
        target: target.into(),
        body: Vec::new(),
    }
}

fn saw(target: &str, field: &str) -> Seen {
    let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n");
    match weir_reader::request(bytes.as_bytes()) {
        Read::Whole(request, _) => Seen::Whole(request),
        other => panic!("{other:?}"),
    }
}

fn outcome(statuses: &[u16], closed: bool) -> Outcome {
    let answer = |status: &u16| {
        let bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        weir_reader::response(bytes.as_bytes(), "GET", true)
            .whole()
            .unwrap()
            .0
    };
    Outcome {
        answers: statuses.iter().map(answer).collect(),
        closed,
        ..Outcome::default()
    }
}

fn worst(want: Want, outcome: &Outcome, seen: &[Seen]) -> Option<Grade> {
    let problems = judge(&case(want), outcome, seen);
    problems.iter().map(|problem| problem.grade).max()
}

#[test]
fn a_refusal_is_judged() {
    let refused = || Want::Refused(Vec::new(), vec![400]);
    assert_eq!(worst(refused(), &outcome(&[400], true), &[]), None);
    let planted = [
        (outcome(&[400], false), vec![], Grade::Unclean),
        (outcome(&[], true), vec![], Grade::Unclean),
        (outcome(&[404], true), vec![], Grade::Loose),
        (outcome(&[200], true), vec![saw("/p", "")], Grade::Unsafe),
        (outcome(&[400, 200], true), vec![], Grade::Unsafe),
        (
            outcome(&[400], true),
            vec![Seen::Fault("planted", Vec::new())],
            Grade::Unsafe,
        ),
    ];
    for (number, (outcome, seen, grade)) in planted.iter().enumerate() {
        assert_eq!(worst(refused(), outcome, seen), Some(*grade), "{number}");
    }
}

#[test]
fn what_is_forwarded_is_judged() {
    let forwarded = || Want::Forwarded(vec![line("/p")], vec![200]);
    assert_eq!(
        worst(forwarded(), &outcome(&[200], false), &[saw("/p", "")]),
        None
    );
    let planted = [
        (outcome(&[200], false), vec![saw("/q", "")], Grade::Unsafe),
        (
            outcome(&[200], false),
            vec![saw("/p", ""), saw("/p", "")],
            Grade::Unsafe,
        ),
        (
            outcome(&[200, 200], false),
            vec![saw("/p", "")],
            Grade::Unsafe,
        ),
        (
            outcome(&[200], false),
            vec![saw("/p", "X-A: 1\r\n")],
            Grade::Unsafe,
        ),
        (outcome(&[502], false), vec![], Grade::Unclean),
    ];
    for (number, (outcome, seen, grade)) in planted.iter().enumerate() {
        assert_eq!(worst(forwarded(), outcome, seen), Some(*grade), "{number}");
    }
}

#[test]
fn half_a_request_is_judged() {
    assert_eq!(
        worst(
            Want::Unfinished,
            &outcome(&[], true),
            &[Seen::Broken(vec![1])]
        ),
        None
    );
    let whole = worst(Want::Unfinished, &outcome(&[200], true), &[saw("/p", "")]);
    assert_eq!(whole, Some(Grade::Unsafe));
}
