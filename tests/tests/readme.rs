//! The README's commands, executed as they are written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use weir_tests::commands::{Block, bash, checkout, start};
use weir_tests::process::Process;

/// Runnable blocks below a heading.
fn blocks(readme: &str, heading: &str) -> Vec<Block> {
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap();
    let found = weir_tests::commands::blocks(section);
    assert!(!found.is_empty(), "{heading} has no commands");
    found
}

/// Runs a block until it succeeds: servers started just before need a moment.
fn run(dir: &Path, script: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let output: Output = bash(dir, script).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !text.contains("404 Route Not Found") {
            return text;
        }
        assert!(Instant::now() < deadline, "{script}\n{output:?}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// Waits until a started block says that it is up, as a reader would.
fn up(process: &Process) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let says = [
        "weir dev is up",
        "control node started",
        "following control node",
    ];
    while !says.iter().any(|text| process.output().contains(text)) {
        assert!(Instant::now() < deadline, "not up: {}", process.output());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn section(heading: &str) -> (tempfile::TempDir, Vec<Process>, Vec<(String, String)>) {
    let readme = include_str!("../../README.md");
    let dir = tempfile::Builder::new()
        .prefix("weir-readme-")
        .tempdir()
        .unwrap();
    checkout(dir.path(), &["Makefile"]);
    let (mut running, mut outputs) = (Vec::new(), Vec::new());
    for (index, block) in blocks(readme, heading).into_iter().enumerate() {
        if block.background {
            let process = start(dir.path(), &block.script, &format!("block-{index}"));
            up(&process);
            running.push(process);
        } else {
            let output = run(dir.path(), &block.script);
            outputs.push((block.script, output));
        }
    }
    (dir, running, outputs)
}

/// Ctrl-C: the terminal sends it to the whole process group. `make` itself then ends with an error,
/// so a clean stop shows in what `weir` says.
fn stop(mut running: Vec<Process>) {
    for process in running.iter_mut().rev() {
        process.signal_group("INT");
        process.wait(Duration::from_secs(30));
        let output = process.output();
        assert!(
            output.contains("stopped"),
            "not a clean stop: {}",
            process.tail()
        );
        assert!(!output.contains("panicked"), "{output}");
    }
}

/// One test for both sections: they use the same default ports.
#[test]
fn the_commands_of_the_readme_work_as_written() {
    let (dir, running, outputs) = section("Quick start");
    let output = |part: &str| {
        let found = outputs.iter().find(|(script, _)| script.contains(part));
        found
            .map(|(_, output)| output.as_str())
            .unwrap_or_else(|| panic!("no command {part}"))
    };
    assert!(
        output("/demo/hello").contains("HTTP/1.1 200"),
        "{}",
        output("/demo/hello")
    );
    assert!(
        output("get routes").contains("demo"),
        "{}",
        output("get routes")
    );

    // The three commands that `weir dev` prints work when pasted.
    let printed = running[0].output();
    let pasted: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ "))
        .collect();
    assert_eq!(pasted.len(), 3, "{printed}");
    for command in pasted {
        run(dir.path(), command);
    }
    stop(running);

    // A second start finds all data again.
    let again = start(dir.path(), "make run", "again");
    let answer = run(dir.path(), "curl -sS -f http://127.0.0.1:9080/demo/again");
    assert!(!answer.is_empty());
    stop(vec![again]);
    drop(dir);

    let (dir, running, outputs) = section("Three control nodes");
    let (script, mut output) = outputs.into_iter().next_back().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Three voters that are reachable, and the agent.
    let voters = |output: &str| {
        output
            .lines()
            .filter(|line| line.matches(" yes ").count() == 2)
            .count()
    };
    let settled = |output: &str| output.contains("edge-1") && voters(output) == 3;
    while !settled(&output) {
        assert!(Instant::now() < deadline, "{output}");
        output = run(dir.path(), &script);
    }
    stop(running);
}
