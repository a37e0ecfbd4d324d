//! Turning away a connection that is one too many: in cleartext with an answer, else without.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream as StdStream};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use weir_plugin_api::Scheme;

use super::Worker;
use super::run::Entrance;

/// What is answered before anything was asked: HTTP/1.1, which clients of HTTP/2 take for the
/// end of the connection that it is.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Temporarily Unavailable\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";
/// Connections of one worker that may wait for their clients to close them. Without that, what the
/// client sends meanwhile makes the system reset the connection, maybe before the answer is read.
const LEAVING: u32 = 64;
/// How long they may wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers where that is cheap, and closes.
pub fn turn_away(worker: &Rc<Worker>, stream: TcpStream, entrance: Entrance) {
    if entrance.scheme != Scheme::Http || entrance.relayed {
        return;
    }
    // The buffer of a new socket takes it at once, and if not, the client learns less.
    let Ok(mut stream) = stream.into_std() else {
        return;
    };
    let answered = stream.write(ANSWER).is_ok() && stream.shutdown(Shutdown::Write).is_ok();
    if answered && worker.leaving.get() < LEAVING {
        worker.leaving.set(worker.leaving.get() + 1);
        let leaving = Leaving(Rc::clone(worker));
        tokio::task::spawn_local(async move {
            let _ = tokio::time::timeout(PATIENCE, closed(stream)).await;
            drop(leaving);
        });
    }
}

/// Reads until the client closes, or has sent more than a head.
async fn closed(stream: StdStream) -> std::io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    let mut buffer = [0; 1024];
    for _ in 0..64 {
        if stream.read(&mut buffer).await? == 0 {
            break;
        }
    }
    Ok(())
}

struct Leaving(Rc<Worker>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let left = self.0.leaving.get().saturating_sub(1);
        self.0.leaving.set(left);
    }
}
