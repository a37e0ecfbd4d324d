//! The command line, run as an operator would.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::cluster::KEY;
use crate::process::weir_binary;

/// Runs `weir ARGS` against `server` with the test key and `input` on stdin.
pub fn weir(server: &str, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(weir_binary())
        .args(args)
        .env("WEIR_SERVER", server)
        .env("WEIR_ADMIN_KEY", KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the CLI");
    let mut stdin = child.stdin.take().expect("stdin");
    // A command that does not read its input closes the pipe: not an error of the test.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the CLI ends")
}

/// [`weir`] that must succeed; returns stdout.
pub fn weir_ok(server: &str, args: &[&str], input: &str) -> String {
    let output = weir(server, args, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "weir {args:?}: {} {stderr}",
        output.status
    );
    String::from_utf8(output.stdout).expect("stdout is text")
}
