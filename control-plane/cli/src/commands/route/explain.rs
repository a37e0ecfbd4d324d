//! `weir route explain`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use weir_proto::control::{ExplainRequest, ExplainResponse, ExplainedPlugin, Field};
use weir_proto::resource::Key as WireKey;

use super::super::listing::consistency;
use crate::Offline;
use crate::connection::{self, Connection, Retry};
use crate::documents::{Document, Fault, files};
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table};

/// Options of `weir route explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
The code that serves requests answers; nothing is sent anywhere. Of plugins, those whose rewrite
phase depends on nothing but the request are run: key-auth, proxy-rewrite.

Example:
  weir route explain GET http://api.example.com/v1/users?page=2 -H 'X-Version: v2'
  weir route explain POST /chat -H 'Content-Type: application/json' -d '{\"model\": \"large\"}'
  weir route explain GET /v1/users --remote-addr 10.1.2.3 --consumer jack -o yaml
  weir route explain -f config/ GET /v1/users")]
pub(crate) struct Options {
    /// Method of the request
    #[arg(value_name = "METHOD")]
    method: String,
    /// Path and query, or a whole URL
    #[arg(value_name = "URL")]
    url: String,
    /// A header; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<Field>,
    /// Body of the request
    #[arg(
        short = 'd',
        long = "data",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    body: String,
    /// Address of the client
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "",
        hide_default_value = true
    )]
    remote_addr: String,
    /// Take the request for this consumer, whatever its credentials say
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    consumer: String,
    /// How agents match: radixtree_host_uri, radixtree_uri or radixtree_uri_with_parameter
    #[arg(long, value_name = "MODE", default_value = "radixtree_host_uri")]
    router_mode: String,
    /// How many routes that are not taken are told
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    misses: u32,
    /// Ask about these files instead of the control plane; - is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
    /// What the asked node has, without asking the leader
    #[arg(long)]
    stale: bool,
}

/// Reads `NAME: VALUE`.
fn field(text: &str) -> Result<Field, String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "expected NAME: VALUE".to_owned())?;
    Ok(Field {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}

pub(crate) async fn run(
    options: Options,
    offline: Offline,
    format: Format,
    connection: &connection::Options,
    console: &Console,
) -> Result<Code, Failure> {
    let request = ExplainRequest {
        method: options.method.clone(),
        url: options.url.clone(),
        headers: options.headers,
        remote_addr: options.remote_addr,
        body: options.body.into_bytes(),
        consumer: options.consumer,
        router_mode: options.router_mode,
        max_misses: options.misses,
        consistency: consistency(options.stale).into(),
    };
    let answer = if options.files.is_empty() {
        let connection = Connection::open(connection)?;
        let asking = connection.control(Retry::Safe, |mut client| {
            let request = connection.request(request.clone());
            async move { client.explain(request).await }
        });
        asking.await?.into_inner()
    } else {
        let (documents, notes) = files::read(&options.files)?;
        for note in notes {
            console.warning(&note);
        }
        ask_offline(&documents, &request, offline)?
    };
    let shown = Shown {
        asked: format!("{} {}", options.method, options.url),
        answer,
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

fn ask_offline(
    documents: &[Document],
    request: &ExplainRequest,
    offline: Offline,
) -> Result<ExplainResponse, Failure> {
    let plain = documents.iter();
    let plain = plain.map(|document| (document.key.clone(), document.spec.clone()));
    offline(plain.collect(), request).map_err(|problems| {
        let faults = problems.into_iter().map(|(key, problem)| {
            let document = documents
                .iter()
                .find(|document| Some(&document.key) == key.as_ref());
            match document {
                Some(document) => document.fault(&problem.path, problem.message),
                None => Fault {
                    source: None,
                    key,
                    path: problem.path,
                    message: problem.message,
                },
            }
        });
        Failure::Documents(faults.collect())
    })
}

/// An explanation on its way to the screen.
pub(super) struct Shown {
    pub(super) asked: String,
    pub(super) answer: ExplainResponse,
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let mut parts = vec![self.summary(palette)];
        let answer = &self.answer;
        let mut part = |title: &str, text: String| {
            if !text.is_empty() {
                parts.push(format!("{title}\n{text}"));
            }
        };
        part("Plugins", plugins(&answer.plugins));
        if let Some(upstream) = &answer.upstream {
            let nodes = upstream.nodes.iter().map(|node| {
                let place = format!("{}:{}", node.host, node.port);
                vec![place, node.weight.to_string(), node.priority.to_string()]
            });
            let nodes: Vec<_> = nodes.collect();
            let title = format!(
                "Upstream {} ({}, {}, pass_host {})",
                name(upstream.key.as_ref()),
                upstream.r#type,
                upstream.scheme,
                upstream.pass_host
            );
            let nodes = if nodes.is_empty() {
                "no nodes".to_owned()
            } else {
                table::columns(&["NODE", "WEIGHT", "PRIORITY"], &nodes)
            };
            part(&title, nodes);
        }
        if let Some(outgoing) = &answer.outgoing {
            let mut lines = vec![format!("{} {}", outgoing.method, outgoing.uri)];
            lines.push(format!("host: {}", outgoing.host.join(" | ")));
            let fields = outgoing.headers.iter();
            lines.extend(fields.map(|field| format!("{}: {}", field.name, field.value)));
            let lines: Vec<_> = lines.iter().map(|line| table::clean(line)).collect();
            part("The node is asked", lines.join("\n"));
        }
        let misses = answer.misses.iter().map(|miss| {
            vec![
                name(miss.key.as_ref()),
                miss.uri.clone(),
                miss.condition.clone(),
                miss.expected.clone(),
                miss.actual.clone(),
            ]
        });
        let misses: Vec<_> = misses.collect();
        let mut text = table::columns(
            &["ROUTE", "URI", "CONDITION", "EXPECTED", "ACTUAL"],
            &misses,
        );
        if answer.more_misses > 0 {
            text.push_str(&format!("\nand {} more (--misses)", answer.more_misses));
        }
        part("Not taken", text);
        parts.join("\n\n")
    }

    fn data(&self) -> Value {
        data(&self.answer)
    }

    fn names(&self) -> Vec<String> {
        let route = self.answer.route.as_ref();
        route
            .map(|route| name(route.key.as_ref()))
            .into_iter()
            .collect()
    }
}

impl Shown {
    fn summary(&self, palette: Palette) -> String {
        let answer = &self.answer;
        let mut pairs = vec![("request", self.asked.clone())];
        if answer.revision > 0 {
            pairs.push(("revision", answer.revision.to_string()));
        }
        pairs.push(("router", answer.router_mode.clone()));
        if let Some(route) = &answer.route {
            let host = if route.host.is_empty() {
                "any host"
            } else {
                &route.host
            };
            let place = format!(
                "{} ({host}, {}, priority {})",
                name(route.key.as_ref()),
                route.uri,
                route.priority
            );
            pairs.push(("route", place));
            let captures = route.captures.iter();
            let captures = captures.map(|field| format!("{}={}", field.name, field.value));
            let captures: Vec<_> = captures.collect();
            if !captures.is_empty() {
                pairs.push(("captures", captures.join(", ")));
            }
            for (title, key) in [
                ("service", &route.service),
                ("plugin config", &route.plugin_config),
            ] {
                if key.is_some() {
                    pairs.push((title, name(key.as_ref())));
                }
            }
        }
        if !answer.consumer.is_empty() {
            pairs.push(("consumer", answer.consumer.clone()));
        }
        let mut text = table::pairs(&pairs);
        if !answer.reason.is_empty() {
            let end = format!(
                "answered by the gateway: {} {}",
                answer.status, answer.reason
            );
            text.push_str(&format!("\n{}", palette.bad(&end)));
        }
        for note in &answer.notes {
            text.push_str(&format!("\n{}", table::clean(note)));
        }
        text
    }
}

fn plugins(plugins: &[ExplainedPlugin]) -> String {
    let rows = plugins.iter().map(|plugin| {
        let priority = if plugin.priority == 0 {
            "-".to_owned()
        } else {
            plugin.priority.to_string()
        };
        let state = if plugin.runs { "runs" } else { "does not run" };
        let state = match plugin.note.as_str() {
            "" => state.to_owned(),
            note => format!("{state}: {note}"),
        };
        vec![
            plugin.name.clone(),
            priority,
            name(plugin.owner.as_ref()),
            state,
        ]
    });
    let rows: Vec<_> = rows.collect();
    table::columns(&["NAME", "PRIORITY", "OWNER", "STATE"], &rows)
}

/// `routes/1`, or nothing.
fn name(key: Option<&WireKey>) -> String {
    let key = key.cloned().map(weir_model::Key::try_from);
    key.and_then(Result::ok)
        .map(|key| key.to_string())
        .unwrap_or_default()
}

/// The explanation for programs.
fn data(answer: &ExplainResponse) -> Value {
    let fields = |fields: &[Field]| -> Value {
        let fields = fields.iter();
        fields
            .map(|field| json!({"name": field.name, "value": field.value}))
            .collect()
    };
    json!({
        "revision": answer.revision,
        "router_mode": answer.router_mode,
        "reason": answer.reason,
        "status": answer.status,
        "consumer": answer.consumer,
        "route": answer.route.as_ref().map(|route| json!({
            "key": name(route.key.as_ref()),
            "name": route.name,
            "uri": route.uri,
            "host": route.host,
            "priority": route.priority,
            "captures": fields(&route.captures),
            "service": name(route.service.as_ref()),
            "plugin_config": name(route.plugin_config.as_ref()),
        })),
        "plugins": answer.plugins.iter().map(|plugin| json!({
            "name": plugin.name,
            "priority": plugin.priority,
            "owner": name(plugin.owner.as_ref()),
            "runs": plugin.runs,
            "note": plugin.note,
        })).collect::<Value>(),
        "upstream": answer.upstream.as_ref().map(|upstream| json!({
            "key": name(upstream.key.as_ref()),
            "type": upstream.r#type,
            "scheme": upstream.scheme,
            "pass_host": upstream.pass_host,
            "nodes": upstream.nodes.iter().map(|node| json!({
                "host": node.host, "port": node.port, "weight": node.weight, "priority": node.priority,
            })).collect::<Value>(),
        })),
        "outgoing": answer.outgoing.as_ref().map(|outgoing| json!({
            "method": outgoing.method,
            "uri": outgoing.uri,
            "host": outgoing.host,
            "headers": fields(&outgoing.headers),
        })),
        "misses": answer.misses.iter().map(|miss| json!({
            "key": name(miss.key.as_ref()),
            "uri": miss.uri,
            "condition": miss.condition,
            "expected": miss.expected,
            "actual": miss.actual,
        })).collect::<Value>(),
        "more_misses": answer.more_misses,
        "notes": answer.notes,
    })
}
