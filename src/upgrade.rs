//! SIGUSR2: the program is started once more, as this process was started, and takes over from it.
//! So a new binary, or changed options in a file, come into use without a refused connection.

use std::ffi::OsString;

use anyhow::Context;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Starts a new process on every SIGUSR2, one at a time.
///
/// # Errors
/// When the handler cannot be installed.
pub(crate) fn on_signal() -> anyhow::Result<()> {
    let signals = signal(SignalKind::user_defined2()).context("SIGUSR2 handler")?;
    tokio::spawn(start_on(signals));
    Ok(())
}

async fn start_on(mut signals: Signal) {
    // The path as it was given: what it leads to may be another file when the signal comes.
    let (program, arguments) = {
        let mut arguments = std::env::args_os();
        let program = arguments.next().unwrap_or_else(|| OsString::from("weir"));
        (program, arguments.collect::<Vec<OsString>>())
    };
    while signals.recv().await.is_some() {
        tracing::info!(?program, "SIGUSR2: starting a new process");
        let ended = match Command::new(&program).args(&arguments).spawn() {
            Ok(mut process) => process.wait().await,
            Err(error) => Err(error),
        };
        // When it took over, this process is gone before it.
        match ended {
            Ok(status) => tracing::error!(%status, "the new process ended, this one goes on"),
            Err(error) => tracing::error!(%error, ?program, "cannot start a new process"),
        }
    }
}
