//! `weir health`.

use clap::Args;
use serde_json::Value;
use weir_model::{Key, Kind};
use weir_proto::convert::health::{document, is_usable, message, status};
use weir_proto::health::{AgentHealth, GetRequest, GetResponse, NodeHealth};

use super::delete::{key, unknown_kind};
use crate::connection::{self, Connection};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Format, Palette, Render, table, time};
use crate::progress::Progress;

/// Options of `weir health`.
#[derive(Debug, Args)]
#[command(after_help = "\
One row for each agent and node. An upstream that is written inside a route or service is named
by it; a route or service that refers to an upstream shows that one.

Example:
  weir health shop
  weir health upstream shop -o json
  weir health routes/1")]
pub struct Options {
    /// Id of an upstream; or a kind (upstream, route, service), or KIND/ID
    #[arg(value_name = "WHAT")]
    what: String,
    /// The id, after a kind
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let asked = wanted(&options.what, options.id.as_deref())?;
    let progress = Progress::start(console, "asking the members");
    let asking = connection.health(|mut client| {
        let request = connection.request(GetRequest {
            key: Some((&asked).into()),
            local_only: false,
        });
        async move { client.get(request).await }
    });
    let told = progress.during(asking).await?.into_inner();
    drop(progress);
    for node in &told.unreachable_nodes {
        console.warning(&format!(
            "control node {node} did not answer: what its agents see is missing"
        ));
    }
    let format = options.output.format;
    if format == Format::Table {
        let carrier = told.key.clone().map(Key::try_from).transpose()?;
        if let Some(carrier) = carrier.filter(|carrier| *carrier != asked) {
            console.note(&format!("{asked} goes to {carrier}"));
        }
        if let Some(message) = message(&told) {
            console.note(&message);
        }
    }
    let shown = Shown {
        told,
        now_ms: time::now_ms(),
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

/// What is asked for: a lone word is the id of an upstream.
fn wanted(what: &str, id: Option<&str>) -> Result<Key, Failure> {
    let key = match id {
        Some(id) => {
            let kind = Kind::parse(what).ok_or_else(|| Failure::Usage(unknown_kind(what)))?;
            Key::new(kind, id)
        }
        None if what.contains('/') => key(what)?,
        None => Key::new(Kind::Upstream, what),
    };
    if matches!(key.kind, Kind::Upstream | Kind::Route | Kind::Service) {
        return Ok(key);
    }
    Err(Failure::Usage(format!(
        "expected an upstream, route or service, got {key}: only they have nodes"
    )))
}

struct Shown {
    told: GetResponse,
    now_ms: u64,
}

impl Shown {
    fn rows(&self) -> impl Iterator<Item = (&AgentHealth, &NodeHealth)> {
        self.told.agents.iter().flat_map(|agent| {
            let nodes = agent.upstream.iter().flat_map(|upstream| &upstream.nodes);
            nodes.map(move |node| (agent, node))
        })
    }

    /// What is to be known of the upstream as a whole, one line each.
    fn remarks(&self) -> Vec<String> {
        let of = |agent: &AgentHealth| {
            let upstream = agent.upstream.as_ref()?;
            let mut remarks = Vec::new();
            if upstream.all_unhealthy {
                remarks.push(match upstream.fallback.as_str() {
                    "" => "no node is healthy".to_owned(),
                    id => format!("no node is healthy, requests go to upstream {id}"),
                });
            }
            if upstream.left_out > 0 {
                remarks.push(format!("{} more nodes are not shown", upstream.left_out));
            }
            let text = format!("{}: {}", agent.name, remarks.join("; "));
            (!remarks.is_empty()).then_some(text)
        };
        self.told.agents.iter().filter_map(of).collect()
    }
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let row = |(agent, node): (&AgentHealth, &NodeHealth)| {
            vec![
                agent.name.clone(),
                address(node),
                node.status.clone(),
                time::ago(node.since_ms, self.now_ms),
                counters(node),
                self.why(node),
            ]
        };
        let rows: Vec<_> = self.rows().map(row).collect();
        if rows.is_empty() {
            return self.remarks().join("\n");
        }
        let headers = ["AGENT", "NODE", "STATUS", "SINCE", "COUNTERS", "WHY"];
        let word = status(&self.told.agents);
        let painted = match word {
            "healthy" => palette.good(word),
            _ => palette.bad(word),
        };
        let mut parts = vec![painted, table::columns(&headers, &rows)];
        let remarks = self.remarks();
        parts.extend(remarks.iter().map(|remark| table::clean(remark)));
        parts.join("\n")
    }

    fn data(&self) -> Value {
        document(&self.told)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.rows().map(|(_, node)| address(node)).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Shown {
    fn why(&self, node: &NodeHealth) -> String {
        let mut why = Vec::new();
        if !node.reason.is_empty() {
            why.push(node.reason.clone());
        } else if !node.last_error.is_empty() {
            let ago = time::ago(node.last_error_ms, self.now_ms);
            why.push(format!("{ago} ago: {}", node.last_error));
        }
        if node.ejected_until_ms > 0 && !is_usable(node) {
            why.push(match self.ahead(node.ejected_until_ms) {
                Some(span) => format!("ejected for {span} more"),
                None => "the next request tries it out".to_owned(),
            });
        }
        if let Some(span) = self.ahead(node.slow_start_until_ms) {
            why.push(format!("slow start for {span} more"));
        }
        if why.is_empty() {
            why.push("-".to_owned());
        }
        why.join("; ")
    }

    /// How long it is until then; `None` when it is over.
    fn ahead(&self, at_ms: u64) -> Option<String> {
        let left = at_ms.checked_sub(self.now_ms).filter(|left| *left > 0)?;
        Some(time::span(std::time::Duration::from_millis(left)))
    }
}

/// `name:port`, with the address when the node is a name.
fn address(node: &NodeHealth) -> String {
    let bracketed = |host: &str| match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let shown = format!("{}:{}", bracketed(&node.host), node.port);
    match node.host == node.ip {
        true => shown,
        false => format!("{shown} ({})", node.ip),
    }
}

/// The counters that are not 0.
fn counters(node: &NodeHealth) -> String {
    let counters = node.counters.unwrap_or_default();
    let named = [
        ("success", counters.successes),
        ("http", counters.http_failures),
        ("tcp", counters.tcp_failures),
        ("timeout", counters.timeouts),
    ];
    let shown: Vec<String> = named
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    match shown.is_empty() {
        true => "-".to_owned(),
        false => shown.join(", "),
    }
}

#[cfg(test)]
mod tests;
