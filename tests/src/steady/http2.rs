//! HTTP/2 in clear, with hyper's client.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Client, lock, within};

/// What hyper says of a request that the server did not and will not look at (RFC 9113, 6.8).
const GOODBYE: &str = "GoAway(b\"\", NO_ERROR, Remote)";

type Sender = SendRequest<Empty<Bytes>>;

/// Why there is no answer.
enum Failed {
    /// The connection was told to go before this request was looked at: it belongs on another one.
    Unsent,
    Answer(hyper::Error),
}

impl Failed {
    fn of(mut error: TrySendError<Request<Empty<Bytes>>>) -> Self {
        if error.take_message().is_some() {
            return Self::Unsent;
        }
        let error = error.into_error();
        if format!("{error:?}").contains(GOODBYE) {
            Self::Unsent
        } else {
            Self::Answer(error)
        }
    }
}

async fn connect(client: &Client, tasks: &mut JoinSet<()>) -> Result<Sender, String> {
    let connect = async {
        let stream = TcpStream::connect(client.plan.address).await;
        let stream = stream.map_err(|error| format!("connect: {error}"))?;
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        shaken.map_err(|error| format!("handshake: {error:?}"))
    };
    let (sender, connection) = within("connect", connect).await??;
    tasks.spawn(async move {
        // What goes wrong shows in the requests.
        let _ = connection.await;
    });
    Ok(sender)
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(format!("http://steady{path}"));
    request.body(Empty::new()).expect("a request")
}

/// One connection, until it is told to go or the test is over.
pub(super) async fn connection(client: &Client) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    let mut sender = connect(client, &mut tasks).await?;
    let mut count = 0;
    loop {
        if sender.ready().await.is_err() {
            return if count > 0 {
                client.told();
                Ok(())
            } else {
                Err("the connection was of no use".to_owned())
            };
        }
        let exchange = async {
            let answer = sender.try_send_request(request(&client.plan.path)).await;
            let (head, body) = answer.map_err(Failed::of)?.into_parts();
            body.collect().await.map_err(Failed::Answer)?;
            Ok::<_, Failed>(head.status)
        };
        match within("answer", exchange).await? {
            Ok(status) if status == 200 => {}
            Ok(status) => return Err(format!("status {status}")),
            Err(Failed::Unsent) => {
                client.told();
                return Ok(());
            }
            Err(Failed::Answer(error)) => {
                return Err(format!("request {count} of its connection: {error:?}"));
            }
        }
        client.answered();
        count += 1;
        if !client.rest().await {
            return Ok(());
        }
    }
}

/// One endless answer, until it ends or the test is over.
pub(super) async fn stream(client: &Client) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    let mut sender = connect(client, &mut tasks).await?;
    let answer = within("head of a stream", sender.send_request(request("/ticks"))).await?;
    let mut answer = answer.map_err(|error| format!("head of a stream: {error:?}"))?;
    if answer.status() != 200 {
        return Err(format!("stream: status {}", answer.status()));
    }
    let mut count = 0u64;
    loop {
        let frame = answer.frame();
        let Some(frame) = client.stop.run_until_cancelled(frame).await else {
            return Ok(());
        };
        match frame {
            Some(Ok(_)) => {
                count += 1;
                client.seen.pieces.fetch_add(1, Ordering::Relaxed);
            }
            other => {
                let text = format!("after {count} pieces: {other:?}");
                lock(&client.seen.ended).push(text);
                return Ok(());
            }
        }
    }
}
