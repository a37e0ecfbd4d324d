//! The command line as clap sees it: consistent, and with an example in the help of every command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use clap::{CommandFactory, Parser};

/// The top level as the binary has it, without its own commands.
#[derive(Debug, Parser)]
#[command(name = "weir", after_help = weir_cli::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: weir_cli::Command,
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_every_command_has_an_example() {
    fn visit(path: &str, command: &mut clap::Command, seen: &mut Vec<String>) {
        let help = command.render_long_help().to_string();
        let example = format!("Example:\n  weir {path}");
        let piped = help.contains(&format!("| weir {path}"));
        assert!(help.contains(&example) || piped, "weir {path}:\n{help}");
        seen.push(path.to_owned());
        for inner in command.get_subcommands_mut() {
            let name = inner.get_name().to_owned();
            if name != "help" {
                visit(&format!("{path} {name}"), inner, seen);
            }
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut seen = Vec::new();
    for command in root.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        if name != "help" {
            visit(&name, command, &mut seen);
        }
    }
    assert_eq!(
        seen,
        [
            "apply",
            "get",
            "delete",
            "diff",
            "export",
            "import",
            "validate",
            "watch",
            "route",
            "route explain",
            "cluster",
            "cluster status",
            "cluster add",
            "cluster promote",
            "cluster remove",
            "cluster transfer-leader",
            "agents",
            "agents list",
            "agents show",
            "discovery",
            "discovery list",
            "discovery show",
            "discovery test",
            "discovery accept",
            "health",
            "completions",
        ]
    );
}

#[test]
fn the_connection_may_be_named_before_or_after_an_inner_command() {
    for line in [
        "weir get route 1 --server 127.0.0.1:1 --key k --timeout 2 -o json",
        "weir cluster --server 127.0.0.1:1 status -o json",
        "weir cluster status --server 127.0.0.1:1,127.0.0.2:1",
        "weir agents show edge-1 --key-file f",
        "weir apply -f a.yaml -f dir --dry-run --if-revision 7 -m why --allow-unknown",
        "weir delete route 1 2 --force",
        "weir discovery test -f - --registry main --via-server web -o json",
        "weir discovery accept --all --registry main",
        "weir import -f - --replace --yes",
        "weir route explain GET /a --remote-addr 10.0.0.1 --server 127.0.0.1:1 -o json",
        "weir route explain GET /a -H a:b -d x -f a.yaml --misses 3",
    ] {
        let parsed = Cli::try_parse_from(line.split(' '));
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    }
}

#[test]
fn what_does_not_fit_together_is_a_usage_error() {
    for line in [
        "weir apply",
        "weir delete",
        "weir discovery accept",
        "weir discovery accept web --all",
        "weir discovery test web",
        "weir delete -f a route 1",
        "weir get route --key a --key-file b",
        "weir get route -o csv",
        "weir cluster remove 0",
        "weir watch --kind rout",
        "weir get route --timeout 0",
        "weir route explain GET",
        "weir route explain GET / -H a",
        "weir route explain GET / --misses 0",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
