use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response, Step};

use super::FaultInjection;
use crate::tests::{plugin, refusal};

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    Delayed(u64),
    Answered(u64, Box<Response>),
}

/// What becomes of requests, one after the other; random numbers are 0, 1, 2 and so on.
fn outcomes(config: &Value, targets: &[&str]) -> Vec<Outcome> {
    let (plugin, host) = (plugin::<FaultInjection>(config.clone()), FakeHost::shared());
    let outcomes = targets.iter().map(|target| {
        let mut context = request(target).context(host.clone());
        let ms = |time: Duration| time.as_millis() as u64;
        match plugin.rewrite(&mut context) {
            Step::Continue => Outcome::Passed,
            Step::Delay(time) => Outcome::Delayed(ms(time)),
            Step::Respond(answer) => Outcome::Answered(0, answer),
            Step::RespondAfter(time, answer) => Outcome::Answered(ms(time), answer),
            Step::Wait(_) | Step::ReadBody => panic!("it never waits"),
        }
    });
    outcomes.collect()
}

fn outcome(config: Value, target: &str) -> Outcome {
    outcomes(&config, &[target]).remove(0)
}

fn answer(delay: u64, response: Response) -> Outcome {
    Outcome::Answered(delay, Box::new(response))
}

#[test]
fn an_abort_answers_with_what_it_says() {
    let config = json!({"abort": {
        "http_status": 418,
        "body": "no tea for $arg_who",
        "headers": {"X-Who": "$arg_who", "X-N": 5},
    }});
    let expected = Response::text(StatusCode::IM_A_TEAPOT, "no tea for me")
        .with_header("x-who".parse().unwrap(), "me".parse().unwrap())
        .with_header("x-n".parse().unwrap(), "5".parse().unwrap());
    assert_eq!(outcome(config, "/?who=me"), answer(0, expected));
}

#[test]
fn an_abort_without_body_is_the_page_of_the_status_and_an_empty_one_is_empty() {
    let page = outcome(json!({"abort": {"http_status": 500}}), "/");
    assert_eq!(
        page,
        answer(0, Response::page(StatusCode::INTERNAL_SERVER_ERROR))
    );
    let empty = outcome(json!({"abort": {"http_status": 500, "body": ""}}), "/");
    let Outcome::Answered(0, empty) = empty else {
        panic!("{empty:?}");
    };
    assert_eq!(empty.body, Body::Text("".into()));
}

#[test]
fn a_delay_comes_before_an_abort() {
    let config = json!({"delay": {"duration": 1.5}});
    assert_eq!(outcome(config, "/"), Outcome::Delayed(1500));
    let both = json!({"delay": {"duration": 0.25}, "abort": {"http_status": 204, "body": ""}});
    let expected = Response::text(StatusCode::NO_CONTENT, "");
    assert_eq!(outcome(both, "/"), answer(250, expected));
}

#[test]
fn a_share_is_hit() {
    let hits = |percentage: u64| {
        let config = json!({"delay": {"duration": 1, "percentage": percentage}});
        let outcomes = outcomes(&config, &["/"; 200]);
        outcomes
            .iter()
            .filter(|outcome| **outcome != Outcome::Passed)
            .count()
    };
    assert_eq!([hits(0), hits(1), hits(50), hits(100)], [0, 2, 100, 200]);
}

#[test]
fn one_of_the_expressions_is_enough() {
    let vars = json!([
        [["arg_a", "==", "1"], ["arg_b", "==", "1"]],
        [["arg_c", "==", "1"]]
    ]);
    let config = json!({"delay": {"duration": 1, "vars": vars}});
    let targets = ["/?a=1&b=1", "/?a=1", "/?c=1", "/"];
    let hit = Outcome::Delayed(1000);
    let hits: Vec<_> = outcomes(&config, &targets)
        .iter()
        .map(|o| *o == hit)
        .collect();
    assert_eq!(hits, [true, false, true, false]);
    // None of no expressions holds.
    let config = json!({"delay": {"duration": 1, "vars": []}});
    assert_eq!(outcome(config, "/"), Outcome::Passed);
}

#[test]
fn a_value_cannot_end_a_header_line() {
    let config = json!({"abort": {"http_status": 200, "headers": {"X-A": "$arg_a"}}});
    let Outcome::Answered(_, answer) = outcome(config, "/?a=1%0D%0AX-B:%202") else {
        panic!("it passed");
    };
    assert_eq!(answer.headers[0].1, "1%0D%0AX-B: 2");
}

#[test]
fn what_cannot_work_is_refused() {
    for (config, expected) in [
        (
            json!({"abort": {"http_status": 1000}}),
            "abort.http_status must be a status of 200 to 999, got 1000",
        ),
        (
            json!({"abort": {"http_status": 200, "headers": {"a b": "c"}}}),
            "invalid field character in header (abort.headers[\"a b\"])",
        ),
        (
            json!({"delay": {"duration": 1e300}}),
            "delay.duration is too long, got 1e300",
        ),
    ] {
        assert!(
            refusal::<FaultInjection>(config).starts_with(expected),
            "{expected}"
        );
    }
    let text =
        refusal::<FaultInjection>(json!({"delay": {"duration": 1, "vars": [[["a", "~~", "("]]]}}));
    assert!(
        text.starts_with("failed to validate the 'vars' expression"),
        "{text}"
    );
    assert!(text.ends_with("(delay.vars[0])"), "{text}");
    for config in [
        json!({}),
        json!({"abort": {}}),
        json!({"delay": {}}),
        json!({"abort": {"http_status": 199}}),
        json!({"abort": {"http_status": 200, "percentage": 101}}),
        json!({"abort": {"http_status": 200, "percentage": -1}}),
        json!({"abort": {"http_status": 200, "headers": {}}}),
        json!({"abort": {"http_status": 200, "headers": {"a": []}}}),
        json!({"delay": {"duration": -0.1}}),
        json!({"delay": {"duration": 1, "vars": vec![json!([]); 21]}}),
        json!({"delay": {"duration": 1, "vars": [1]}}),
    ] {
        assert!(
            !refusal::<FaultInjection>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
