//! Whole commands against a control node that answers from a script: what they send, and how they
//! end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod fake;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use fake::{Fake, Reply};
use tonic::{Code, Status};
use weir_proto::control::{Refusal, change::Operation};
use weir_proto::convert::control::refused;

#[derive(Debug, Parser)]
#[command(name = "weir")]
struct Cli {
    #[command(subcommand)]
    command: weir_cli::Command,
}

/// Runs one command to its end; words are separated by single spaces.
async fn weir(server: &str, line: &str) -> ExitCode {
    let line = format!("weir {line} --server {server} --key secret --timeout 5");
    let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
    weir_cli::run(cli.command, Cli::command(), |_, _| Err(Vec::new())).await
}

fn file(dir: &Path, text: &str) -> String {
    let path = dir.join("f.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const ROUTE: &str = "kind: route\nid: 1\nuri: /\n";

#[tokio::test]
async fn an_apply_sends_everything_at_once_and_ends_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(Reply::default()).await;
    let path = file(
        dir.path(),
        "routes: [{id: 1, uri: /}]\nupstreams: [{id: u, nodes: {}}]\n",
    );
    let line = format!("apply -f {path} -m why --if-revision 7 --allow-unknown");
    assert_eq!(weir(&fake.address, &line).await, ExitCode::from(0));
    let requests = fake.applied();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.message, "why");
    assert_eq!(request.unchanged_since, 7);
    assert!(request.allow_unknown && !request.dry_run);
    let ids: Vec<_> = request
        .changes
        .iter()
        .map(|change| change.key.clone().unwrap().id)
        .collect();
    assert_eq!(ids, ["u", "1"]);
    assert_eq!(
        request.changes[1].operation,
        Some(Operation::Put(br#"{"uri":"/"}"#.to_vec()))
    );
    assert_eq!(fake.keys(), ["secret"]);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), ROUTE);
    let apply = format!("apply -f {path}");
    let end = async |status: Status, line: &str| {
        let fake = Fake::start(Reply::failing(status)).await;
        weir(&fake.address, line).await
    };
    let invalid = refused(Code::InvalidArgument, "x", &Refusal::default());
    assert_eq!(end(invalid, &apply).await, ExitCode::from(1));
    let in_use = Status::failed_precondition("in use");
    assert_eq!(end(in_use, "delete route 1").await, ExitCode::from(1));
    let absent = Status::not_found("routes/1 does not exist");
    assert_eq!(end(absent, "get route 1").await, ExitCode::from(3));
    let stale = Status::aborted("changed");
    assert_eq!(end(stale, &apply).await, ExitCode::from(4));
    let down = Status::unavailable("no leader");
    assert_eq!(end(down, &apply).await, ExitCode::from(5));
    let viewer = Status::permission_denied("viewer");
    assert_eq!(end(viewer, &apply).await, ExitCode::from(6));
    let wrong = Status::unauthenticated("wrong apikey");
    assert_eq!(end(wrong, "get route").await, ExitCode::from(6));

    let bad = file(dir.path(), "kind: rout\nid: 1\n");
    let line = format!("apply -f {bad}");
    assert_eq!(weir("127.0.0.1:1", &line).await, ExitCode::from(1));
    assert_eq!(weir("127.0.0.1:1", "get route").await, ExitCode::from(5));
    assert_eq!(weir("127.0.0.1:1", "get rout").await, ExitCode::from(2));
    assert_eq!(weir("nonsense", "get route").await, ExitCode::from(2));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_down() {
    let fake = Fake::start(Reply::default()).await;
    let servers = format!("127.0.0.1:1,{}", fake.address);
    assert_eq!(weir(&servers, "get route").await, ExitCode::from(0));
    // A read also goes on when a node has no leader; a write that was sent does not.
    let headless = Fake::start(Reply::failing(Status::unavailable("no leader"))).await;
    let servers = format!("{},{}", headless.address, fake.address);
    assert_eq!(weir(&servers, "get route").await, ExitCode::from(0));
    assert_eq!(weir(&servers, "delete route 1").await, ExitCode::from(5));
}

#[tokio::test]
async fn diff_ends_with_1_only_when_something_differs() {
    let dir = tempfile::tempdir().unwrap();
    let reply = Reply::default().with("route", "1", r#"{"id": 1, "uri": "/"}"#);
    let fake = Fake::start(reply).await;
    let same = format!("diff -f {}", file(dir.path(), ROUTE));
    assert_eq!(weir(&fake.address, &same).await, ExitCode::from(0));
    let differs = format!(
        "diff -f {}",
        file(dir.path(), "kind: route\nid: 1\nuri: /b\n")
    );
    assert_eq!(weir(&fake.address, &differs).await, ExitCode::from(1));
    let broken = format!("diff -f {}", file(dir.path(), "kind: [\n"));
    assert_eq!(weir(&fake.address, &broken).await, ExitCode::from(2));
    let down = format!("diff -f {}", file(dir.path(), ROUTE));
    assert_eq!(weir("127.0.0.1:1", &down).await, ExitCode::from(5));
}

#[tokio::test]
async fn replacing_deletes_what_is_not_named_and_asks_first() {
    let dir = tempfile::tempdir().unwrap();
    let reply = Reply::default()
        .with("upstream", "old", r#"{"nodes": {}}"#)
        .with("route", "old", r#"{"uri": "/"}"#);
    let fake = Fake::start(reply).await;
    let line = format!("import -f {} --replace", file(dir.path(), ROUTE));
    // Not a terminal, and --yes was not said.
    assert_eq!(weir(&fake.address, &line).await, ExitCode::from(2));
    assert!(fake.applied().is_empty());
    let line = format!("{line} --yes");
    assert_eq!(weir(&fake.address, &line).await, ExitCode::from(0));
    let changes: Vec<_> = fake.applied()[0]
        .changes
        .iter()
        .map(|change| {
            let key = change.key.clone().unwrap();
            let put = matches!(change.operation, Some(Operation::Put(_)));
            format!(
                "{} {}/{}",
                if put { "put" } else { "delete" },
                key.kind,
                key.id
            )
        })
        .collect();
    assert_eq!(
        changes,
        ["put route/1", "delete route/old", "delete upstream/old"]
    );
}

#[tokio::test]
async fn an_unsafe_removal_is_refused_before_anything_is_sent() {
    let fake = Fake::start(Reply::default()).await;
    // The only voter.
    assert_eq!(
        weir(&fake.address, "cluster remove 1 --yes").await,
        ExitCode::from(1)
    );
    assert_eq!(
        weir(&fake.address, "cluster remove 9 --yes").await,
        ExitCode::from(3)
    );
    assert_eq!(fake.removed(), Vec::<u64>::new());
    let forced = "cluster remove 1 --yes --force";
    assert_eq!(weir(&fake.address, forced).await, ExitCode::from(0));
    assert_eq!(fake.removed(), [1]);
    assert_eq!(
        weir(&fake.address, "agents show nobody").await,
        ExitCode::from(3)
    );
    assert_eq!(
        weir(&fake.address, "cluster status -o json").await,
        ExitCode::from(0)
    );
}

#[tokio::test]
async fn a_watch_goes_on_where_it_stopped_when_the_stream_ends() {
    let fake = Fake::start(Reply::default()).await;
    assert_eq!(
        weir(&fake.address, "watch --count 2 -o name").await,
        ExitCode::from(0)
    );
    // The fake tells one revision a stream: the second one was asked for after the first.
    assert_eq!(fake.watched(), [0, 5]);
}

#[tokio::test]
async fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let line = ["weir", "completions", shell];
        let cli = Cli::try_parse_from(line).unwrap();
        assert_eq!(
            weir_cli::run(cli.command, Cli::command(), |_, _| Err(Vec::new())).await,
            ExitCode::from(0)
        );
    }
}
