//! Real servers that observing plugins report to: Kafka and Zipkin.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::Value;

use super::{STARTS_WITHIN, script, well};
use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// A port that is free, with the two behind it.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = first.local_addr().expect("address").port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if port < 60_000 && is_free(port + 1) && is_free(port + 2) {
            return port;
        }
    }
}

/// One broker. It listens at `port` without a login, and at `port + 2` with one.
pub struct Kafka {
    /// Its port.
    pub port: u16,
    dir: PathBuf,
    process: Process,
}

impl Kafka {
    /// User of the login.
    pub const USER: &'static str = "weir";
    /// Password of the login.
    pub const PASSWORD: &'static str = "weir-test";

    /// Starts it, and waits until it can be connected to.
    pub async fn start(dir: &Path) -> Self {
        let port = free_ports();
        let kafka = Self {
            port,
            dir: dir.to_owned(),
            process: Self::spawn(port, dir),
        };
        kafka.ready().await;
        kafka
    }

    fn spawn(port: u16, dir: &Path) -> Process {
        let mut command = script("kafka.sh");
        command.arg(dir.join("kafka")).arg(port.to_string());
        Process::start("kafka", command, dir)
    }

    async fn ready(&self) {
        let port = self.port;
        until("Kafka listens", STARTS_WITHIN, || async move {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with what it had.
    pub async fn restart(&mut self) {
        self.process = Self::spawn(self.port, &self.dir);
        self.ready().await;
    }

    /// The first messages of a topic.
    pub async fn read(&self, topic: &str, count: usize) -> Vec<String> {
        let mut command = script("kafka.sh");
        command.args(["--read", &self.port.to_string(), topic, &count.to_string()]);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("no panic").expect("the reader runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(ToOwned::to_owned).collect()
    }
}

/// One Zipkin.
pub struct Zipkin {
    port: u16,
    client: Client,
    dir: PathBuf,
    process: Process,
}

impl Zipkin {
    /// Starts it, and waits until it answers.
    pub async fn start(dir: &Path) -> Self {
        let port = free_ports();
        let zipkin = Self {
            port,
            client: Client::default(),
            dir: dir.to_owned(),
            process: Self::spawn(port, dir),
        };
        zipkin.ready().await;
        zipkin
    }

    fn spawn(port: u16, dir: &Path) -> Process {
        let mut command = script("zipkin.sh");
        command.arg(dir.join("zipkin")).arg(port.to_string());
        Process::start("zipkin", command, dir)
    }

    async fn ready(&self) {
        let url = format!("http://127.0.0.1:{}/health", self.port);
        well("Zipkin answers", &url).await;
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with nothing of before.
    pub async fn restart(&mut self) {
        self.process = Self::spawn(self.port, &self.dir);
        self.ready().await;
    }

    /// Where spans are posted.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/api/v2/spans", self.port)
    }

    /// The spans of a trace; none when it is not known.
    pub async fn trace(&self, id: &str) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/trace/{id}", self.port);
        let answer = self.client.send(Method::GET, &url, &[], "").await;
        serde_json::from_str(&answer.text()).unwrap_or_default()
    }
}
