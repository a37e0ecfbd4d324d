//! A TCP proxy that can misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the proxy does wrong. A change cuts all connections of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections end at once.
    Refuse,
    /// Connections are taken, and nothing ever comes back.
    Hang,
    /// So many bytes come back, then the connection ends.
    Truncate(usize),
    /// Something else comes back.
    Garbage,
}

/// The proxy. Dropping it ends it and its connections.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    fault: Arc<watch::Sender<Fault>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Proxy {
    /// A proxy to `target`, which may change its mind about being there.
    pub async fn start(target: SocketAddr) -> Self {
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let mut tasks = JoinSet::new();
        let address = listen(target, Arc::clone(&fault), &mut tasks).await;
        Self {
            address,
            fault,
            tasks: Mutex::new(tasks),
        }
    }

    /// The way to one more target, where the same goes wrong; says where it listens.
    pub async fn also(&self, target: SocketAddr) -> SocketAddr {
        let mut tasks = JoinSet::new();
        let address = listen(target, Arc::clone(&self.fault), &mut tasks).await;
        let mut all = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        all.spawn(async move { while tasks.join_next().await.is_some() {} });
        address
    }

    /// Misbehaves from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Takes connections to `target` as long as `tasks` lives.
async fn listen(
    target: SocketAddr,
    fault: Arc<watch::Sender<Fault>>,
    tasks: &mut JoinSet<()>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tasks.spawn(async move {
        loop {
            let Ok((client, _)) = listener.accept().await else {
                continue;
            };
            let mut faults = fault.subscribe();
            let fault = *faults.borrow_and_update();
            tokio::spawn(async move {
                tokio::select! {
                    _ = serve(client, target, fault) => {}
                    _ = faults.changed() => {}
                }
            });
        }
    });
    address
}

async fn serve(mut client: TcpStream, target: SocketAddr, fault: Fault) -> std::io::Result<()> {
    match fault {
        Fault::Refuse => return Ok(()),
        Fault::Hang => {
            let mut sink = [0; 1024];
            while client.read(&mut sink).await? > 0 {}
            return Ok(());
        }
        Fault::Garbage => {
            let mut sink = [0; 1024];
            let _ = client.read(&mut sink).await?;
            return client
                .write_all(b"\0\x01 this is nothing that anybody speaks \xff\r\n\r\n")
                .await;
        }
        Fault::None | Fault::Truncate(_) => {}
    }
    let mut server = TcpStream::connect(target).await?;
    let Fault::Truncate(limit) = fault else {
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    };
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let mut first = from_server.take(limit as u64);
    tokio::select! {
        copied = tokio::io::copy(&mut first, &mut to_client) => { copied?; }
        copied = tokio::io::copy(&mut from_client, &mut to_server) => { copied?; }
    }
    Ok(())
}
