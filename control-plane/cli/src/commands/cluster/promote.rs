//! `weir cluster promote`.

use clap::Args;
use weir_proto::cluster::PromoteRequest;

use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::Console;
use crate::progress::Progress;

/// Options of `weir cluster promote`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir cluster promote 4")]
pub(crate) struct Options {
    /// Id of the learner
    #[arg(value_name = "NODE_ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: u64,
}

pub(crate) async fn run(
    options: &Options,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let progress = Progress::start(console, "changing the membership");
    let promoting = connection.cluster(Retry::Unsent, |mut client| {
        let request = connection.request(PromoteRequest {
            node_id: options.node_id,
        });
        async move { client.promote(request).await }
    });
    progress.during(promoting).await?;
    drop(progress);
    console.note(&format!("node {} is a voter", options.node_id));
    Ok(Code::Done)
}
