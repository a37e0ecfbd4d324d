//! CPU time of one case.

use std::process::Command;

use crate::cases::Case;
use crate::count::Counter;

/// Milliseconds of CPU that one pass takes, about.
const PASS_MS: u64 = 40;
/// Passes, of which the fastest counts.
const PASSES: usize = 15;
/// Names of the columns of [`row`].
pub(crate) const HEADER: &str =
    "case                                 ns of CPU/request  instructions/request";

/// Measures a case in this process.
pub(crate) fn row(case: &Case) -> String {
    let mut run = case.prepare();
    let times = calibrate(&mut run);
    let fastest = (0..PASSES).map(|_| pass(&mut run, times)).min();
    let per_request = fastest.unwrap_or_default() as f64 / times as f64;
    format!("{:<36} {per_request:>17.0}", case.name)
}

/// Measures a case in another process.
pub(crate) fn child(name: &str, counter: Option<Counter>) -> String {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(&program).arg(name).output();
    let output = output.expect("this program can be run");
    let text = String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned();
    if !output.status.success() {
        return format!(
            "{name:<36} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let ns = text.split_whitespace().next_back();
    let ns = ns.and_then(|ns| ns.parse().ok()).unwrap_or_default();
    let instructions = counter.and_then(|counter| counter.count(name, ns));
    let instructions = instructions.map_or_else(|| "-".to_owned(), |count| count.to_string());
    format!("{text} {instructions:>21}")
}

/// So many requests that a pass takes long enough to be measured.
fn calibrate(run: &mut dyn FnMut()) -> u64 {
    let mut times = 1;
    loop {
        let took = pass(run, times);
        if took > PASS_MS * 1_000_000 / 4 || times > 1 << 24 {
            return (times * PASS_MS * 1_000_000 / took.max(1)).max(1);
        }
        times *= 4;
    }
}

/// Nanoseconds of CPU that so many requests take.
fn pass(run: &mut dyn FnMut(), times: u64) -> u64 {
    let before = cpu("thread-self");
    for _ in 0..times {
        run();
    }
    cpu("thread-self").saturating_sub(before)
}

/// Nanoseconds of CPU that a process (or this thread) has used, as Linux counts them.
pub(crate) fn cpu(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat"));
    let text = text.unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|text| text.parse().ok()).unwrap_or_default()
}
