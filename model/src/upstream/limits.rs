//! How much an upstream, or one of its nodes, takes at once.

use serde::Deserialize;

use crate::validate::Problem;

/// Limits of one agent towards something; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests under way.
    pub max_requests: Option<u32>,
    /// Connections that are open, idle ones included.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection; only beside `max_connections`.
    pub max_pending: Option<u32>,
}

impl Limits {
    /// A number of those who wait means nothing where nobody has to wait.
    fn check(&self, path: &str) -> Result<(), Problem> {
        if self.max_pending.is_none() || self.max_connections.is_some() {
            return Ok(());
        }
        let message = "expected max_connections beside it";
        Err(Problem::new(format!("{path}.max_pending"), message))
    }
}

/// Limits of an upstream as a whole and of each of its nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UpstreamLimits {
    /// Over all nodes.
    #[serde(flatten)]
    pub all: Limits,
    /// Of each node.
    pub node: Limits,
}

impl UpstreamLimits {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        self.all.check("limits")?;
        self.node.check("limits.node")?;
        Ok(self)
    }
}
