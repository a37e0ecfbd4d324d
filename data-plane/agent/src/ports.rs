//! The ports of an agent besides those of the gateway.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context as _;
use tokio::net::TcpListener;
use weir_proxy::gateway::Inherited;

use crate::config::Settings;

/// Listening sockets, not served yet.
pub(crate) struct Ports {
    /// Health, metrics and status.
    pub(crate) status: TcpListener,
    /// Metrics of the prometheus plugin, when they have a port of their own.
    pub(crate) export: Option<TcpListener>,
}

impl Ports {
    /// Binds them, or takes those that another process had.
    ///
    /// # Errors
    /// The address, with the option that names it.
    pub(crate) async fn bind(
        settings: &Settings,
        inherited: &mut Inherited,
    ) -> anyhow::Result<Self> {
        let status = bind("status", settings.status, inherited).await?;
        let prometheus = &settings.statics.prometheus;
        let own = prometheus.address.filter(|_| prometheus.enabled);
        let export = match own.filter(|address| *address != settings.status) {
            Some(address) => {
                let option = "plugin_attr.prometheus.export_addr";
                Some(bind(option, address, inherited).await?)
            }
            None => None,
        };
        Ok(Self { status, export })
    }

    /// Second descriptors of the sockets.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub(crate) fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let sockets = [Some(&self.status), self.export.as_ref()];
        let sockets = sockets.into_iter().flatten();
        sockets
            .map(|socket| socket.as_fd().try_clone_to_owned())
            .collect()
    }
}

async fn bind(
    option: &str,
    address: SocketAddr,
    inherited: &mut Inherited,
) -> anyhow::Result<TcpListener> {
    let bound = match inherited.take(address).pop() {
        Some(passed) => passed
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(passed)),
        None => TcpListener::bind(address).await,
    };
    bound.with_context(|| format!("cannot listen on {address} (option `{option}`)"))
}
