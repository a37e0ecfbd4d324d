//! The new process: takes over from the one that runs.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use tokio::net::UnixStream;
use weir_model::Revision;
use weir_proxy::gateway::Inherited;

use super::channel::Channel;
use super::message::{Hello, Message};
use super::{Error, STEP, VERSIONS, WITH_DATAGRAMS, socket};

/// The process that runs on the data directory.
pub(crate) struct Predecessor {
    channel: Channel,
    pid: u32,
    cluster_id: String,
    revision: Revision,
    /// It died on the way.
    gone: bool,
}

/// What a process begins with.
#[derive(Default)]
pub(crate) struct Given {
    /// The locked file of the data directory; `None` when it cannot be locked.
    pub(crate) lock: Option<File>,
    /// Listening sockets of the process before.
    pub(crate) sockets: Inherited,
}

impl Given {
    /// What the first process has.
    pub(crate) fn of(lock: File) -> Self {
        Self {
            lock: Some(lock),
            ..Self::default()
        }
    }
}

impl Predecessor {
    /// Asks the process that runs on `data_dir` for its sockets.
    ///
    /// # Errors
    /// Nobody answers, or it refuses; it says why.
    pub(crate) async fn ask(data_dir: &Path, name: &str) -> anyhow::Result<(Self, Given)> {
        let path = socket(data_dir);
        let stream = UnixStream::connect(&path).await;
        let stream = stream.with_context(|| {
            format!(
                "it offers no takeover at {} (started with --takeover=never, or ending)",
                path.display()
            )
        })?;
        let mut channel = Channel::new(stream);
        if !channel.is_of(rustix::process::geteuid().as_raw())? {
            anyhow::bail!("it runs as another user");
        }
        let hello = Message::Hello(Hello {
            oldest: VERSIONS.0,
            newest: VERSIONS.1,
            pid: std::process::id(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
        });
        channel.send(&hello, STEP).await?;
        let offer = match channel.receive(STEP).await? {
            Message::Offer(offer) => offer,
            other => return Err(unexpected(&other).into()),
        };
        let mut given = channel
            .receive_descriptors(offer.sockets.saturating_add(1), STEP)
            .await?;
        let lock = Some(File::from(given.remove(0)));
        tracing::info!(
            pid = offer.pid,
            release = offer.release,
            revision = offer.revision,
            sockets = offer.sockets,
            "taking over from the running process"
        );
        let predecessor = Self {
            channel,
            pid: offer.pid,
            cluster_id: offer.cluster_id,
            revision: offer.revision,
            gone: false,
        };
        let sockets = match Inherited::new(given)? {
            sockets if offer.version < WITH_DATAGRAMS => sockets.without_datagrams(),
            sockets => sockets,
        };
        Ok((predecessor, Given { lock, sockets }))
    }

    /// Whether a state is at least as new as the one that it serves. A state of another cluster is
    /// what the operator wants now.
    pub(crate) fn is_reached(&self, cluster_id: &str, revision: Revision) -> bool {
        cluster_id != self.cluster_id || revision >= self.revision
    }

    /// Says that this process could serve; returns when the data directory is given up.
    ///
    /// # Errors
    /// It takes its offer back.
    pub(crate) async fn ready(&mut self) -> Result<(), Error> {
        self.exchange(&Message::Ready, &Message::Released).await
    }

    /// Says that this process accepts connections; returns when the other accepts none any more.
    ///
    /// # Errors
    /// It takes its offer back.
    pub(crate) async fn serving(&mut self) -> Result<(), Error> {
        self.exchange(&Message::Serving, &Message::Taken).await?;
        tracing::info!(pid = self.pid, "took over; the process before drains");
        Ok(())
    }

    /// Says why nothing comes of it.
    pub(crate) async fn refuse(mut self, reason: String) {
        // It notices the end of this process too.
        let _ = self.channel.send(&Message::Refuse { reason }, STEP).await;
    }

    async fn exchange(&mut self, say: &Message, expected: &Message) -> Result<(), Error> {
        if self.gone {
            return Ok(());
        }
        let exchange = async {
            self.channel.send(say, STEP).await?;
            self.channel.receive(STEP).await
        };
        match exchange.await {
            Ok(answer) if answer == *expected => Ok(()),
            Ok(other) => Err(unexpected(&other)),
            // It says so when it takes the offer back: this is its end.
            Err(Error::Gone) => {
                tracing::warn!(pid = self.pid, "the running process ended; going on alone");
                self.gone = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn unexpected(message: &Message) -> Error {
    Error::Unexpected(format!("{message:?}"))
}
