//! A gateway with listeners for streams, nodes that answer, and clients.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use weir_proxy::gateway::{Gateway, GatewayConfig, StreamListener};
use weir_proxy::telemetry::access_log::AccessLog;

use crate::setup::{config, eventually, runtime, start};

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Two TCP listeners, one for TLS, two for UDP.
pub fn listeners() -> GatewayConfig {
    let listener = |tls| StreamListener {
        address: any(),
        tls,
    };
    GatewayConfig {
        http: Vec::new(),
        stream_tcp: vec![listener(false), listener(false), listener(true)],
        stream_udp: vec![any(), any()],
        ..config()
    }
}

pub struct Bed {
    pub gateway: Gateway,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bed {
    pub fn new(resources: &[(&str, Value)]) -> Self {
        Self::with(listeners(), resources)
    }

    pub fn with(config: GatewayConfig, resources: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let config = GatewayConfig {
            access_log: AccessLog::File(log.clone()),
            ..config
        };
        Self {
            gateway: start(config, Some(runtime(resources))),
            log,
            _folder: folder,
        }
    }

    pub fn tcp(&self, number: usize) -> SocketAddr {
        self.gateway.addresses().stream_tcp[number]
    }

    pub fn udp(&self, number: usize) -> SocketAddr {
        self.gateway.addresses().stream_udp[number]
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.tcp(0))
    }

    pub fn datagrams(&self) -> UdpSocket {
        let socket = UdpSocket::bind(any()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.udp(0)).unwrap();
        socket
    }

    /// The lines of the access log, once there are so many.
    pub fn lines(&self, count: usize) -> Vec<Value> {
        let read = || -> Vec<Value> {
            let text = std::fs::read_to_string(&self.log).unwrap();
            // The last one may be on its way.
            let lines = text.split_inclusive('\n');
            lines
                .filter(|line| line.ends_with('\n'))
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        eventually(&format!("{count} lines in the log"), || {
            read().len() >= count
        });
        read()
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        self.gateway.metrics_text(&mut text);
        text
    }

    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or("0").parse().unwrap()
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// What comes until the other side ends; a reset is an end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("not closed: {error}"),
        }
    }

    pub fn take(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Says something and takes the echo.
    pub fn echo(&mut self, text: &str) {
        self.send(text.as_bytes());
        assert_eq!(self.take(text.len()), text);
    }

    /// Says that nothing more will be sent. The gateway may have closed, and reset, already.
    pub fn end(&self) {
        if let Err(error) = self.0.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotConnected, "{error}");
        }
    }
}

/// A node over TCP. It lives as long as the process.
pub struct Node {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
}

impl Node {
    /// Serves each connection with `serve`, in a thread.
    pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(any()).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (serve, counter) = (Arc::new(serve), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Tells its name, then says everything back.
    pub fn echo(name: &'static str) -> Self {
        Self::serving(move |mut stream| {
            let mut from = stream.try_clone().unwrap();
            if stream.write_all(name.as_bytes()).is_ok() {
                // The gateway may go first.
                let _ = std::io::copy(&mut from, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            }
        })
    }

    pub fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A node over UDP: answers `NAME:` and what it was sent. It lives as long as the process.
pub fn datagram_node(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind(any()).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((size, from)) = socket.recv_from(&mut buffer) {
            let answer = [name.as_bytes(), b":", &buffer[..size]].concat();
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

/// A port where nobody takes datagrams.
pub fn deaf_address() -> SocketAddr {
    let socket = UdpSocket::bind(any()).unwrap();
    // It takes those of this peer only, and keeps others from the port.
    socket.connect("127.0.0.1:9").unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}
