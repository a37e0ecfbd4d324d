//! A new connection to a node, within its limit.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::error::Reason;
use crate::origin::h1::codec::Connection;
use crate::worker::wheel::Timer;

/// Connects. Dropping the future closes what was begun.
///
/// # Errors
/// Why there is no connection; any of them allows another node to be tried.
pub async fn connect(
    address: SocketAddr,
    limit: Duration,
    timer: Timer,
) -> Result<Connection, Reason> {
    timer.arm(limit);
    let mut connecting = pin!(TcpStream::connect(address));
    let stream = poll_fn(|cx| match connecting.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result.map_err(|error| classify(&error))),
        Poll::Pending if timer.poll_expired(cx) => Poll::Ready(Err(Reason::TimeoutConnect)),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    timer.disarm();
    // Without it a small request waits for the ACK of the one before.
    stream.set_nodelay(true).map_err(|error| classify(&error))?;
    Ok(Connection::new(stream, timer))
}

fn classify(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::TimeoutConnect,
        _ => Reason::ConnectFailed,
    }
}
