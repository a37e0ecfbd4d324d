//! A real OpenID Connect provider.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{own, script, well};
use crate::process::Process;

/// One provider: client `gw` with the secret `gw-secret`, sent back to
/// `http://gateway.test/callback`.
pub struct Oidc {
    /// Where it listens.
    pub address: SocketAddr,
    dir: PathBuf,
    process: Process,
}

impl Oidc {
    /// Starts a provider, and waits until it answers.
    pub async fn start(dir: &Path) -> Self {
        let address = own(3000);
        let oidc = Self {
            address,
            dir: dir.to_owned(),
            process: Self::spawn(address, dir),
        };
        oidc.ready().await;
        oidc
    }

    fn spawn(address: SocketAddr, dir: &Path) -> Process {
        let mut command = script("oidc.sh");
        command
            .arg(dir.join("oidc"))
            .args([address.ip().to_string(), address.port().to_string()]);
        Process::start("oidc", command, dir)
    }

    async fn ready(&self) {
        well("the provider answers", &self.discovery()).await;
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with the same keys; it knows of no login.
    pub async fn restart(&mut self) {
        self.process = Self::spawn(self.address, &self.dir);
        self.ready().await;
    }

    /// URL of its discovery document.
    pub fn discovery(&self) -> String {
        self.url("/.well-known/openid-configuration")
    }

    /// URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
