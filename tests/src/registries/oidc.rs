//! A real OpenID Connect provider.

use std::net::SocketAddr;
use std::path::Path;

use super::{STARTS_WITHIN, own, script};
use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// One provider: client `gw` with the secret `gw-secret`, sent back to
/// `http://gateway.test/callback`.
pub struct Oidc {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
}

impl Oidc {
    /// Starts a provider, and waits until it answers.
    pub async fn start(dir: &Path) -> Self {
        let address = own(3000);
        let mut command = script("oidc.sh");
        command
            .arg(dir.join("oidc"))
            .args([address.ip().to_string(), address.port().to_string()]);
        let oidc = Self {
            address,
            _process: Process::start("oidc", command, dir),
        };
        let client = Client::default();
        until("the provider answers", STARTS_WITHIN, || async {
            let answer = client.try_get(&oidc.discovery()).await?;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.text())
            }
        })
        .await;
        oidc
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
