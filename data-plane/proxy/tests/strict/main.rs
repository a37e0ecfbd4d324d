//! Differential tests: the product's parsers and a second strict reader, over generated and bent
//! input in arbitrary pieces, read the same messages.
//!
//! `make test` runs [`CASES`] of each; `make soak` runs the ignored tests for `WEIR_SOAK_SECONDS`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod agree;
mod inputs;

use std::time::{Duration, Instant};

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Cases of each property in `make test`.
const CASES: u32 = 30_000;

/// Runs a law over so many inputs.
fn hold<S: Strategy>(cases: u32, inputs: &S, law: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(inputs, |input| {
        law(input);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn requests(cases: u32) {
    let inputs = (inputs::requests(), inputs::sizes());
    hold(cases, &inputs, |(input, sizes)| {
        agree::request_head(&input, &sizes)
    });
}

fn answers(cases: u32) {
    let asked = prop_oneof![Just(Method::GET), Just(Method::HEAD)];
    let inputs = (inputs::answers(), asked, inputs::sizes());
    hold(cases, &inputs, |(input, asked, sizes)| {
        agree::response_head(&input, &asked, &sizes);
    });
}

fn chunks(cases: u32) {
    let inputs = (inputs::chunks(), inputs::sizes());
    hold(cases, &inputs, |(input, sizes)| {
        agree::chunked(&input, &sizes)
    });
}

fn paths(cases: u32) {
    hold(cases, &inputs::paths(), |raw| agree::path(&raw));
}

#[test]
fn heads_of_requests_are_read_alike() {
    requests(CASES);
}

#[test]
fn heads_of_answers_are_read_alike() {
    answers(CASES);
}

#[test]
fn chunks_are_read_alike() {
    chunks(CASES);
}

#[test]
fn paths_mean_the_same() {
    paths(CASES);
}

#[test]
#[ignore = "make soak"]
fn soak_parsers_and_second_reader_agree() {
    let seconds = std::env::var("WEIR_SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(60));
    let mut cases: u64 = 0;
    for law in [requests, answers, chunks, paths].into_iter().cycle() {
        if Instant::now() > until {
            break;
        }
        law(CASES / 10);
        cases += u64::from(CASES / 10);
    }
    println!("{cases} inputs without a disagreement");
}
