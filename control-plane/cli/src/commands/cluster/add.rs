//! `weir cluster add`.

use clap::Args;
use weir_proto::cluster::AddRequest;

use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::Console;
use crate::progress::Progress;

/// Options of `weir cluster add`.
#[derive(Debug, Args)]
#[command(after_help = "\
A node that is started with --join adds itself; this is for one that is started without.
It becomes a learner: it gets all data and has no vote until it is promoted.

Example:
  weir cluster add 4 --peer 10.0.0.4:9182 --grpc 10.0.0.4:9181")]
pub(crate) struct Options {
    /// Id of the new node
    #[arg(value_name = "NODE_ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: u64,
    /// Where other members reach it
    #[arg(long, value_name = "HOST:PORT")]
    peer: String,
    /// Where the command line and agents reach it
    #[arg(long, value_name = "HOST:PORT")]
    grpc: String,
}

pub(crate) async fn run(
    options: Options,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let progress = Progress::start(console, "waiting for the node to catch up");
    let adding = connection.cluster(Retry::Unsent, |mut client| {
        let request = connection.request(AddRequest {
            node_id: options.node_id,
            peer_address: options.peer.clone(),
            grpc_address: options.grpc.clone(),
        });
        async move { client.add(request).await }
    });
    progress.during(adding).await?;
    drop(progress);
    console.note(&format!("node {} is a learner", options.node_id));
    Ok(Code::Done)
}
