//! `weir cluster transfer-leader`.

use clap::Args;
use weir_proto::cluster::TransferLeaderRequest;

use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::Console;
use crate::progress::Progress;

/// Options of `weir cluster transfer-leader`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir cluster transfer-leader
  weir cluster transfer-leader 2")]
pub(crate) struct Options {
    /// The voter that shall lead; without it, the one that is furthest ahead
    #[arg(value_name = "NODE_ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: Option<u64>,
    /// The same as NODE_ID
    #[arg(
        long, value_name = "NODE_ID", value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with = "node_id",
    )]
    to: Option<u64>,
}

pub(crate) async fn run(
    options: &Options,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let progress = Progress::start(console, "handing over");
    let handing = connection.cluster(Retry::Unsent, |mut client| {
        let request = connection.request(TransferLeaderRequest {
            node_id: options.node_id.or(options.to).unwrap_or(0),
        });
        async move { client.transfer_leader(request).await }
    });
    let leader = progress.during(handing).await?.into_inner().leader_id;
    drop(progress);
    console.note(&format!("node {leader} leads"));
    Ok(Code::Done)
}
