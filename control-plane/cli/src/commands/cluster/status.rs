//! `weir cluster status`.

use clap::Args;
use serde_json::{Value, json};
use weir_proto::cluster::{Member, StatusRequest, StatusResponse};

use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table};
use crate::progress::Progress;

/// Options of `weir cluster status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir cluster status
  weir cluster status --server 127.0.0.1:9281 -o json")]
pub(crate) struct Options {}

pub(crate) async fn run(
    _options: &Options,
    format: Format,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let status = fetch(connection, console).await?;
    console.data(&Shown(status).text(format, console.palette))?;
    Ok(Code::Done)
}

/// Asks for the status.
pub(crate) async fn fetch(
    connection: &Connection,
    console: &Console,
) -> Result<StatusResponse, Failure> {
    let progress = Progress::start(console, "asking the members");
    let asking = connection.cluster(Retry::Safe, |mut client| {
        let request = connection.request(StatusRequest { local_only: false });
        async move { client.status(request).await }
    });
    Ok(progress.during(asking).await?.into_inner())
}

pub(crate) struct Shown(pub StatusResponse);

impl Shown {
    fn members(&self) -> Vec<Vec<String>> {
        let row = |member: &Member| {
            let known = |number: u64| {
                if member.reachable {
                    number.to_string()
                } else {
                    "-".to_owned()
                }
            };
            vec![
                member.node_id.to_string(),
                member.role.clone(),
                if member.voter { "yes" } else { "no" }.to_owned(),
                if member.reachable { "yes" } else { "no" }.to_owned(),
                known(member.matched),
                known(member.applied),
                known(member.lag),
                member.peer_address.clone(),
                member.grpc_address.clone(),
            ]
        };
        self.0.members.iter().map(row).collect()
    }
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let status = &self.0;
        let leader = match status.leader_id {
            0 => palette.bad("none"),
            id => id.to_string(),
        };
        let head = table::pairs(&[
            ("cluster", status.cluster_id.clone()),
            (
                "asked node",
                format!("{} ({}, {})", status.node_id, status.role, status.version),
            ),
            ("term", status.term.to_string()),
            ("last log", status.last_log.to_string()),
            ("committed", status.committed.to_string()),
            ("applied", status.applied.to_string()),
            ("purged", status.purged.to_string()),
            (
                "state hash",
                format!("{} at {}", status.state_hash, status.state_hash_index),
            ),
        ]);
        let members = table::columns(
            &[
                "NODE",
                "ROLE",
                "VOTER",
                "REACHABLE",
                "LOG",
                "APPLIED",
                "LAG",
                "PEER",
                "GRPC",
            ],
            &self.members(),
        );
        format!("leader:      {leader}\n{head}\n\n{members}")
    }

    fn data(&self) -> Value {
        let status = &self.0;
        let members: Vec<_> = status
            .members
            .iter()
            .map(|member| {
                json!({
                    "node_id": member.node_id,
                    "role": member.role,
                    "voter": member.voter,
                    "reachable": member.reachable,
                    "matched": member.matched,
                    "applied": member.applied,
                    "lag": member.lag,
                    "peer_address": member.peer_address,
                    "grpc_address": member.grpc_address,
                })
            })
            .collect();
        json!({
            "cluster_id": status.cluster_id,
            "node_id": status.node_id,
            "version": status.version,
            "role": status.role,
            "leader_id": (status.leader_id != 0).then_some(status.leader_id),
            "term": status.term,
            "last_log": status.last_log,
            "committed": status.committed,
            "applied": status.applied,
            "purged": status.purged,
            "state_hash": status.state_hash,
            "state_hash_index": status.state_hash_index,
            "members": members,
        })
    }

    fn names(&self) -> Vec<String> {
        self.0
            .members
            .iter()
            .map(|member| member.node_id.to_string())
            .collect()
    }
}

#[cfg(test)]
mod tests;
