//! Commands of a document, run as a reader would run them.
//!
//! A block that starts with three backticks and `sh` is run; `sh background` is started and left
//! running; `sh manual` is not run. A block of `text` after a command is what it prints.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, weir_binary};

/// A block of commands.
#[derive(Debug)]
pub struct Block {
    /// Whether it goes on running.
    pub background: bool,
    /// The commands.
    pub script: String,
    /// What the document says they print.
    pub prints: Option<String>,
}

/// The blocks of a document, or of a part of one, that are run.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let body = body.join("\n") + "\n";
        match tag {
            "sh" | "sh background" => found.push(Block {
                background: tag == "sh background",
                script: body,
                prints: None,
            }),
            "text" => {
                if let Some(last) = found.last_mut() {
                    last.prints = Some(body);
                }
            }
            _ => {}
        }
    }
    found
}

/// Makes `dir` look like a checkout in which the binary was built, with links to these paths.
pub fn checkout(dir: &Path, paths: &[&str]) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a repository");
    for path in paths {
        symlink(repository.join(path), dir.join(path)).expect("a link");
    }
    std::fs::create_dir_all(dir.join("target/debug")).expect("target/debug");
    symlink(weir_binary(), dir.join("target/debug/weir")).expect("a link");
}

/// A shell that runs `script` in `dir`.
pub fn bash(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("bash");
    // The binary is built already: `cargo build` of `make run` has nothing to do here.
    command
        .args(["-euc", script])
        .current_dir(dir)
        .env("CARGO", "true")
        .env("CARGO_TARGET_DIR", "target");
    for name in ["WEIR_ADMIN_KEY", "WEIR_SERVER", "WEIR_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Starts a block with `exec`, so that the process can be ended by its pid.
pub fn start(dir: &Path, script: &str, name: &str) -> Process {
    let script = format!("exec {}", script.trim());
    Process::start_group(name, bash(dir, &script), dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_with_what_they_print() {
        let text = "a\n```sh background\nrun\n```\n```sh manual\nno\n```\n```sh\necho 1\n```\nb\n\n```text\n1\n```\n";
        let found = blocks(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].background && found[0].prints.is_none());
        assert_eq!(found[1].script, "echo 1\n");
        assert_eq!(found[1].prints.as_deref(), Some("1\n"));
    }
}
