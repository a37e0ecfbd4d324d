//! Measures what plugins add to a request: one at a time, in chains of five and ten, and next to the
//! bare work or to nginx. Bounded in count; prints one table.
//!
//! Each case is measured in a process of its own. Where something can count instructions (`perf stat`,
//! else callgrind), their number is told too.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot be set up says why and ends"
)]

mod bare;
mod bed;
mod cases;
mod count;
mod measure;
mod nginx;

use std::process::ExitCode;

use mimalloc::MiMalloc;

use count::Counter;

// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        // A case in this process, so many times, or as often as each line says that comes in: what is
        // counted from outside.
        (Some(name), Some(times)) => {
            let case = cases::find(&name).expect("the name of a case");
            let mut run = case.prepare();
            let mut run = |times: &str| {
                let times: u64 = times.parse().expect("a number of requests");
                (0..times).for_each(|_| run());
            };
            if times == "-" {
                println!("ready");
                for times in std::io::stdin().lines() {
                    run(times.expect("a line").trim());
                    println!("done");
                }
            } else {
                run(&times);
            }
        }
        (Some(name), None) => match cases::find(&name) {
            Some(case) => println!("{}", measure::row(&case)),
            None => {
                println!("expected the name of a case, or nothing");
                return ExitCode::FAILURE;
            }
        },
        (None, _) => {
            let counter = Counter::find();
            println!(
                "{}",
                counter.map_or("instructions: nothing here can count them", Counter::note)
            );
            println!("{}", measure::HEADER);
            for case in cases::all() {
                println!("{}", measure::child(case.name, counter));
            }
            println!("{}", nginx::compare());
        }
    }
    ExitCode::SUCCESS
}
