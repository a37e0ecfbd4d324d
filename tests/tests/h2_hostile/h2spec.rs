//! The conformance suite h2spec, where it was built: `make h2spec`.

use std::net::SocketAddr;
use std::process::Command;

use tokio::net::{TcpListener, TcpStream};

use super::stage::Stage;

/// The names of the cases that fail, and the last line.
fn run(tool: &str, arguments: &[&str]) -> (Vec<String>, String) {
    let output = Command::new(tool)
        .args(["-S", "-o", "5", "-P", "/long"])
        .args(arguments)
        .output()
        .expect("h2spec runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut failed: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_once("\u{d7} ")?.1.split_once(": "))
        .map(|(_, name)| name.trim().to_owned())
        .collect();
    failed.sort();
    failed.dedup();
    (failed, text.lines().last().unwrap_or_default().to_owned())
}

/// Passes connections on, since a name is needed that means this machine.
async fn relay(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut agent = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut client, &mut agent).await
            });
        }
    });
    address
}

#[ignore = "needs h2spec: make h2spec"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2spec_passes() {
    let tool = std::env::var("H2SPEC").expect("H2SPEC names the program");
    let stage = Stage::start().await;
    let address = stage.clear.address;
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let relayed = relay(stage.tls.address).await.port().to_string();
    let done = tokio::task::spawn_blocking(move || {
        let clear = run(&tool, &["-h", &host, "-p", &port]);
        let tls = run(&tool, &["-h", "localhost", "-p", &relayed, "-t", "-k"]);
        [clear, tls]
    });
    let [clear, tls] = done.await.unwrap();
    println!("cleartext: {}\nTLS: {}", clear.1, tls.1);
    for (failed, summary) in [clear, tls] {
        assert_eq!(failed, Vec::<String>::new(), "{summary}");
        assert!(summary.starts_with("146 tests, 146 passed"), "{summary}");
    }
}
