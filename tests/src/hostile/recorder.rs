//! A back end that answers what the strict reader takes for requests, and records it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_reader::{Fault, Read, Request};

use crate::wait::until;

/// What came over a connection.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A whole request.
    Whole(Request),
    /// The connection ended inside of a request, which began so.
    Broken(Vec<u8>),
    /// Bytes that are no request, and the rule that they break.
    Fault(Fault, Vec<u8>),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(request) => write!(
                f,
                "{} {} with a body of {}",
                request.head.method,
                request.head.target,
                request.body.len()
            ),
            Self::Broken(bytes) => write!(f, "broken off: {}", start(bytes)),
            Self::Fault(fault, bytes) => write!(f, "{fault}: {}", start(bytes)),
        }
    }
}

/// The first bytes, readable.
pub fn start(bytes: &[u8]) -> String {
    let first = bytes.get(..bytes.len().min(300)).unwrap_or_default();
    format!("{:?}", String::from_utf8_lossy(first))
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    /// Connections that are inside of a request, and how much of it has come.
    within: BTreeMap<u64, usize>,
}

/// The back end.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

impl Recorder {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let accept = async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                tokio::spawn(serve(stream, number, Arc::clone(&shared)));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            address,
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// Waits until no connection is inside of a request, and takes what was seen since.
    ///
    /// # Errors
    /// A connection stays inside of a request: the node is left hanging.
    pub async fn take(&self) -> Result<Vec<Seen>, String> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        loop {
            {
                let mut state = lock(&self.state);
                if state.within.is_empty() {
                    return Ok(std::mem::take(&mut state.seen));
                }
                if tokio::time::Instant::now() > deadline {
                    state.seen.clear();
                    let within = std::mem::take(&mut state.within);
                    return Err(format!("the node still waits, bytes so far {within:?}"));
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until a request whose target is this has been seen.
    pub async fn has_seen(&self, target: &str) {
        let seen = |seen: &Seen| matches!(seen, Seen::Whole(one) if one.head.target == target);
        until(
            "the node to see a request",
            Duration::from_secs(10),
            || async {
                let found = lock(&self.state).seen.iter().any(seen);
                found.then_some(()).ok_or(target)
            },
        )
        .await;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: TcpStream, number: u64, state: Arc<Mutex<State>>) {
    let mut buffer = Vec::new();
    loop {
        match weir_reader::request(&buffer) {
            Read::Whole(request, size) => {
                buffer.drain(..size);
                let answer = answer(&request);
                {
                    let mut state = lock(&state);
                    state.seen.push(Seen::Whole(request));
                    state.within.remove(&number);
                }
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Read::Partial => {
                if !buffer.is_empty() {
                    lock(&state).within.insert(number, buffer.len());
                }
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    let mut state = lock(&state);
                    state.within.remove(&number);
                    if !buffer.is_empty() {
                        state.seen.push(Seen::Broken(buffer));
                    }
                    return;
                }
            }
            Read::Refused(fault) => {
                let mut state = lock(&state);
                state.within.remove(&number);
                state.seen.push(Seen::Fault(fault, buffer));
                return;
            }
        }
    }
}

/// Says what was asked.
fn answer(request: &Request) -> Vec<u8> {
    let body = format!("{} {}\n", request.head.method, request.head.target);
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    if request.head.method != "HEAD" {
        answer.push_str(&body);
    }
    answer.into_bytes()
}
