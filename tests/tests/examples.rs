//! The examples below `deploy/examples`: every command of their READMEs, run as it is written, prints
//! what the README says. Only 127.0.0.1 is another loopback address here, since tests run side by
//! side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use weir_tests::address;
use weir_tests::commands::{Block, bash, blocks, checkout, start};
use weir_tests::process::Process;

/// How long a command may take to print what it should: a change reaches the agent soon after.
const LIMIT: Duration = Duration::from_secs(60);

fn copy(from: &Path, to: &Path, ip: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let to = to.join(name);
        if from.is_dir() {
            copy(&from, &to, ip);
            continue;
        }
        let text = std::fs::read_to_string(&from).unwrap();
        std::fs::write(&to, text.replace("127.0.0.1", ip)).unwrap();
        let permissions = std::fs::metadata(&from).unwrap().permissions();
        std::fs::set_permissions(&to, permissions).unwrap();
    }
}

/// Lines without the blanks that align them.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

fn run(dir: &Path, block: &Block, logs: &impl Fn() -> String) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let output = bash(dir, &block.script)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = block.prints.as_deref().unwrap_or(&printed);
        if output.status.success() && lines(&printed) == lines(expected) {
            return;
        }
        let (script, logs) = (&block.script, logs());
        assert!(
            Instant::now() < deadline,
            "{script}\nexpected:\n{expected}\n{output:?}\n{logs}"
        );
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn up(process: &mut Process) {
    let deadline = Instant::now() + LIMIT;
    while !process.output().contains("is up; Ctrl-C stops it") {
        let waits = process.runs() && Instant::now() < deadline;
        assert!(waits, "the example is not up: {}", process.output());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn example(name: &str) {
    let dir = tempfile::Builder::new()
        .prefix("weir-example-")
        .tempdir()
        .unwrap();
    checkout(dir.path(), &[]);
    let ip = address::fresh().to_string();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let examples = dir.path().join("deploy/examples");
    copy(&source, &examples, &ip);
    let readme = std::fs::read_to_string(examples.join(name).join("README.md")).unwrap();
    let (mut running, mut compared) = (Vec::new(), 0);
    for block in blocks(&readme) {
        if block.background {
            let mut process = start(dir.path(), &block.script, "run");
            up(&mut process);
            running.push(process);
        } else {
            run(dir.path(), &block, &|| {
                running.iter().map(Process::tail).collect()
            });
            compared += usize::from(block.prints.is_some());
        }
    }
    assert!(compared > 0, "{name} compares nothing");
    // Ctrl-C, as the README says.
    for mut process in running {
        process.signal_group("INT");
        process.wait(LIMIT);
    }
}

#[test]
fn microservices() {
    example("microservices");
}

#[test]
fn versioning() {
    example("versioning");
}

#[test]
fn canary() {
    example("canary");
}

#[test]
fn legacy() {
    example("legacy");
}

#[test]
fn streams() {
    example("streams");
}

#[test]
fn two_regions() {
    example("two-regions");
}

#[test]
fn serverless() {
    example("serverless");
}

#[test]
fn secure() {
    example("secure");
}

#[test]
fn fast() {
    example("fast");
}

#[test]
fn resilient() {
    example("resilient");
}
