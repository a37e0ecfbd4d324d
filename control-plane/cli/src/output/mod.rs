//! Where output goes and what it looks like. The only module that writes to stdout and stderr.

pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod yaml;

use std::io::{ErrorKind, IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::exit::Failure;

/// Form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// One name a line, as other commands take it
    Name,
}

/// The option that chooses the form.
#[derive(Debug, Clone, Copy, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Form of the output
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        value_enum,
        default_value = "table",
        help_heading = "Output",
        global = true
    )]
    pub(crate) format: Format,
}

/// One answer in all of its forms; only the one that is asked for is made.
pub(crate) trait Render {
    /// Columns for people, with colours where `palette` has them.
    fn table(&self, palette: Palette) -> String;
    /// The same data for programs.
    fn data(&self) -> Value;
    /// Names, one each.
    fn names(&self) -> Vec<String>;

    /// The same data as YAML documents.
    fn documents(&self) -> Vec<Value> {
        vec![self.data()]
    }

    /// The text of one form, with a line end unless it is empty.
    fn text(&self, format: Format, palette: Palette) -> String {
        let mut text = match format {
            Format::Table => self.table(palette),
            Format::Json => json::pretty(&self.data()),
            Format::Yaml => yaml::stream(&self.documents()),
            Format::Name => self.names().join("\n"),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    on: bool,
}

impl Palette {
    /// No colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Palette = Palette { on: false };

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn changed(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The process's stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// Colours of stdout.
    pub palette: Palette,
    /// Whether stderr is a terminal: progress is shown there.
    pub err_terminal: bool,
    /// Whether somebody can answer a question.
    pub can_ask: bool,
    err_palette: Palette,
}

impl Console {
    /// Looks at what the process was given. Colours are for terminals, and off where `NO_COLOR` is set.
    pub(crate) fn of_process() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let err_terminal = std::io::stderr().is_terminal();
        Self {
            palette: Palette {
                on: wanted && std::io::stdout().is_terminal(),
            },
            err_palette: Palette {
                on: wanted && err_terminal,
            },
            err_terminal,
            can_ask: err_terminal && std::io::stdin().is_terminal(),
        }
    }

    /// Writes data to stdout. A reader that has gone away is no error: it had enough.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::io("stdout", error)),
            Ok(()) => Ok(()),
        }
    }

    /// Whether stdout still has a reader; for commands that go on for ever.
    pub(crate) fn data_or_gone(&self, text: &str) -> Result<bool, Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::io("stdout", error)),
            Ok(()) => Ok(true),
        }
    }

    /// Says something to the operator.
    pub(crate) fn note(&self, text: &str) {
        // Nobody to tell when stderr is closed.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Warns the operator; the command goes on.
    pub(crate) fn warning(&self, text: &str) {
        self.note(&format!("{} {text}", self.err_palette.changed("warning:")));
    }

    /// Says why the command failed, one line for each reason.
    pub(crate) fn failure(&self, failure: &Failure) {
        for line in failure.to_string().lines() {
            self.note(&format!(
                "{} {}",
                self.err_palette.bad("error:"),
                table::clean(line)
            ));
        }
    }
}

#[cfg(test)]
mod tests;
