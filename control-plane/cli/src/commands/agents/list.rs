//! `weir agents list`.

use clap::Args;
use serde_json::Value;
use weir_proto::cluster::Agent;

use super::{data, fetch, or_dash};
use crate::connection::Connection;
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table, time};

/// Options of `weir agents list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir agents list
  weir agents list --region eu -o json")]
pub(crate) struct Options {
    /// Only of this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Only of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

pub(crate) async fn run(
    options: &Options,
    format: Format,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let answer = fetch(connection, console, "").await?;
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|text| text == is);
    let agents: Vec<_> = answer
        .agents
        .into_iter()
        .filter(|agent| fits(&options.region, &agent.region) && fits(&options.group, &agent.group))
        .collect();
    if agents.is_empty() && format == Format::Table {
        console.note("no agents");
    }
    let shown = Shown {
        agents,
        now_ms: time::now_ms(),
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

pub(super) struct Shown {
    pub agents: Vec<Agent>,
    pub now_ms: u64,
}

impl Render for Shown {
    fn table(&self, _palette: Palette) -> String {
        let rows: Vec<_> = self
            .agents
            .iter()
            .map(|agent| {
                let nack = if agent.refused.is_empty() {
                    "-".to_owned()
                } else {
                    format!("{} refused", agent.refused.len())
                };
                let (state, since) = if agent.connected {
                    (format!("node {}", agent.node_id), agent.since_ms)
                } else {
                    ("away".to_owned(), agent.last_seen_ms)
                };
                vec![
                    agent.name.clone(),
                    or_dash(&agent.region),
                    or_dash(&agent.group),
                    or_dash(&agent.version),
                    state,
                    time::ago(since, self.now_ms),
                    agent.revision.to_string(),
                    agent.lag.to_string(),
                    nack,
                ]
            })
            .collect();
        table::columns(
            &[
                "NAME",
                "REGION",
                "GROUP",
                "VERSION",
                "CONNECTED",
                "SINCE",
                "REVISION",
                "LAG",
                "NACK",
            ],
            &rows,
        )
    }

    fn data(&self) -> Value {
        self.agents.iter().map(data).collect()
    }

    fn names(&self) -> Vec<String> {
        self.agents.iter().map(|agent| agent.name.clone()).collect()
    }
}
