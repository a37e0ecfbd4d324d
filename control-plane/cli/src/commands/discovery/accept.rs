//! `weir discovery accept`.

use clap::Args;
use serde_json::{Value, json};
use weir_proto::discovery::AcceptRequest;

use super::warn_of_silent;
use crate::connection::{Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render};
use crate::progress::Progress;

/// Options of `weir discovery accept`.
#[derive(Debug, Args)]
#[command(after_help = "\
A registry that says at once that a service has lost more than half of its endpoints is not
believed for a grace time. This believes it now, at every control node.

Example:
  weir discovery accept web
  weir discovery accept --all --registry main")]
pub(crate) struct Options {
    /// Name of the service in its registry
    #[arg(
        value_name = "SERVICE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    service: Option<String>,
    /// Of every service
    #[arg(long)]
    all: bool,
    /// Only of this registry, by name or type
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
}

pub(crate) async fn run(
    options: &Options,
    format: Format,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let service = options.service.clone().unwrap_or_default();
    let progress = Progress::start(console, "asking the members");
    let asking = connection.discovery(Retry::Unsent, |mut client| {
        let request = connection.request(AcceptRequest {
            registry: options.registry.clone().unwrap_or_default(),
            service: service.clone(),
            local_only: false,
        });
        async move { client.accept(request).await }
    });
    let answer = progress.during(asking).await?.into_inner();
    drop(progress);
    warn_of_silent(console, &answer.unreachable_nodes);
    if answer.accepted.is_empty() {
        return Err(Failure::NotFound(match options.service {
            Some(_) => format!("no answer for the service {service:?} is held back"),
            None => "no answer is held back".to_owned(),
        }));
    }
    let shown = Shown(answer.accepted);
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

/// Keys of the lookups.
struct Shown(Vec<String>);

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let lines: Vec<_> = self
            .0
            .iter()
            .map(|key| {
                let key = crate::output::table::clean(key);
                format!("{} {key}", palette.good("taken:"))
            })
            .collect();
        lines.join("\n")
    }

    fn data(&self) -> Value {
        json!({"accepted": self.0})
    }

    fn names(&self) -> Vec<String> {
        self.0.clone()
    }
}
