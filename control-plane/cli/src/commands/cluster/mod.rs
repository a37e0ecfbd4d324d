//! `weir cluster`: members of the control plane.

mod add;
mod promote;
mod remove;
mod status;
mod transfer_leader;

use clap::{Args, Subcommand};

use crate::connection::{self, Connection};
use crate::exit::{Code, Failure};
use crate::output::{self, Console};

/// Options of `weir cluster`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir cluster status
  weir cluster transfer-leader --to 2")]
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
    /// Show members, roles, term and how far each one is
    Status(status::Options),
    /// Add a node as a learner
    Add(add::Options),
    /// Make a learner a voter
    Promote(promote::Options),
    /// Remove a node
    Remove(remove::Options),
    /// Hand leadership to another voter
    TransferLeader(transfer_leader::Options),
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    match options.command {
        Command::Status(status) => {
            status::run(&status, options.output.format, &connection, console).await
        }
        Command::Add(add) => add::run(add, &connection, console).await,
        Command::Promote(promote) => promote::run(&promote, &connection, console).await,
        Command::Remove(remove) => remove::run(&remove, &connection, console).await,
        Command::TransferLeader(transfer) => {
            transfer_leader::run(&transfer, &connection, console).await
        }
    }
}
