//! `weir cluster remove`.

use clap::Args;
use weir_proto::cluster::{RemoveRequest, StatusResponse};

use super::status;
use crate::confirm::confirm;
use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::Console;
use crate::progress::Progress;

/// Options of `weir cluster remove`.
#[derive(Debug, Args)]
#[command(after_help = "\
Before anything is changed it is checked that the voters that stay are a reachable majority.

Example:
  weir cluster remove 3
  weir cluster remove 3 --yes")]
pub(crate) struct Options {
    /// Id of the member
    #[arg(value_name = "NODE_ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: u64,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    /// Also when the rest would have no quorum
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(
    options: &Options,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let status = status::fetch(connection, console).await?;
    let outlook = match outlook(&status, options.node_id)? {
        Outlook::Safe(text) => text,
        Outlook::Unsafe(text) if options.force => format!("NOT SAFE: {text}"),
        Outlook::Unsafe(text) => {
            return Err(Failure::Declined(format!(
                "{text} (--force does it anyway)"
            )));
        }
    };
    let question = format!("Remove node {}: {outlook}. Go on?", options.node_id);
    confirm(console, &question, options.yes)?;
    let progress = Progress::start(console, "changing the membership");
    let removing = connection.cluster(Retry::Unsent, |mut client| {
        let request = connection.request(RemoveRequest {
            node_id: options.node_id,
            force: options.force,
        });
        async move { client.remove(request).await }
    });
    progress.during(removing).await?;
    drop(progress);
    console.note(&format!("node {} is removed", options.node_id));
    Ok(Code::Done)
}

#[derive(Debug, PartialEq, Eq)]
enum Outlook {
    Safe(String),
    Unsafe(String),
}

/// What the cluster would be like without the node.
fn outlook(status: &StatusResponse, node_id: u64) -> Result<Outlook, Failure> {
    let Some(member) = status
        .members
        .iter()
        .find(|member| member.node_id == node_id)
    else {
        return Err(Failure::NotFound(format!("node {node_id} is not a member")));
    };
    if !member.voter {
        return Ok(Outlook::Safe("it is a learner without a vote".to_owned()));
    }
    let rest: Vec<_> = status
        .members
        .iter()
        .filter(|member| member.voter && member.node_id != node_id)
        .collect();
    let reachable = rest.iter().filter(|member| member.reachable).count();
    let quorum = rest.len() / 2 + 1;
    if rest.is_empty() {
        return Ok(Outlook::Unsafe(format!("node {node_id} is the only voter")));
    }
    let figures = format!(
        "{} of the {} voters that stay are reachable, {quorum} are needed",
        reachable,
        rest.len()
    );
    if reachable < quorum {
        return Ok(Outlook::Unsafe(figures));
    }
    let lead = if status.leader_id == node_id {
        "it leads, another voter will take over; "
    } else {
        ""
    };
    Ok(Outlook::Safe(format!("{lead}{figures}")))
}

#[cfg(test)]
mod tests {
    use weir_proto::cluster::Member;

    use super::*;

    fn cluster(members: &[(u64, bool, bool)]) -> StatusResponse {
        StatusResponse {
            leader_id: 1,
            members: members
                .iter()
                .map(|(node_id, voter, reachable)| Member {
                    node_id: *node_id,
                    voter: *voter,
                    reachable: *reachable,
                    ..Member::default()
                })
                .collect(),
            ..StatusResponse::default()
        }
    }

    fn is_safe(members: &[(u64, bool, bool)], node_id: u64) -> bool {
        matches!(outlook(&cluster(members), node_id), Ok(Outlook::Safe(_)))
    }

    #[test]
    fn a_node_may_go_while_the_rest_is_a_reachable_majority() {
        let three = [(1, true, true), (2, true, true), (3, true, true)];
        assert!(is_safe(&three, 3) && is_safe(&three, 1));
        let one_down = [(1, true, true), (2, true, true), (3, true, false)];
        assert!(is_safe(&one_down, 3));
        assert!(!is_safe(&one_down, 2));
        assert!(!is_safe(&[(1, true, true)], 1));
    }

    #[test]
    fn a_learner_may_always_go() {
        assert!(is_safe(&[(1, true, true), (2, false, false)], 2));
    }

    #[test]
    fn a_stranger_is_not_found() {
        let failure = outlook(&cluster(&[(1, true, true)]), 9).unwrap_err();
        assert_eq!(failure.code(), Code::NotFound);
    }
}
