//! `weir watch`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use weir_model::{Key, Kind, Resource};
use weir_proto::control::{WatchRequest, WatchResponse};
use weir_proto::convert;

use super::delete::unknown_kind;
use super::listing::envelope;
use crate::connection::{self, Connection, Retry};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Format, Palette, table, time, yaml};

/// First and longest pause before a lost stream is opened again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Options of `weir watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line a change; with -o json one object a line. When the control node goes away, the
watch goes on at the next one, where it stopped. Ctrl-C ends it.

Example:
  weir watch
  weir watch --kind route,upstream --from 1200 -o json")]
pub struct Options {
    /// Only these kinds
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<Kind>,
    /// Start with the changes after this revision, not with the next one
    #[arg(
        long,
        value_name = "REVISION",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u64,
    /// End after this many revisions
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::parse(word).ok_or_else(|| unknown_kind(word))
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let mut from = options.from;
    let mut left = options.count.unwrap_or(u64::MAX);
    let mut opened = false;
    let mut pause = PAUSE.0;
    while left > 0 {
        let opening = connection.control(Retry::Safe, |mut client| {
            let request = WatchRequest {
                kinds: options
                    .kinds
                    .iter()
                    .map(|kind| kind.name().to_owned())
                    .collect(),
                from_revision: from,
            };
            async move { client.watch(request).await }
        });
        let failure = match opening.await {
            Ok(stream) => {
                if opened {
                    console.note("connected again");
                }
                opened = true;
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(change)) => {
                            pause = PAUSE.0;
                            let more = change.more;
                            let revision = change.revision;
                            let text =
                                Change::new(change)?.text(options.output.format, console.palette);
                            if !console.data_or_gone(&text)? {
                                return Ok(Code::Done);
                            }
                            if !more {
                                from = from.max(revision);
                                left = left.saturating_sub(u64::from(!text.is_empty()));
                            }
                            if left == 0 {
                                return Ok(Code::Done);
                            }
                        }
                        Ok(None) => break Failure::Unreachable("the stream has ended".to_owned()),
                        Err(status) => break status.into(),
                    }
                }
            }
            Err(failure) => failure,
        };
        if !opened || failure.code() != Code::Unavailable {
            return Err(failure);
        }
        console.note(&format!("{failure}; trying again"));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
    Ok(Code::Done)
}

/// One revision, or a part of it.
struct Change {
    revision: u64,
    at_ms: u64,
    author: String,
    message: String,
    full: bool,
    upserts: Vec<Resource>,
    superseded: Vec<Key>,
    removals: Vec<Key>,
}

impl Change {
    fn new(change: WatchResponse) -> Result<Self, convert::Error> {
        let keys = |keys: Vec<weir_proto::resource::Key>| {
            keys.into_iter()
                .map(Key::try_from)
                .collect::<Result<_, _>>()
        };
        Ok(Self {
            revision: change.revision,
            at_ms: change.at_ms,
            author: change.author,
            message: change.message,
            full: change.full,
            upserts: change
                .upserts
                .into_iter()
                .map(Resource::try_from)
                .collect::<Result<_, _>>()?,
            superseded: keys(change.superseded)?,
            removals: keys(change.removals)?,
        })
    }

    fn events(&self) -> Vec<(&'static str, &Key, Option<&Resource>)> {
        let upserts = self.upserts.iter().map(|resource| {
            let word = match (self.full, resource.created == self.revision) {
                (true, _) => "present",
                (false, true) => "created",
                (false, false) => "changed",
            };
            (word, &resource.key, Some(resource))
        });
        let superseded = self.superseded.iter().map(|key| ("superseded", key, None));
        let removals = self.removals.iter().map(|key| ("deleted", key, None));
        upserts.chain(superseded).chain(removals).collect()
    }

    fn text(&self, format: Format, palette: Palette) -> String {
        let mut text = String::new();
        match format {
            Format::Table => {
                for (word, key, _) in self.events() {
                    let shown = format!("{word:<10}");
                    let shown = match word {
                        "created" => palette.good(&shown),
                        "deleted" => palette.bad(&shown),
                        "changed" => palette.changed(&shown),
                        _ => shown,
                    };
                    let by = [&self.author, &self.message].map(|part| table::clean(part));
                    let line = format!(
                        "{:>8}  {}  {shown}  {}  {}",
                        self.revision,
                        if self.at_ms == 0 {
                            "-".to_owned()
                        } else {
                            time::stamp(self.at_ms)
                        },
                        table::clean(&key.to_string()),
                        by.join("  ").trim_end()
                    );
                    text.push_str(line.trim_end());
                    text.push('\n');
                }
            }
            Format::Json => {
                if let Some(data) = self.data() {
                    text = data.to_string() + "\n";
                }
            }
            Format::Yaml => {
                if let Some(data) = self.data() {
                    text = format!("---\n{}", yaml::text(&data));
                }
            }
            Format::Name => {
                for (_, key, _) in self.events() {
                    text.push_str(&format!("{key}\n"));
                }
            }
        }
        text
    }

    fn data(&self) -> Option<Value> {
        let changes: Vec<_> = self
            .events()
            .into_iter()
            .map(|(word, key, resource)| {
                let mut entry = json!({
                    "effect": word,
                    "kind": key.kind.name(),
                    "id": &*key.id,
                });
                if let (Some(resource), Some(entry)) = (resource, entry.as_object_mut()) {
                    entry.insert("resource".to_owned(), envelope(resource));
                }
                entry
            })
            .collect();
        (!changes.is_empty()).then(|| {
            json!({
                "revision": self.revision,
                "at_ms": self.at_ms,
                "author": self.author,
                "message": self.message,
                "full": self.full,
                "changes": changes,
            })
        })
    }
}

#[cfg(test)]
mod tests;
