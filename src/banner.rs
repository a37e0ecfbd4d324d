//! What `weir dev` prints when it is up: where everything listens, and three commands to try.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Facts of a running `weir dev`.
pub(crate) struct Banner {
    /// REST Admin API.
    pub(crate) admin: SocketAddr,
    /// gRPC.
    pub(crate) grpc: SocketAddr,
    /// Status port of the control node.
    pub(crate) status: SocketAddr,
    /// HTTP listener of the agent.
    pub(crate) http: SocketAddr,
    /// HTTPS listener of the agent.
    pub(crate) https: SocketAddr,
    /// Status port of the agent.
    pub(crate) agent_status: SocketAddr,
    /// Demo back end.
    pub(crate) demo: SocketAddr,
    /// File with the admin key; `None` when the key was given directly.
    pub(crate) key: Option<PathBuf>,
    /// How this program was called.
    pub(crate) program: String,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "weir dev is up")?;
        writeln!(
            f,
            "  proxy          http://{} https://{}",
            self.http, self.https
        )?;
        writeln!(f, "  admin (REST)   http://{}/apisix/admin", self.admin)?;
        writeln!(f, "  gRPC           {}   (weir CLI and agents)", self.grpc)?;
        writeln!(
            f,
            "  status         http://{}/status   agent http://{}/status",
            self.status, self.agent_status
        )?;
        writeln!(f, "  demo back end  http://{}", self.demo)?;
        let (header, flag) = match &self.key {
            Some(file) => {
                writeln!(f, "  admin key      {}", file.display())?;
                (
                    format!("$(cat '{}')", file.display()),
                    format!(" --key-file '{}'", file.display()),
                )
            }
            None => {
                writeln!(
                    f,
                    "  admin key      as given in WEIR_ADMIN_KEY or --admin-key"
                )?;
                ("$WEIR_ADMIN_KEY".to_owned(), String::new())
            }
        };
        writeln!(f, "\nTry:")?;
        writeln!(
            f,
            "  $ curl -sS -X PUT http://{}/apisix/admin/upstreams/demo -H \"X-API-KEY: {header}\" \
             -d '{{\"nodes\": {{\"{}\": 1}}}}'",
            self.admin, self.demo,
        )?;
        writeln!(
            f,
            "  $ echo '{{\"kind\": \"route\", \"id\": \"demo\", \"uri\": \"/demo/*\", \
             \"upstream_id\": \"demo\"}}' | {} apply --server {}{flag} -f -",
            self.program, self.grpc,
        )?;
        write!(f, "  $ curl -sS -i http://{}/demo/hello", self.http)
    }
}
