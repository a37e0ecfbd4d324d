//! A back end in the runner's own process: opens, closes, and changes what it does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answering::serve;
use super::behaviour::{Behaviour, Fault};
use super::seen::Record;
use crate::wait::until;

/// What the tasks of a node share.
pub(crate) struct State {
    pub(crate) name: String,
    behaviour: Mutex<Behaviour>,
    connections: AtomicU64,
    pub(crate) record: Record,
}

/// One back end. Dropping it closes everything.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    open: Option<DropGuard>,
    plugs: Vec<TcpStream>,
    /// Keeps the port of a node that refuses.
    reserved: Option<TcpSocket>,
}

impl Node {
    /// Opens it at `ip`.
    pub(crate) async fn start(
        name: &str,
        ip: Ipv4Addr,
        behaviour: Behaviour,
        record: &Record,
    ) -> Self {
        let address = (behaviour.ip.unwrap_or(ip), behaviour.port.unwrap_or(0));
        let fault = behaviour.fault;
        let state = State {
            name: name.to_owned(),
            behaviour: Mutex::new(behaviour),
            connections: AtomicU64::new(0),
            record: record.clone(),
        };
        let mut node = Self {
            name: name.to_owned(),
            address: SocketAddr::from(address),
            state: Arc::new(state),
            open: None,
            plugs: Vec::new(),
            reserved: None,
        };
        node.open(fault).await;
        node
    }

    /// Changes what it does from the next request on. Connections stay open unless it changes what
    /// happens before a request.
    pub(crate) async fn set(&mut self, behaviour: Behaviour) {
        let before = std::mem::replace(&mut *self.state.behaviour(), behaviour.clone());
        if self.open.is_none() || before.opens_otherwise(&behaviour) {
            self.stop();
            self.open(behaviour.fault).await;
        }
    }

    /// Closes the listener and all connections.
    pub(crate) fn stop(&mut self) {
        self.open = None;
        self.plugs.clear();
    }

    /// Opens it again.
    pub(crate) async fn restart(&mut self) {
        let fault = self.state.behaviour().fault;
        self.open(fault).await;
    }

    async fn open(&mut self, fault: Option<Fault>) {
        self.reserved = None;
        if fault == Some(Fault::Refuses) {
            // Bound but not listening: connections are refused, and no other node gets the port.
            let socket = self.bind(self.address.port() != 0, Ok).await;
            self.address = socket.local_addr().expect("address");
            self.reserved = Some(socket);
            return;
        }
        let backlog = if fault == Some(Fault::Deaf) { 0 } else { 1024 };
        let listener = self.bind(true, |socket| socket.listen(backlog)).await;
        self.address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        match fault {
            Some(Fault::Deaf) => {
                self.plugs = plugs(self.address).await;
                tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                    std::future::pending::<()>().await;
                    drop(listener);
                }));
            }
            _ => {
                let accept = accept(listener, Arc::clone(&self.state), stop.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
            }
        }
        self.open = Some(stop.drop_guard());
    }

    /// Makes something of a socket that has the node's address. The tasks that were cancelled just
    /// before may hold the old one for a moment; with `again` their ended connections do not count.
    async fn bind<T>(&self, again: bool, make: impl Fn(TcpSocket) -> std::io::Result<T>) -> T {
        let bind = || async {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(again)?;
            socket.bind(self.address)?;
            make(socket)
        };
        let what = format!("node {} has its address", self.name);
        until(&what, Duration::from_secs(10), bind).await
    }
}

/// Connections that fill the queue of a listener that does not accept.
async fn plugs(address: SocketAddr) -> Vec<TcpStream> {
    let mut plugs = Vec::new();
    let limit = Duration::from_millis(100);
    while let Ok(Ok(plug)) = tokio::time::timeout(limit, TcpStream::connect(address)).await {
        plugs.push(plug);
        assert!(plugs.len() < 64, "the queue of {address} does not fill");
    }
    plugs
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = state.connections.fetch_add(1, Ordering::Relaxed);
        let serve = serve(stream, Arc::clone(&state), connection);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
    }
}

impl State {
    pub(crate) fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do with the next request, which is for `path`.
    pub(crate) fn next(&self, path: &str) -> Behaviour {
        let mut behaviour = self.behaviour();
        let path = path.split('?').next().unwrap_or_default();
        if let Some(known) = behaviour.paths.get(path) {
            return known.clone();
        }
        if behaviour.first.is_empty() {
            return behaviour.clone();
        }
        behaviour.first.remove(0)
    }
}
