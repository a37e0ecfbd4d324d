//! A real Redis.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::address;
use crate::process::Process;
use crate::wait::until;

/// Port of the servers.
pub const PORT: u16 = 6379;

/// `redis-server` on an address of its own. Nothing is kept on disk but what a mode needs.
pub struct Redis {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its port.
    pub port: u16,
    name: String,
    home: PathBuf,
    args: Vec<String>,
    process: Option<Process>,
}

impl Redis {
    /// A single server, started and answering. Files go below `dir`.
    pub async fn start(name: &str, dir: &Path) -> Self {
        Self::start_with(name, dir, PORT, |_| Vec::new()).await
    }

    /// A cluster of one node, which has all slots.
    pub async fn start_cluster(name: &str, dir: &Path) -> Self {
        let args = |ip: Ipv4Addr| {
            let ip = ip.to_string();
            let args = ["--cluster-enabled", "yes", "--cluster-announce-ip", &ip];
            args.map(str::to_owned).into()
        };
        let redis = Self::start_with(name, dir, PORT, args).await;
        redis.ask("CLUSTER ADDSLOTSRANGE 0 16383").await;
        until("the cluster is ready", Duration::from_secs(20), || async {
            let info = redis.try_ask("CLUSTER INFO").await?;
            if info.contains("cluster_state:ok") {
                Ok(())
            } else {
                Err(info)
            }
        })
        .await;
        redis
    }

    /// A sentinel that watches `primary` under the name `main`.
    pub async fn start_sentinel(name: &str, dir: &Path, primary: &Redis) -> Self {
        let (ip, port) = (primary.ip, primary.port);
        let home = dir.join(format!("redis-{name}"));
        std::fs::create_dir_all(&home).expect("redis directory");
        let config = home.join("sentinel.conf");
        std::fs::write(&config, format!("sentinel monitor main {ip} {port} 1\n")).expect("config");
        let args = |_| vec![config.display().to_string(), "--sentinel".to_owned()];
        Self::start_with(name, dir, 26379, args).await
    }

    async fn start_with(
        name: &str,
        dir: &Path,
        port: u16,
        args: impl FnOnce(Ipv4Addr) -> Vec<String>,
    ) -> Self {
        let ip = address::fresh();
        let home = dir.join(format!("redis-{name}"));
        std::fs::create_dir_all(&home).expect("redis directory");
        let mut redis = Self {
            ip,
            port,
            name: name.to_owned(),
            home,
            args: args(ip),
            process: None,
        };
        redis.restart().await;
        redis
    }

    /// Starts it again on the same address, without what it knew.
    pub async fn restart(&mut self) {
        let mut command = Command::new("redis-server");
        let (ip, port) = (self.ip.to_string(), self.port.to_string());
        command
            .args(&self.args)
            .args(["--bind", &ip, "--port", &port]);
        command.args(["--save", "", "--dir"]).arg(&self.home);
        let process = Process::start(&format!("redis-{}", self.name), command, &self.home);
        self.process = Some(process);
        until("redis answers", Duration::from_secs(20), || {
            self.try_ask("PING")
        })
        .await;
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// `host:port`.
    pub fn node(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }

    /// Asks one thing, and takes what has come of the answer by then.
    pub async fn ask(&self, command: &str) -> String {
        self.try_ask(command)
            .await
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn try_ask(&self, command: &str) -> Result<String, String> {
        let exchange = async {
            let mut stream = TcpStream::connect((self.ip, self.port)).await?;
            stream
                .write_all(format!("{command}\r\n").as_bytes())
                .await?;
            let mut answer = vec![0; 65536];
            let read = stream.read(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
        };
        let exchange = tokio::time::timeout(Duration::from_secs(5), exchange).await;
        let answer = exchange.map_err(|_| "no answer".to_owned())?;
        let answer = answer.map_err(|error: std::io::Error| error.to_string())?;
        if answer.starts_with('-') {
            Err(answer)
        } else {
            Ok(answer)
        }
    }
}
