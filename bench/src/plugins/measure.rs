//! CPU time and instructions of one case.

use std::process::Command;

use crate::cases::Case;

/// Milliseconds of CPU that one pass takes, about.
const PASS_MS: u64 = 40;
/// Passes, of which the fastest counts.
const PASSES: usize = 15;
/// Requests of the two runs whose difference `perf` counts.
const COUNTED: [u64; 2] = [2_000, 12_000];

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
pub(crate) fn child(name: &str, counts: bool) -> String {
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
    let instructions = if counts {
        let [few, many] = COUNTED.map(|times| instructions(&[name, &times.to_string()]));
        match (few, many) {
            (Some(few), Some(many)) => {
                let requests =
                    COUNTED.iter().max().unwrap_or(&1) - COUNTED.iter().min().unwrap_or(&0);
                (many.saturating_sub(few) / requests).to_string()
            }
            _ => "-".to_owned(),
        }
    } else {
        "-".to_owned()
    };
    format!("{text} {instructions:>21}")
}

/// Whether `perf` is there, and this machine lets it count.
pub(crate) fn counts_instructions() -> bool {
    instructions(&["no plugin", "1"]).is_some()
}

/// Instructions in user mode that this program takes with these arguments.
fn instructions(arguments: &[&str]) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", "instructions:u", "--"])
        .arg(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("instructions"))?;
    line.split(',').next()?.parse().ok()
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
