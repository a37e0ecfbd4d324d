//! Measures what plugins add to a request: one at a time, in chains of five and ten, and next to the
//! bare work or to nginx. Bounded in count; prints one table.
//!
//! Each case is measured in a process of its own. Where the machine counts instructions for us
//! (`perf stat`), their number is told too.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot be set up says why and ends"
)]

mod bare;
mod bed;
mod cases;
mod measure;
mod nginx;

use std::process::ExitCode;

use mimalloc::MiMalloc;

// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        // A case in this process, so many times: what `perf stat` counts.
        (Some(name), Some(times)) => {
            let case = cases::find(&name).expect("the name of a case");
            let times = times.parse().expect("a number of requests");
            let mut run = case.prepare();
            (0..times).for_each(|_| run());
        }
        (Some(name), None) => match cases::find(&name) {
            Some(case) => println!("{}", measure::row(&case)),
            None => {
                println!("expected the name of a case, or nothing");
                return ExitCode::FAILURE;
            }
        },
        (None, _) => {
            let counts = measure::counts_instructions();
            if !counts {
                println!(
                    "perf cannot count instructions here, so CPU time is all that is measured"
                );
            }
            println!("{}", measure::HEADER);
            for case in cases::all() {
                println!("{}", measure::child(case.name, counts));
            }
            println!("{}", nginx::compare());
        }
    }
    ExitCode::SUCCESS
}
