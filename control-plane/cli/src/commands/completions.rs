//! `weir completions`.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::{Code, Failure};
use crate::output::Console;

/// Options of `weir completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir completions bash > /etc/bash_completion.d/weir
  weir completions fish > ~/.config/fish/completions/weir.fish")]
pub struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(
    options: &Options,
    mut root: clap::Command,
    console: &Console,
) -> Result<Code, Failure> {
    let name = root.get_name().to_owned();
    let mut script = Vec::new();
    generate(options.shell, &mut root, name, &mut script);
    console.data(&String::from_utf8_lossy(&script))?;
    Ok(Code::Done)
}
