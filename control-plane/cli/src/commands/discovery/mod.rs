//! `weir discovery`: what control nodes know from service registries.

mod accept;
mod list;
mod show;
mod test;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use weir_model::endpoint::EndpointSet;
use weir_proto::convert::endpoint::from_wire;
use weir_proto::discovery::{ListRequest, Watched};

use crate::connection::{self, Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, table, time};
use crate::progress::Progress;

/// Options of `weir discovery`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir discovery list
  weir discovery show web
  weir discovery test -f registry.yaml web
  weir discovery accept web")]
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
    /// Show every service that some upstream looks up
    List(list::Options),
    /// Show all that each control node knows of a service
    Show(show::Options),
    /// Ask a registry once, and show what would be used
    Test(test::Options),
    /// Take answers of registries that are held back
    Accept(accept::Options),
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let format = options.output.format;
    let open = || Connection::open(&options.connection);
    match options.command {
        Command::List(list) => list::run(&list, format, &open()?, console).await,
        Command::Show(show) => show::run(&show, format, &open()?, console).await,
        Command::Test(test) => test::run(&test, format, &options.connection, console).await,
        Command::Accept(accept) => accept::run(&accept, format, &open()?, console).await,
    }
}

/// What all members know; empty texts mean all registries and services.
async fn fetch(
    connection: &Connection,
    console: &Console,
    registry: Option<&str>,
    service: &str,
    without_endpoints: bool,
) -> Result<Vec<Watched>, Failure> {
    let progress = Progress::start(console, "asking the members");
    let asking = connection.discovery(Retry::Safe, |mut client| {
        let request = connection.request(ListRequest {
            registry: registry.unwrap_or_default().to_owned(),
            service: service.to_owned(),
            without_endpoints,
            local_only: false,
        });
        async move { client.list(request).await }
    });
    let answer = progress.during(asking).await?.into_inner();
    drop(progress);
    warn_of_silent(console, &answer.unreachable_nodes);
    Ok(answer.watched)
}

fn warn_of_silent(console: &Console, nodes: &[u64]) {
    for node in nodes {
        console.warning(&format!("control node {node} did not answer"));
    }
}

/// The registry as people know it: by its name, else by its type.
fn registry(watched: &Watched) -> String {
    if watched.registry.is_empty() {
        watched.r#type.clone()
    } else {
        watched.registry.clone()
    }
}

/// What an operator should look at, in a few words: `ok` when nothing.
fn state(watched: &Watched, now_ms: u64) -> String {
    if let Some(held) = &watched.held {
        let left = held.until_ms.saturating_sub(now_ms);
        let left = time::span(std::time::Duration::from_millis(left));
        return format!("held for {left}: {} endpoints gone", held.missing);
    }
    match &watched.failure {
        Some(failure) => failure.kind.clone(),
        None if watched.checked_ms == 0 => "asking".to_owned(),
        None => "ok".to_owned(),
    }
}

/// The endpoints of a set as rows.
fn rows(set: &EndpointSet) -> String {
    let rows: Vec<_> = set
        .endpoints()
        .iter()
        .map(|endpoint| {
            vec![
                endpoint.to_string(),
                endpoint.weight.to_string(),
                endpoint.priority.to_string(),
                endpoint.region.clone().unwrap_or_else(|| "-".to_owned()),
                endpoint.zone.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    table::columns(&["ADDRESS", "WEIGHT", "PRIORITY", "REGION", "ZONE"], &rows)
}

/// One lookup at one member, for programs.
fn data(watched: &Watched) -> Result<Value, Failure> {
    let users: Vec<_> = watched
        .users
        .iter()
        .map(|key| json!({"kind": key.kind, "id": key.id}))
        .collect();
    let endpoints = match watched.endpoints.clone() {
        Some(set) => Some(from_wire(set)?.1),
        None => None,
    };
    Ok(json!({
        "node_id": watched.node_id,
        "key": watched.key,
        "type": watched.r#type,
        "registry": watched.registry,
        "service_name": watched.service_name,
        "users": users,
        "endpoint_count": watched.endpoint_count,
        "endpoints": endpoints.map(|set| json!(set.endpoints())),
        "index": watched.index,
        "note": watched.note,
        "changed_ms": watched.changed_ms,
        "checked_ms": watched.checked_ms,
        "failure": watched.failure.as_ref().map(|failure| json!({
            "kind": failure.kind, "message": failure.message,
            "since_ms": failure.since_ms, "attempts": failure.attempts,
        })),
        "held": watched.held.as_ref().map(|held| json!({
            "since_ms": held.since_ms, "until_ms": held.until_ms,
            "offered": held.offered, "missing": held.missing,
        })),
    }))
}

#[cfg(test)]
mod tests;
