//! `weir agents`: the fleet of agents.

mod list;
mod show;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use weir_proto::cluster::{Agent, ListAgentsRequest, ListAgentsResponse};

use crate::connection::{self, Connection, Retry};
use crate::exit::{Code, Failure, problem};
use crate::output::{self, Console};
use crate::progress::Progress;

/// Options of `weir agents`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir agents list
  weir agents show edge-1 -o yaml")]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every agent ever seen
    List(list::Options),
    /// Show all that is known of one agent
    Show(show::Options),
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let format = options.output.format;
    match options.command {
        Command::List(list) => list::run(&list, format, &connection, console).await,
        Command::Show(show) => show::run(&show, format, &connection, console).await,
    }
}

/// Asks for agents; all when `name` is empty.
async fn fetch(
    connection: &Connection,
    console: &Console,
    name: &str,
) -> Result<ListAgentsResponse, Failure> {
    let progress = Progress::start(console, "asking the members");
    let asking = connection.cluster(Retry::Safe, |mut client| {
        let request = connection.request(ListAgentsRequest {
            name: name.to_owned(),
            local_only: false,
        });
        async move { client.list_agents(request).await }
    });
    let answer = progress.during(asking).await?.into_inner();
    drop(progress);
    for node in &answer.unreachable_nodes {
        console.warning(&format!(
            "control node {node} did not answer: what only it knows is missing"
        ));
    }
    Ok(answer)
}

/// One agent for programs.
fn data(agent: &Agent) -> Value {
    let problems = |problems: &[weir_proto::resource::Problem]| -> Value {
        problems
            .iter()
            .map(|problem| {
                let key = problem.key.clone().unwrap_or_default();
                json!({
                    "kind": key.kind,
                    "id": key.id,
                    "path": problem.path,
                    "message": problem.message,
                })
            })
            .collect()
    };
    json!({
        "name": agent.name,
        "region": agent.region,
        "group": agent.group,
        "version": agent.version,
        "instance": agent.instance,
        "address": agent.address,
        "connected": agent.connected,
        "node_id": agent.node_id,
        "since_ms": agent.since_ms,
        "last_seen_ms": agent.last_seen_ms,
        "revision": agent.revision,
        "lag": agent.lag,
        "content_hash": agent.content_hash,
        "refused_revision": agent.refused_revision,
        "refused": problems(&agent.refused),
        "pending": problems(&agent.pending),
    })
}

/// Text, or `-` when there is none.
fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

/// Problems as lines.
fn lines(problems: &[weir_proto::resource::Problem]) -> Vec<String> {
    problems.iter().map(problem).collect()
}

#[cfg(test)]
mod tests;
