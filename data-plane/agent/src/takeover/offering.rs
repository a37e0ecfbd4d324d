//! The running process: gives its sockets to the next one.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::message::{Hello, Message, Offer, common_version};
use super::{Error, PATIENCE, STEP, VERSIONS, WITH_DATAGRAMS, socket};
use crate::plane::Plane;

/// The socket in the data directory where the next process asks.
pub(crate) struct Offering {
    listener: UnixListener,
}

/// What the running process gives away.
pub(crate) struct Running {
    pub(crate) plane: Arc<Plane>,
    pub(crate) name: String,
    pub(crate) lock: File,
    /// Sockets besides those of the gateway.
    pub(crate) sockets: Vec<OwnedFd>,
    /// Set when the next process serves.
    pub(crate) succeeded: CancellationToken,
    /// This process ends for another reason.
    pub(crate) ending: CancellationToken,
}

impl Offering {
    /// Listens in `data_dir`, in place of whoever listened there before.
    ///
    /// # Errors
    /// What the file system said; a path of more than 107 bytes is too long for a socket.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let path = socket(data_dir);
        let beside = path.with_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
        fs::rename(&beside, &path)?;
        Ok(Self { listener })
    }

    /// Answers until a process has taken over or this one ends.
    pub(crate) async fn run(self, running: Running) {
        let running = Arc::new(running);
        // One at a time; others hear so.
        let turn = Arc::new(Semaphore::new(1));
        let mut asking = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = running.succeeded.cancelled() => break,
                () = running.ending.cancelled() => break,
                Some(_) = asking.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (running, turn) = (Arc::clone(&running), Arc::clone(&turn));
                    asking.spawn(async move { running.answer(stream, &turn).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection that asks for a takeover");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
        // Whoever still asks is told why it ends.
        while asking.join_next().await.is_some() {}
    }
}

impl Running {
    async fn answer(&self, stream: UnixStream, turn: &Semaphore) {
        let mut channel = Channel::new(stream);
        let given = match turn.try_acquire() {
            Ok(_turn) => self.give(&mut channel).await,
            Err(_) => Err(Error::Refused("another process is taking over".to_owned())),
        };
        let Err(error) = given else {
            return;
        };
        tracing::warn!("takeover failed, this process goes on: {error}");
        let reason = error.to_string();
        let _ = channel.send(&Message::Refuse { reason }, STEP).await;
    }

    async fn give(&self, channel: &mut Channel) -> Result<(), Error> {
        if !channel.is_of(rustix::process::geteuid().as_raw())? {
            return Err(Error::Refused(
                "the new process runs as another user".to_owned(),
            ));
        }
        let hello = match channel.receive(STEP).await? {
            Message::Hello(hello) => hello,
            other => return Err(unexpected(&other)),
        };
        let version = self.check(&hello).map_err(Error::Refused)?;
        tracing::info!(
            pid = hello.pid,
            release = hello.release,
            "a new process takes over"
        );
        let mut descriptors: Vec<OwnedFd> = vec![self.lock.try_clone()?.into()];
        descriptors.extend(self.plane.gateway.sockets(version >= WITH_DATAGRAMS)?);
        for socket in &self.sockets {
            descriptors.push(socket.try_clone()?);
        }
        self.plane.flush().await;
        let (cluster_id, revision) = {
            let facts = self.plane.facts.lock();
            (facts.cluster_id.clone(), facts.revision)
        };
        let offer = Message::Offer(Offer {
            version,
            pid: std::process::id(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id,
            revision,
            sockets: descriptors.len().saturating_sub(1),
        });
        channel.send(&offer, STEP).await?;
        channel.send_descriptors(&descriptors, STEP).await?;
        drop(descriptors);
        let ready = tokio::select! {
            ready = channel.receive(PATIENCE) => ready?,
            () = self.ending.cancelled() => {
                return Err(Error::Refused("the running process was told to end".to_owned()));
            }
        };
        if ready != Message::Ready {
            return Err(unexpected(&ready));
        }
        self.plane.release().await;
        let taken = self.let_go(channel).await;
        if taken.is_err() {
            self.plane.claim().await;
        }
        taken
    }

    /// From here on the data directory belongs to the new process, unless it fails.
    async fn let_go(&self, channel: &mut Channel) -> Result<(), Error> {
        channel.send(&Message::Released, STEP).await?;
        match channel.receive(STEP).await? {
            Message::Serving => {}
            other => return Err(unexpected(&other)),
        }
        tracing::info!("the new process serves; draining");
        self.succeeded.cancel();
        // It serves whether it hears of this or not.
        let _ = channel.send(&Message::Taken, STEP).await;
        Ok(())
    }

    fn check(&self, hello: &Hello) -> Result<u32, String> {
        if hello.name != self.name {
            return Err(format!(
                "agent {:?} runs on this data directory, not {:?}: give every agent its own",
                self.name, hello.name
            ));
        }
        common_version(hello, VERSIONS)
    }
}

fn unexpected(message: &Message) -> Error {
    Error::Unexpected(format!("{message:?}"))
}
