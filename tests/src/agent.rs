//! One data-plane agent, as a process.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::address;
use crate::client::{Answer, Client};
use crate::cluster::PATIENCE;
use crate::process::{Process, weir_binary};
use crate::wait::until;

/// An agent with a loopback address of its own; the ports are the defaults.
pub struct Agent {
    /// Its name in the fleet.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Client used by the short calls.
    pub client: Client,
    control: String,
    dir: PathBuf,
    process: Option<Process>,
    extra: Vec<String>,
    env: Vec<(String, PathBuf)>,
}

impl Agent {
    /// Starts an agent of the control nodes `control` (comma separated), with its data in `dir`.
    pub fn start(name: &str, control: &str, dir: &Path) -> Self {
        Self::start_with(name, control, dir, &[])
    }

    /// [`Self::start`] with more arguments.
    pub fn start_with(name: &str, control: &str, dir: &Path, extra: &[&str]) -> Self {
        Self::start_in(name, control, dir, extra, &[])
    }

    /// [`Self::start_with`] with more environment.
    pub fn start_in(
        name: &str,
        control: &str,
        dir: &Path,
        extra: &[&str],
        env: &[(&str, &Path)],
    ) -> Self {
        let env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.to_path_buf()));
        let mut agent = Self {
            name: name.to_owned(),
            ip: address::fresh(),
            client: Client::default(),
            control: control.to_owned(),
            dir: dir.to_owned(),
            process: None,
            extra: extra.iter().map(ToString::to_string).collect(),
            env: env.collect(),
        };
        agent.restart();
        agent
    }

    /// Starts the process (again).
    pub fn restart(&mut self) {
        let mut command = Command::new(weir_binary());
        command
            .args(["agent", "--control", &self.control])
            .args(&self.extra)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env("WEIR_LOG", "info");
        let data_dir = self.data_dir().display().to_string();
        for (flag, value) in [
            ("--name", self.name.as_str()),
            ("--data-dir", &data_dir),
            ("--http", &format!("{}:9080", self.ip)),
            ("--https", &format!("{}:9443", self.ip)),
            ("--status", &format!("{}:9091", self.ip)),
            ("--region", "test"),
            ("--group", "default"),
            ("--workers", "1"),
        ] {
            if !self.extra.iter().any(|given| given == flag) {
                command.args([flag, value]);
            }
        }
        self.process = Some(Process::start(&self.name, command, &self.dir));
    }

    /// Starts the process once more while the one before runs, and returns that one.
    pub fn succeed(&mut self) -> Process {
        let before = self.process.take().expect("the agent was started");
        self.restart();
        before
    }

    /// Lets another process be the agent's.
    pub fn set_process(&mut self, process: Process) -> Option<Process> {
        self.process.replace(process)
    }

    /// Address of its HTTP listener.
    pub fn http(&self) -> std::net::SocketAddr {
        (self.ip, 9080).into()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Arguments for the next start, in place of those that were given at first.
    pub fn set_extra(&mut self, extra: &[&str]) {
        self.extra = extra.iter().map(ToString::to_string).collect();
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The process, while it was not killed.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the agent was started")
    }

    /// Everything it printed lately, for messages.
    pub fn tail(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }

    /// Everything it printed.
    pub fn printed(&self) -> String {
        self.process
            .as_ref()
            .map(Process::output)
            .unwrap_or_default()
    }

    /// URL of its HTTP listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}:9080{path}", self.ip)
    }

    /// URL on its status port.
    pub fn status_url(&self, path: &str) -> String {
        format!("http://{}:9091{path}", self.ip)
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let url = self.status_url("/readyz");
        until(&format!("agent {} ready", self.name), PATIENCE, || async {
            let answer = self.client.try_get(&url).await?;
            if answer.status.is_success() {
                Ok(())
            } else {
                Err(answer.text())
            }
        })
        .await;
    }

    /// `/status`.
    pub async fn status(&self) -> Result<Value, String> {
        Ok(self
            .client
            .try_get(&self.status_url("/status"))
            .await?
            .json())
    }

    /// Waits until it has applied `revision`.
    pub async fn applied(&self, revision: u64) {
        until(
            &format!("agent {} at revision {revision}", self.name),
            PATIENCE,
            || async {
                let status = self.status().await?;
                let at = status["revision"].as_u64().unwrap_or(0);
                if at >= revision {
                    Ok(())
                } else {
                    Err(status.to_string())
                }
            },
        )
        .await;
    }

    /// Waits until the state in use is on disk; returns its revision.
    pub async fn kept(&self) -> u64 {
        let what = format!("agent {} has its state on disk", self.name);
        until(&what, PATIENCE, || async {
            let status = self.status().await?;
            let used = status["revision"].as_u64();
            if status["cached_revision"].as_u64() == used {
                used.ok_or_else(|| status.to_string())
            } else {
                Err(status.to_string())
            }
        })
        .await
    }

    /// GET through the proxy.
    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.client.try_get(&self.url(path)).await
    }

    /// Waits until GET of `path` satisfies `fits`.
    pub async fn serves(&self, path: &str, what: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        until(
            &format!("agent {}: {path} {what}", self.name),
            PATIENCE,
            || async {
                let answer = self.get(path).await?;
                if fits(&answer) {
                    Ok(answer)
                } else {
                    Err(format!("{} {}", answer.status, answer.text()))
                }
            },
        )
        .await
    }
}

/// The revision that an Admin answer carries.
pub fn revision(answer: &Answer) -> u64 {
    answer
        .header("x-weir-revision")
        .parse()
        .unwrap_or_else(|_| panic!("no revision: {answer:?}"))
}
