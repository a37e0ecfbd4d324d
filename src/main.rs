//! The one binary: parses arguments and hands over to the control node, the agent, both in one
//! process, or the command line.

mod banner;
mod demo;
mod dev;
mod signals;
mod upgrade;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use mimalloc::MiMalloc;
use weir_control::telemetry::{self, Format};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// API gateway with a replicated control plane
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, after_help = weir_cli::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a control node, an agent and a demo back end in one process
    Dev(dev::Options),
    /// Start a control node
    #[command(
        after_help = "Example:\n  weir control --node-id 1 --data-dir /var/lib/weir --bootstrap"
    )]
    Control(Box<weir_control::Options>),
    /// Start a data-plane agent
    #[command(
        after_help = "Example:\n  weir agent --control 10.0.0.1:9181,10.0.0.2:9181 --region eu-1"
    )]
    Agent(weir_agent::Options),
    #[command(flatten)]
    Operate(weir_cli::Command),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let served = match command {
            Command::Operate(command) => {
                return weir_cli::run(command, Cli::command(), weir_control::explain::offline)
                    .await;
            }
            Command::Dev(options) => dev::run(options).await.map(|()| ExitCode::SUCCESS),
            Command::Control(options) => control(*options).await.map(|()| ExitCode::SUCCESS),
            Command::Agent(options) => agent(options).await,
        };
        match served {
            Ok(code) => {
                eprintln!("weir: stopped");
                code
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    })
}

async fn agent(options: weir_agent::Options) -> anyhow::Result<ExitCode> {
    let format = match options.log_format {
        weir_agent::LogFormat::Text => Format::Text,
        weir_agent::LogFormat::Json => Format::Json,
    };
    telemetry::init(&options.log, format).map_err(anyhow::Error::msg)?;
    upgrade::on_signal()?;
    let ended = weir_agent::run(options, signals::stages()?).await?;
    Ok(if ended.cut_off == 0 {
        ExitCode::SUCCESS
    } else {
        weir_cli::exit::Code::CutOff.into()
    })
}

async fn control(options: weir_control::Options) -> anyhow::Result<()> {
    weir_control::run(options, signals::shutdown()?).await
}
