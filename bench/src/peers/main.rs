//! Whole requests beside other gateways: the same origin and the same clients, each gateway in its turn,
//! and what a request costs it. Each has one worker. Bounded in count and time; loopback only.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "it prints its figures, and a failure ends it"
)]

mod gateways;
mod load;

use std::time::Duration;

use http::Method;
use mimalloc::MiMalloc;
use weir_tests::percentiles::percentile;
use weir_tests::vitals::{Vitals, processor_time};

use gateways::{Bed, Gateway};
use load::{Case, Seen};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Turns of each gateway, of which the best counts: the machine is shared.
const TURNS: usize = 3;
/// How long one takes.
const TURN: Duration = Duration::from_secs(3);

const CASES: [Case; 4] = [
    Case {
        name: "GET 1 kB, 1 connection",
        method: Method::GET,
        path: "/small",
        body: 0,
        connections: 1,
    },
    Case {
        name: "GET 1 kB, 64 connections",
        method: Method::GET,
        path: "/small",
        body: 0,
        connections: 64,
    },
    Case {
        name: "GET 100 kB, 16 connections",
        method: Method::GET,
        path: "/large",
        body: 0,
        connections: 16,
    },
    Case {
        name: "POST 64 kB, 16 connections",
        method: Method::POST,
        path: "/take",
        body: 64_000,
        connections: 16,
    },
];

/// The best of some turns.
struct Best {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu: Duration,
}

impl Best {
    fn take(&mut self, mut seen: Seen, cpu: Duration) {
        let answers = u32::try_from(seen.times.len()).expect("bounded").max(1);
        self.per_second = self
            .per_second
            .max(f64::from(answers) / seen.elapsed.as_secs_f64());
        self.cpu = self.cpu.min(cpu / answers);
        self.p50 = self.p50.min(percentile(&mut seen.times, 50));
        self.p99 = self.p99.min(percentile(&mut seen.times, 99));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bed = Bed::start().await;
    println!(
        "{:<28} {:<9} {:>11} {:>9} {:>9} {:>16} {:>9}",
        "case", "gateway", "requests/s", "p50", "p99", "CPU per request", "resident"
    );
    for case in &CASES {
        for (gateway, best) in measure(bed.gateways(), case).await {
            println!(
                "{:<28} {:<9} {:>11.0} {:>9.2?} {:>9.2?} {:>16.1?} {:>5} MiB",
                case.name,
                gateway.name,
                best.per_second,
                best.p50,
                best.p99,
                best.cpu,
                Vitals::of(gateway.process).memory >> 10,
            );
        }
    }
}

async fn measure<'a>(gateways: &'a [Gateway], case: &Case) -> Vec<(&'a Gateway, Best)> {
    let none = || Best {
        per_second: 0.0,
        p50: Duration::MAX,
        p99: Duration::MAX,
        cpu: Duration::MAX,
    };
    let mut all: Vec<_> = gateways.iter().map(|gateway| (gateway, none())).collect();
    for _ in 0..TURNS {
        for (gateway, best) in &mut all {
            let before = processor_time(gateway.process);
            let seen = load::run(gateway.address, case, TURN).await;
            best.take(seen, processor_time(gateway.process) - before);
        }
    }
    all
}
