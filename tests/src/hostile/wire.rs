//! One connection of a hostile client: bytes out, answers in, by the strict reader.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use weir_reader::{Fault, Read, Response};

use crate::spec::tls;

/// How long the agent may take for anything.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a client reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Cleartext, everything at once.
    Plain,
    /// Cleartext, a few bytes at a time.
    Pieces,
    /// TLS.
    Tls,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Final answers.
    pub answers: Vec<Response>,
    /// Interim answers.
    pub interim: usize,
    /// Bytes that are no answer, and the rule that they break.
    pub fault: Option<(Fault, Vec<u8>)>,
    /// Bytes of an answer that never became whole.
    pub torn: usize,
    /// Whether the agent closed while the client had not.
    pub closed: bool,
    /// Whether the agent never closed at all.
    pub hung: bool,
}

/// When the client stops reading and closes its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At once: it has left.
    AtOnce,
    /// After so many final answers.
    After(usize),
}

/// A connection to the agent from this address.
pub struct Caller<'c> {
    /// Addresses of the agent, cleartext and TLS.
    pub agent: (SocketAddr, SocketAddr),
    /// The client's own address, by which the log tells cases apart.
    pub from: Ipv4Addr,
    /// Method of the first request.
    pub asked: &'c str,
}

impl Caller<'_> {
    /// Sends and reads until both sides are done.
    ///
    /// # Panics
    /// When the agent takes no connection.
    pub async fn call(&self, way: Way, send: &[u8], stop: Stop) -> Outcome {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket
            .bind((self.from, 0).into())
            .expect("a loopback address");
        let to = if way == Way::Tls {
            self.agent.1
        } else {
            self.agent.0
        };
        let stream = socket.connect(to).await.expect("the agent listens");
        stream.set_nodelay(true).expect("an option");
        let size = if way == Way::Pieces { 7 } else { usize::MAX };
        if way == Way::Tls {
            let stream = tls::connect("a.test", "http/1.1", stream).await;
            self.exchange(stream.expect("a handshake"), send, size, stop)
                .await
        } else {
            self.exchange(stream, send, size, stop).await
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        send: &[u8],
        size: usize,
        stop: Stop,
    ) -> Outcome {
        let (mut input, mut output) = tokio::io::split(stream);
        let (leave, left) = tokio::sync::oneshot::channel::<()>();
        let write = async move {
            // An agent that refuses may close before everything was sent.
            for piece in send.chunks(size.min(send.len().max(1))) {
                if output.write_all(piece).await.is_err() {
                    break;
                }
                if size != usize::MAX {
                    let _ = output.flush().await;
                    tokio::task::yield_now().await;
                }
            }
            let _ = output.flush().await;
            if stop != Stop::AtOnce {
                let _ = left.await;
            }
            let _ = output.shutdown().await;
        };
        let read = self.read(&mut input, stop, leave);
        let (outcome, ()) = tokio::join!(read, write);
        outcome
    }

    async fn read(
        &self,
        input: &mut (impl AsyncRead + Unpin),
        stop: Stop,
        leave: tokio::sync::oneshot::Sender<()>,
    ) -> Outcome {
        let mut leave = Some(leave);
        let mut outcome = Outcome::default();
        let mut buffer = Vec::new();
        let mut ended = false;
        loop {
            self.take(&mut buffer, ended, &mut outcome);
            if let Stop::After(count) = stop
                && outcome.answers.len() >= count
            {
                // The sender's end tells the writer to close.
                leave = None;
            }
            if ended {
                break;
            }
            match tokio::time::timeout(PATIENCE, input.read_buf(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => {
                    ended = true;
                    outcome.closed = leave.is_some();
                }
                Ok(Ok(_)) => {}
                Err(_) => {
                    outcome.hung = true;
                    break;
                }
            }
        }
        outcome.torn = buffer.len();
        outcome
    }

    /// Takes whole answers off the front.
    fn take(&self, buffer: &mut Vec<u8>, ended: bool, outcome: &mut Outcome) {
        while !buffer.is_empty() && outcome.fault.is_none() {
            let asked = if outcome.answers.is_empty() {
                self.asked
            } else {
                "GET"
            };
            match weir_reader::response(buffer, asked, ended) {
                Read::Whole(answer, size) => {
                    buffer.drain(..size);
                    if answer.head.status < 200 {
                        outcome.interim += 1;
                    } else {
                        outcome.answers.push(answer);
                    }
                }
                Read::Partial => return,
                Read::Refused(fault) => {
                    outcome.fault = Some((fault, std::mem::take(buffer)));
                }
            }
        }
    }
}
