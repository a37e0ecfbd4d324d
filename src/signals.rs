//! SIGTERM and SIGINT as cancellation tokens.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use weir_agent::Shutdown;

/// Exit code of a process that was told to end at once.
const AT_ONCE: i32 = 130;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM handler")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT handler")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A token that is cancelled by the first signal. A second one ends the process at once.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn shutdown() -> anyhow::Result<CancellationToken> {
    let mut signals = Signals::install()?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("shutting down; a second signal ends the process at once");
        cancelled.cancel();
        signals.next().await;
        std::process::exit(AT_ONCE);
    });
    Ok(token)
}

/// The first signal begins the end, the second one cuts it short, the third one ends the process
/// at once.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn stages() -> anyhow::Result<Shutdown> {
    let mut signals = Signals::install()?;
    let shutdown = Shutdown::default();
    let stages = shutdown.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("shutting down; a second signal cuts off what is open");
        stages.begin.cancel();
        signals.next().await;
        tracing::warn!("second signal: what is open is cut off");
        stages.hurry.cancel();
        signals.next().await;
        std::process::exit(AT_ONCE);
    });
    Ok(shutdown)
}
