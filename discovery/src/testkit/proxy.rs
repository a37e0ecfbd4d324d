//! A TCP proxy that can misbehave.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

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
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target`, which may change its mind about being there.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let faults = Arc::clone(&fault);
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let mut faults = faults.subscribe();
                let fault = *faults.borrow_and_update();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve(client, target, fault) => {}
                        _ = faults.changed() => {}
                    }
                });
            }
        });
        Self {
            address,
            fault,
            task,
        }
    }

    /// Misbehaves from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
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
