use proptest::prelude::*;

use super::*;

const GOOD: Outcome = Outcome {
    failed: false,
    slow: false,
};
const BAD: Outcome = Outcome {
    failed: true,
    slow: false,
};
const SLOW: Outcome = Outcome {
    failed: false,
    slow: true,
};

fn rules() -> Rules {
    Rules {
        window: at(10),
        minimum: 4,
        error_rate: Some(50.0),
        consecutive: None,
        slow_rate: None,
        open: at(5),
        probes: 2,
    }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One request that is let through and told at once.
fn one(circuit: &mut Circuit, now: Duration, outcome: Outcome, rules: &Rules) -> bool {
    let pass = circuit.admit(now, rules);
    pass.is_some_and(|pass| {
        circuit.told(pass, outcome, now, rules);
        true
    })
}

fn opens(rules: &Rules, outcomes: &[(u64, Outcome)]) -> bool {
    let mut circuit = Circuit::default();
    for (second, outcome) in outcomes {
        one(&mut circuit, at(*second), *outcome, rules);
    }
    let last = outcomes.last().map_or(0, |(second, _)| *second);
    circuit.admit(at(last), rules).is_none()
}

#[test]
fn it_opens_at_the_rate_once_there_are_enough_requests() {
    let rules = rules();
    assert!(!opens(&rules, &[(0, BAD), (0, BAD), (0, BAD)]));
    assert!(opens(&rules, &[(0, BAD), (0, GOOD), (0, BAD), (0, GOOD)]));
    assert!(!opens(&rules, &[(0, BAD), (0, GOOD), (0, GOOD), (0, GOOD)]));
}

#[test]
fn what_lies_behind_the_window_does_not_count() {
    let rules = rules();
    assert!(opens(&rules, &[(1, BAD), (1, BAD), (1, BAD), (9, BAD)]));
    assert!(!opens(&rules, &[(1, BAD), (1, BAD), (1, BAD), (12, BAD)]));
    assert!(!opens(&rules, &[(1, BAD), (1, BAD), (1, BAD), (900, BAD)]));
}

#[test]
fn failures_in_a_row_open_it_without_a_minimum() {
    let rules = Rules {
        consecutive: Some(2),
        error_rate: None,
        ..rules()
    };
    assert!(!opens(&rules, &[(0, BAD), (0, GOOD), (0, BAD)]));
    assert!(opens(&rules, &[(0, GOOD), (0, BAD), (0, BAD)]));
}

#[test]
fn slow_requests_open_it_by_their_share() {
    let rules = Rules {
        slow_rate: Some(75.0),
        error_rate: None,
        ..rules()
    };
    assert!(!opens(
        &rules,
        &[(0, SLOW), (0, SLOW), (0, GOOD), (0, GOOD)]
    ));
    assert!(opens(&rules, &[(0, SLOW), (0, SLOW), (0, SLOW), (0, GOOD)]));
}

fn opened(rules: &Rules) -> Circuit {
    let mut circuit = Circuit::default();
    for _ in 0..4 {
        one(&mut circuit, at(0), BAD, rules);
    }
    assert_eq!(circuit.admit(at(4), rules), None);
    circuit
}

#[test]
fn half_open_lets_so_many_through_and_closes_when_all_succeed() {
    let rules = rules();
    let mut circuit = opened(&rules);
    let (one, two) = (circuit.admit(at(5), &rules), circuit.admit(at(5), &rules));
    assert_eq!(circuit.admit(at(5), &rules), None);
    assert_eq!(circuit.told(one.unwrap(), GOOD, at(6), &rules), None);
    // The one that is over leaves no place: it counts as one of the two.
    assert_eq!(circuit.admit(at(6), &rules), None);
    let change = circuit.told(two.unwrap(), GOOD, at(6), &rules);
    assert_eq!(change, Some(Change::Closed));
    assert!(circuit.admit(at(6), &rules).is_some());
}

#[test]
fn half_open_opens_again_at_the_first_failure() {
    let rules = rules();
    let mut circuit = opened(&rules);
    let (one, two) = (circuit.admit(at(5), &rules), circuit.admit(at(5), &rules));
    let change = circuit.told(one.unwrap(), BAD, at(6), &rules);
    assert_eq!(change, Some(Change::Opened));
    // What the other one tells belongs to another life.
    assert_eq!(circuit.told(two.unwrap(), GOOD, at(6), &rules), None);
    assert_eq!(circuit.admit(at(10), &rules), None);
    assert!(circuit.admit(at(11), &rules).is_some());
}

#[test]
fn a_slow_probe_is_a_failed_one_where_slowness_matters() {
    let mut rules = rules();
    for (slow_rate, expected) in [(None, None), (Some(100.0), Some(Change::Opened))] {
        rules.slow_rate = slow_rate;
        let mut circuit = opened(&rules);
        let pass = circuit.admit(at(5), &rules).unwrap();
        assert_eq!(circuit.told(pass, SLOW, at(5), &rules), expected);
    }
}

#[test]
fn a_probe_whose_client_leaves_gives_its_place_back() {
    let rules = rules();
    let mut circuit = opened(&rules);
    let one = circuit.admit(at(5), &rules).unwrap();
    circuit.admit(at(5), &rules).unwrap();
    circuit.abandoned(one);
    assert!(circuit.admit(at(5), &rules).is_some());
    assert_eq!(circuit.admit(at(5), &rules), None);
}

#[test]
fn what_was_let_through_before_it_opened_does_not_count_after() {
    let rules = rules();
    let mut circuit = Circuit::default();
    let early = circuit.admit(at(0), &rules).unwrap();
    for _ in 0..4 {
        one(&mut circuit, at(0), BAD, &rules);
    }
    circuit.admit(at(5), &rules).unwrap();
    assert_eq!(circuit.told(early, BAD, at(5), &rules), None);
    circuit.abandoned(early);
    assert!(circuit.admit(at(5), &rules).is_some());
    assert_eq!(circuit.admit(at(5), &rules), None);
}

proptest! {
    /// Whatever happens, half open never has more requests under way than it may, and a circuit
    /// that is only told good things ends up closed.
    #[test]
    fn it_never_gets_stuck(steps in prop::collection::vec((0_u64..4, 0_u8..4), 1..200)) {
        let rules = rules();
        let mut circuit = Circuit::default();
        let (mut now, mut open) = (Duration::ZERO, Vec::new());
        for (gap, what) in steps {
            now += at(gap);
            match (what, open.pop()) {
                (0, pass) => {
                    open.extend(pass);
                    open.extend(circuit.admit(now, &rules));
                }
                (1, Some(pass)) => circuit.abandoned(pass),
                (what, Some(pass)) => {
                    let outcome = if what == 2 { BAD } else { GOOD };
                    circuit.told(pass, outcome, now, &rules);
                }
                (_, None) => {}
            }
            if let State::HalfOpen { under_way, succeeded, .. } = circuit.state {
                prop_assert!(under_way + succeeded <= rules.probes);
            }
        }
        for pass in open {
            circuit.abandoned(pass);
        }
        now += at(100);
        for _ in 0..20 {
            one(&mut circuit, now, GOOD, &rules);
        }
        prop_assert_eq!(circuit.state, State::Closed);
    }
}
