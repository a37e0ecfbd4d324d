//! One control node and one agent, used by one case at a time and handed from case to case.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::configure::Written;
use crate::address;
use crate::agent::Agent;
use crate::cluster::{Cluster, Node};
use crate::wait::until;

/// Idle stages that are kept: two for each of two files that run side by side.
const KEPT: usize = 4;

static IDLE: Mutex<Vec<Stage>> = Mutex::new(Vec::new());

/// The processes, and what was written to them.
pub(crate) struct Stage {
    pub(crate) agent: Agent,
    /// Address of the case's nodes.
    pub(crate) nodes: Ipv4Addr,
    pub(crate) written: Written,
    cluster: Cluster,
    options: Map<String, Value>,
    access_log: PathBuf,
}

impl Stage {
    /// An idle stage whose agent has these static options, or a new one.
    pub(crate) async fn take(options: &Map<String, Value>) -> Self {
        let idle = {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.iter()
                .position(|stage| stage.options == *options)
                .map(|at| idle.remove(at))
        };
        match idle {
            Some(stage) => stage,
            None => Self::start(options).await,
        }
    }

    async fn start(options: &Map<String, Value>) -> Self {
        let cluster = Cluster::start(1).await;
        let file = cluster.dir().join("agent.yaml");
        let access_log = cluster.dir().join("access.log");
        std::fs::write(&file, Value::Object(options.clone()).to_string()).expect("agent.yaml");
        let mut flags = vec![
            "--config".to_owned(),
            file.display().to_string(),
            "--access-log".to_owned(),
            access_log.display().to_string(),
        ];
        // What the harness passes as a flag would win over the file.
        for name in ["region", "group", "workers"] {
            match options.get(name) {
                Some(Value::String(value)) => flags.extend([format!("--{name}"), value.clone()]),
                Some(Value::Number(value)) => {
                    flags.extend([format!("--{name}"), value.to_string()]);
                }
                _ => {}
            }
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let control = cluster.grpc_list();
        let agent = Agent::start_with("agent", &control, cluster.dir(), &flags);
        agent.ready().await;
        Self {
            agent,
            nodes: address::fresh(),
            written: Written::default(),
            cluster,
            options: options.clone(),
            access_log,
        }
    }

    /// Keeps it for another case; nothing of this one may be left in it.
    pub(crate) fn give_back(self) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self);
        let too_many = idle.len().saturating_sub(KEPT);
        let ended: Vec<Self> = idle.drain(..too_many).collect();
        drop(idle);
        drop(ended);
    }

    pub(crate) fn control(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    pub(crate) fn control_address(&self) -> String {
        self.cluster.grpc_list()
    }

    /// Waits until the agent has applied `revision`, whole and without a complaint.
    ///
    /// # Errors
    /// What the agent refused or does not act on.
    pub(crate) async fn applied(&self, revision: u64) -> Result<(), String> {
        self.agent.applied(revision).await;
        let status = self.agent.status().await?;
        let complaints = |name: &str| match &status[name] {
            Value::Null => None,
            Value::Array(list) if list.is_empty() => None,
            other => Some(format!("the agent says {name}: {other}")),
        };
        ["last_nack", "pending"]
            .into_iter()
            .find_map(complaints)
            .map_or(Ok(()), Err)
    }

    /// The lines of the access log since `since` for which `fits`; waits until there are `count`
    /// of them, or a while.
    pub(crate) async fn access_lines(
        &self,
        since: SystemTime,
        count: usize,
        fits: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let since = since
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let find = || {
            let text = std::fs::read_to_string(&self.access_log).unwrap_or_default();
            let lines = text
                .lines()
                .rev()
                .filter_map(|line| serde_json::from_str(line).ok());
            let is_new = |line: &Value| milliseconds(line["time"].as_str()) >= since;
            let mut found: Vec<Value> = lines.take_while(is_new).filter(&fits).collect();
            found.reverse();
            found
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        until("access log", Duration::from_secs(10), || async {
            let found = find();
            let enough = found.len() >= count || std::time::Instant::now() >= deadline;
            if enough {
                Ok(found)
            } else {
                Err("too few lines")
            }
        })
        .await
    }
}

/// Ends all idle stages: a static is not dropped at the end of the process.
pub fn close() {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Milliseconds since 1970 of `2026-01-31T12:00:00.000Z`; 0 for anything else.
fn milliseconds(time: Option<&str>) -> u128 {
    let numbers: Vec<i64> = time
        .unwrap_or_default()
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let &[year, month, day, hour, minute, second, millisecond] = numbers.as_slice() else {
        return 0;
    };
    // Days of a calendar whose years begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u128::try_from(seconds * 1000 + millisecond).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_access_log_are_read() {
        assert_eq!(milliseconds(Some("1970-01-01T00:00:00.007Z")), 7);
        assert_eq!(
            milliseconds(Some("2000-02-29T00:00:00.000Z")),
            951_782_400_000
        );
        assert_eq!(
            milliseconds(Some("2024-12-31T23:59:59.000Z")),
            1_735_689_599_000
        );
        assert_eq!(milliseconds(Some("now")), 0);
    }
}
