//! A real Open Policy Agent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{own, script, well};
use crate::process::Process;

/// One server with one policy.
pub struct Opa {
    address: SocketAddr,
    dir: PathBuf,
    process: Process,
}

impl Opa {
    /// Starts a server with a policy in Rego, and waits until it answers. The policy is kept below
    /// `dir`.
    pub async fn start(dir: &Path, policy: &str) -> Self {
        let address = own(8181);
        let home = dir.join("opa");
        std::fs::create_dir_all(&home).expect("a folder");
        std::fs::write(home.join("policy.rego"), policy).expect("a policy");
        let opa = Self {
            address,
            dir: dir.to_owned(),
            process: Self::spawn(address, dir),
        };
        opa.ready().await;
        opa
    }

    fn spawn(address: SocketAddr, dir: &Path) -> Process {
        let mut command = script("opa.sh");
        command
            .arg(dir.join("opa"))
            .args([address.ip().to_string(), address.port().to_string()]);
        Process::start("opa", command, dir)
    }

    async fn ready(&self) {
        well(
            "the policy server answers",
            &format!("{}/health", self.url()),
        )
        .await;
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with the same policy.
    pub async fn restart(&mut self) {
        self.process = Self::spawn(self.address, &self.dir);
        self.ready().await;
    }
}
