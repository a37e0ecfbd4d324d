//! Hostile answers: the cases, and the back end that gives them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_reader::Read;

use super::text;
use super::wire::Outcome;

/// A hostile answer. What says nothing of its outcome must become 502.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What is wrong with it.
    pub id: String,
    /// What the node says.
    pub says: String,
    /// Method of the request.
    #[serde(default = "get")]
    pub asked: String,
    /// Whether the node closes behind it.
    #[serde(default)]
    pub leaves: bool,
    /// The head is good, the body is not: the client sees an answer that is broken off.
    #[serde(default)]
    pub breaks: bool,
    /// Status and body that pass.
    pub passes: Option<(u16, String)>,
    /// It may be refused as well.
    #[serde(default)]
    pub or_refused: bool,
    /// Reasons of a refusal.
    #[serde(default = "bad_response")]
    pub reasons: Vec<String>,
    /// Whether the connection may be used again.
    #[serde(default)]
    pub reused: bool,
    /// Fields of the answer; null is absent.
    #[serde(default)]
    pub sees: BTreeMap<String, Option<String>>,
}

fn get() -> String {
    "GET".to_owned()
}

fn bad_response() -> Vec<String> {
    vec!["bad_response".to_owned()]
}

impl Answer {
    /// Everything that the client should not have got.
    #[must_use]
    pub fn judge(&self, outcome: &Outcome) -> Vec<String> {
        let mut problems = Vec::new();
        if outcome.hung {
            problems.push("the client was left hanging".to_owned());
        }
        if let Some((fault, _)) = &outcome.fault {
            problems.push(format!("the client got a malformed answer: {fault}"));
        }
        let seen: Vec<(u16, &[u8])> = outcome
            .answers
            .iter()
            .map(|answer| (answer.head.status, answer.body.as_slice()))
            .collect();
        let refused = match outcome.answers.as_slice() {
            [answer] => {
                let reason = answer
                    .head
                    .fields
                    .joined("x-weir-reason")
                    .unwrap_or_default();
                answer.head.status == 502 && self.reasons.contains(&reason)
            }
            _ => false,
        };
        let good = if self.breaks {
            // The head may or may not have been out when the fault was found.
            (seen.is_empty() && outcome.torn > 0 && outcome.closed) || refused
        } else if let Some((status, body)) = &self.passes {
            seen == [(*status, body.as_bytes())] || (self.or_refused && refused)
        } else {
            refused
        };
        if !good {
            let torn = outcome.torn;
            problems.push(format!(
                "the client got {seen:?} and {torn} bytes of a torn answer"
            ));
        }
        if let ([answer], Some(_)) = (outcome.answers.as_slice(), &self.passes) {
            for (name, wanted) in &self.sees {
                let found = answer.head.fields.joined(name);
                if found != *wanted {
                    problems.push(format!("the client sees {name}: {found:?}"));
                }
            }
        }
        problems
    }
}

/// A fake: no real server gives these answers. It says `says` to a request for `/case/NUMBER`, and
/// tells everybody else what was asked.
pub struct HostileNode {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

#[derive(Default)]
struct State {
    /// The connection on which the last case was answered.
    spoiled: Option<u64>,
    /// Requests that came over it afterwards.
    after: usize,
}

impl HostileNode {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(answers: &[Answer]) -> Self {
        let answers: Vec<(Vec<u8>, bool)> = answers
            .iter()
            .map(|answer| {
                let says = answer
                    .says
                    .replace(
                        "{chunks}",
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    )
                    .replace(
                        "{evil}",
                        "HTTP/1.1 200 OK\r\nX-Evil: yes\r\nContent-Length: 4\r\n\r\nevil",
                    );
                (text::bytes(&says), answer.leaves)
            })
            .collect();
        let answers = Arc::new(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let state = Arc::<Mutex<State>>::default();
        let stop = CancellationToken::new();
        let shared = Arc::clone(&state);
        let accept = async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                let (answers, state) = (Arc::clone(&answers), Arc::clone(&shared));
                tokio::spawn(serve(stream, number, answers, state));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            address,
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// How many requests came over the connection of the last case after it.
    #[must_use]
    pub fn reused(&self) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.spoiled = None;
        std::mem::take(&mut state.after)
    }
}

async fn serve(
    mut stream: TcpStream,
    number: u64,
    answers: Arc<Vec<(Vec<u8>, bool)>>,
    state: Arc<Mutex<State>>,
) {
    let mut buffer = Vec::new();
    loop {
        let Read::Whole(request, size) = weir_reader::request(&buffer) else {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        buffer.drain(..size);
        let case = request.head.target.strip_prefix("/case/");
        let (says, leaves) = match case.and_then(|case| answers.get(case.parse::<usize>().ok()?)) {
            Some(answer) => answer.clone(),
            None => {
                let body = &request.head.target;
                let length = body.len();
                let says = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                (says.into_bytes(), false)
            }
        };
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if case.is_some() {
                state.spoiled = Some(number);
                state.after = 0;
            } else if state.spoiled == Some(number) {
                state.after += 1;
            }
        }
        if stream.write_all(&says).await.is_err() || leaves {
            return;
        }
    }
}
