//! `weir route`: questions about routes.

mod explain;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};

use crate::Offline;
use crate::connection;
use crate::exit::{Code, Failure};
use crate::output::{self, Console};

/// Options of `weir route`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir route explain GET http://api.example.com/v1/users")]
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
    /// Tell which route a request takes, and why not another one
    Explain(explain::Options),
}

pub(crate) async fn run(
    options: Options,
    offline: Offline,
    console: &Console,
) -> Result<Code, Failure> {
    let format = options.output.format;
    match options.command {
        Command::Explain(explain) => {
            explain::run(explain, offline, format, &options.connection, console).await
        }
    }
}
