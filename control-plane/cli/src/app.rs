//! The table of commands, and the way from a parsed command to an exit code.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::Value;
use weir_model::{Key, Problem};
use weir_proto::control::{ExplainRequest, ExplainResponse};

use crate::commands::{
    agents, apply, cluster, completions, delete, diff, discovery, export, get, health, import,
    route, validate, watch,
};
use crate::output::Console;

/// Exit codes, for the end of the help text of the whole program.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; for diff: nothing differs
  1  refused: a document is not valid, a resource is in use, something is not safe;
     for diff: something differs
  2  wrong usage of the command line; for diff: also everything that is 1 elsewhere
  3  not found
  4  conflict: somebody else has changed the resource (--if-revision)
  5  unavailable: no control node answered in time, or the cluster has no leader
  6  not allowed: the admin key is missing, wrong, or only of a viewer
  7  an agent ended and cut off requests that were open";

/// Commands that talk to the control plane.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create or change resources from files, all in one revision
    Apply(apply::Options),
    /// Show one resource, or all of a kind
    Get(get::Options),
    /// Delete resources, all in one revision
    Delete(delete::Options),
    /// Show what apply would change
    Diff(diff::Options),
    /// Write the whole configuration as one file that import takes back
    Export(export::Options),
    /// Read a configuration file, in one revision
    Import(import::Options),
    /// Check documents without writing anything
    Validate(validate::Options),
    /// Print changes as they commit
    Watch(watch::Options),
    /// Questions about routes
    Route(route::Options),
    /// Members of the control plane
    Cluster(cluster::Options),
    /// The fleet of agents
    Agents(agents::Options),
    /// What is known from service registries
    Discovery(discovery::Options),
    /// Health of the nodes of an upstream, as the agents see it
    Health(health::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
}

/// Answers a question about documents that are not stored anywhere, or says what is wrong with
/// them (with their key) or with the question. The binary lends it: it takes the data plane.
pub type Offline = fn(
    Vec<(Key, Arc<Value>)>,
    &ExplainRequest,
) -> Result<ExplainResponse, Vec<(Option<Key>, Problem)>>;

/// Runs a command to its end. `root` is the whole program's command line, which completion
/// scripts describe. Errors are printed to stderr.
pub async fn run(command: Command, root: clap::Command, offline: Offline) -> ExitCode {
    let console = Console::of_process();
    let result = match command {
        Command::Apply(options) => apply::run(options, &console).await,
        Command::Get(options) => get::run(options, &console).await,
        Command::Delete(options) => delete::run(options, &console).await,
        Command::Diff(options) => diff::run(options, &console).await,
        Command::Export(options) => export::run(options, &console).await,
        Command::Import(options) => import::run(options, &console).await,
        Command::Validate(options) => validate::run(options, &console).await,
        Command::Watch(options) => watch::run(options, &console).await,
        Command::Route(options) => route::run(options, offline, &console).await,
        Command::Cluster(options) => cluster::run(options, &console).await,
        Command::Agents(options) => agents::run(options, &console).await,
        Command::Discovery(options) => discovery::run(options, &console).await,
        Command::Health(options) => health::run(options, &console).await,
        Command::Completions(options) => completions::run(&options, root, &console),
    };
    match result {
        Ok(code) => code.into(),
        Err(failure) => {
            console.failure(&failure);
            failure.code().into()
        }
    }
}
