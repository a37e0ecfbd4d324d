//! Measures matching and compilation at growing numbers of routes. Bounded in count; prints one
//! table. What a whole request costs is not measured here yet.
//!
//! Each number of routes is measured in a process of its own, so that memory which an earlier one
//! gave back does not count.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod measure;
mod memory;
mod requests;
mod routes;

use std::process::{Command, ExitCode};

use mimalloc::MiMalloc;

// As in the binary: where memory lies decides what a lookup costs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Numbers of routes.
const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];

fn main() -> ExitCode {
    let size = std::env::args().nth(1);
    match size.map(|size| size.parse()) {
        Some(Ok(size)) => println!("{}", measure::row(size)),
        Some(Err(_)) => {
            println!("expected a number of routes, or nothing");
            return ExitCode::FAILURE;
        }
        None => {
            println!("{}", measure::HEADER);
            for size in SIZES {
                if !child(size) {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

/// Measures in another process, which prints its row.
fn child(size: usize) -> bool {
    let program = std::env::current_exe();
    let status = program.and_then(|program| Command::new(program).arg(size.to_string()).status());
    status.is_ok_and(|status| status.success())
}
