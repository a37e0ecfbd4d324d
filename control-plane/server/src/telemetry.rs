//! Sets up logging for any process of ours: control node, agent, `weir dev`.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};
use weir_plugins::error_log_logger::Tap;

/// Form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Installs the process-wide subscriber; lines go to standard error. `filter` is a level or a list
/// such as `weir_raft=debug,info`.
///
/// The first call wins: later ones (a second node in one process, tests) change nothing and return
/// `Ok(false)`.
///
/// # Errors
/// The text of what is wrong with the filter.
pub fn init(filter: &str, format: Format) -> Result<bool, String> {
    let filter = EnvFilter::try_new(quieted(filter))
        .map_err(|error| format!("log filter {filter:?} is not valid: {error}"))?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let filtered = tracing_subscriber::registry().with(filter).with(Tap);
    let installed = match format {
        Format::Text => filtered.with(lines.with_ansi(false)).try_init(),
        Format::Json => filtered.with(lines.json().flatten_event(true)).try_init(),
    };
    Ok(installed.is_ok())
}

/// The filter with openraft held to warnings, unless it says something about it: at `info` its
/// lines show whole states.
fn quieted(filter: &str) -> String {
    if filter.contains("openraft") {
        filter.to_owned()
    } else {
        format!("{filter},openraft=warn")
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, init, quieted};

    #[test]
    fn it_may_be_set_up_twice() {
        assert!(init("warn", Format::Text).is_ok());
        assert_eq!(init("info", Format::Json), Ok(false));
        assert!(init("=,=", Format::Text).is_err());
    }

    #[test]
    fn openraft_speaks_when_asked() {
        assert_eq!(quieted("info"), "info,openraft=warn");
        assert_eq!(quieted("info,openraft=debug"), "info,openraft=debug");
    }
}
