//! Questions before something that can hurt.

use std::io::BufRead;

use crate::exit::Failure;
use crate::output::Console;

/// Asks on a terminal and takes only `y` or `yes`. Without a terminal the operator must have said
/// `--yes`.
pub(crate) fn confirm(console: &Console, question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !console.can_ask {
        return Err(Failure::Usage(format!(
            "{question} (not a terminal: say --yes to go on)"
        )));
    }
    console.note(&format!("{question} [y/N]"));
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::io("stdin", error))?;
    if agrees(&line) {
        Ok(())
    } else {
        Err(Failure::Declined("nothing was changed".to_owned()))
    }
}

fn agrees(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(agrees("y\n") && agrees("YES\r\n"));
        assert!(!agrees("") && !agrees("yep") && !agrees("n\n"));
    }
}
