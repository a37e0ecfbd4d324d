//! `weir agents show`.

use clap::Args;
use serde_json::Value;
use weir_proto::cluster::Agent;

use super::{data, fetch, lines, or_dash};
use crate::connection::Connection;
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table, time};

/// Options of `weir agents show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir agents show edge-1
  weir agents show edge-1 -o json")]
pub(crate) struct Options {
    /// Name of the agent
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) async fn run(
    options: &Options,
    format: Format,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let answer = fetch(connection, console, &options.name).await?;
    let agent = answer
        .agents
        .into_iter()
        .find(|agent| agent.name == options.name)
        .ok_or_else(|| Failure::NotFound(format!("no agent {:?} was ever seen", options.name)))?;
    let shown = Shown {
        agent,
        now_ms: time::now_ms(),
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

pub(super) struct Shown {
    pub agent: Agent,
    pub now_ms: u64,
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let agent = &self.agent;
        let connected = if agent.connected {
            let since = time::ago(agent.since_ms, self.now_ms);
            format!("to node {} for {since}", agent.node_id)
        } else {
            let seen = time::ago(agent.last_seen_ms, self.now_ms);
            format!("no; last seen {seen} ago at node {}", agent.node_id)
        };
        let mut text = table::pairs(&[
            ("name", agent.name.clone()),
            ("region", or_dash(&agent.region)),
            ("group", or_dash(&agent.group)),
            ("version", or_dash(&agent.version)),
            ("instance", or_dash(&agent.instance)),
            ("address", or_dash(&agent.address)),
            ("connected", connected),
            (
                "revision",
                format!("{} (lag {})", agent.revision, agent.lag),
            ),
            ("content hash", or_dash(&agent.content_hash)),
        ]);
        let mut part = |title: String, problems: Vec<String>| {
            if !problems.is_empty() {
                text.push_str(&format!("\n\n{title}"));
                for line in problems {
                    text.push_str(&format!("\n  {}", table::clean(&line)));
                }
            }
        };
        let nack = format!(
            "refused at revision {}, the last good form is kept:",
            agent.refused_revision
        );
        part(palette.bad(&nack), lines(&agent.refused));
        part(
            "stored, but this agent does not act on it:".to_owned(),
            lines(&agent.pending),
        );
        text
    }

    fn data(&self) -> Value {
        data(&self.agent)
    }

    fn names(&self) -> Vec<String> {
        vec![self.agent.name.clone()]
    }
}
