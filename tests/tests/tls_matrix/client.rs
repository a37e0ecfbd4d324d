//! `openssl s_client`, as a client that sends one request.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_tests::Agent;

/// How long one exchange may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Connects with `arguments`, asks for `path` of `host`, and returns all that openssl printed.
pub(crate) fn openssl(agent: &Agent, arguments: &[&str], host: &str, path: &str) -> String {
    let mut child = Command::new("timeout")
        .arg(LIMIT.as_secs().to_string())
        .args(["openssl", "s_client", "-connect"])
        .arg(format!("{}:9443", agent.ip))
        .arg("-ign_eof")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut input = child.stdin.take().unwrap();
    // A client that was refused does not take it.
    let _ = input.write_all(request.as_bytes());
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}
