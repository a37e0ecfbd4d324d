//! A node whose every byte is under the test's control.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the node read it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(
            found.next().is_none(),
            "{name} came twice: {:?}",
            self.headers
        );
        value
    }
}

/// What a node speaks over: a socket, in clear or encrypted.
pub trait Duplex: Read + Write + Send {
    fn limit_writes(&self, limit: Duration);
}

impl Duplex for TcpStream {
    fn limit_writes(&self, limit: Duration) {
        self.set_write_timeout(Some(limit)).unwrap();
    }
}

impl Duplex for UnixStream {
    fn limit_writes(&self, limit: Duration) {
        self.set_write_timeout(Some(limit)).unwrap();
    }
}

impl Duplex for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn limit_writes(&self, limit: Duration) {
        self.sock.limit_writes(limit);
    }
}

/// One connection of the node.
pub struct Peer {
    pub reader: BufReader<Box<dyn Duplex>>,
}

impl Peer {
    /// Reads a head; `None` at the end of the connection.
    pub fn read_head(&mut self) -> Option<Seen> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut seen = Seen {
            line: line.trim_end().to_owned(),
            ..Seen::default()
        };
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Some(seen);
            }
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            seen.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Reads a request with its body.
    pub fn read(&mut self) -> Option<Seen> {
        let mut seen = self.read_head()?;
        if let Some(length) = seen.header("content-length") {
            seen.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut seen.body).ok()?;
        } else if seen.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                self.reader.read_line(&mut line).ok()?;
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk).ok()?;
                if size == 0 {
                    break;
                }
                seen.body.extend_from_slice(&chunk[..size]);
            }
        }
        Some(seen)
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.reader.get_mut();
        stream.write_all(bytes.as_ref()).is_ok() && stream.flush().is_ok()
    }
}

/// A listening node; it lives as long as the test process.
pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Serves each connection with `serve`, in a thread of its own.
    pub fn raw(serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::over(|stream| Box::new(stream), serve)
    }

    /// The same over TLS.
    pub fn raw_tls(
        config: Arc<rustls::ServerConfig>,
        serve: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let wrap = move |stream| -> Box<dyn Duplex> {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        };
        Self::over(wrap, serve)
    }

    /// The same on a socket of the test's choice.
    pub fn on(listener: TcpListener, serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::listen(listener, |stream| Box::new(stream), serve)
    }

    fn over(
        wrap: impl Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync + 'static,
        serve: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), wrap, serve)
    }

    fn listen(
        listener: TcpListener,
        wrap: impl Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync + 'static,
        serve: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let (wrap, serve) = (Arc::new(wrap), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (wrap, serve) = (Arc::clone(&wrap), Arc::clone(&serve));
                std::thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    stream
                        .set_read_timeout(Some(Duration::from_secs(20)))
                        .unwrap();
                    let reader = BufReader::new(wrap(stream));
                    serve(&mut Peer { reader });
                });
            }
        });
        Self {
            address,
            seen: Arc::default(),
            connections,
        }
    }

    /// Answers each request with what `answer` makes of it, keeping connections.
    pub fn answering(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::default();
        let mut origin = Self::raw(keep_answering(&seen, answer));
        origin.seen = seen;
        origin
    }

    /// Answers 200 with this text, over TLS.
    pub fn text_tls(config: Arc<rustls::ServerConfig>, text: &'static str) -> Self {
        let seen = Arc::default();
        let mut origin = Self::raw_tls(config, keep_answering(&seen, move |_| ok(text)));
        origin.seen = seen;
        origin
    }

    /// Answers 200 with this text.
    pub fn text(text: &'static str) -> Self {
        Self::answering(move |_| ok(text))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the node was asked")
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn keep_answering(
    seen: &Arc<Mutex<Vec<Seen>>>,
    answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut Peer) + Send + Sync + 'static {
    let log = Arc::clone(seen);
    move |peer| {
        while let Some(request) = peer.read() {
            log.lock().unwrap().push(request.clone());
            if !peer.write(answer(&request)) {
                return;
            }
        }
    }
}

/// A complete answer with `Content-Length`.
pub fn ok(text: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

/// An address where nobody listens, and nobody can begin to.
pub fn closed_address() -> SocketAddr {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // Bound but not listening, for as long as the test process lives.
    std::mem::forget(socket);
    address
}
