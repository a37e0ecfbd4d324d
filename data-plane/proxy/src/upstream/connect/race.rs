//! The first of several addresses of one node that answers (as in RFC 8305, "happy eyeballs"): the
//! next one is tried beside when the one before is slow, and instead when it fails. A node has
//! several only while the addresses of its name are not nodes yet: see `upstream/resolve/follow.rs`.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use weir_plugin_api::NodeAddress;

use super::dial;
use crate::error::Reason;
use crate::origin::stream::Socket;
use crate::worker::wheel::Wheel;

/// How long an address is waited for alone (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of `addresses`, which are tried in their order.
pub(super) async fn first(
    addresses: &[NodeAddress],
    wheel: &Wheel,
) -> Result<(Socket, NodeAddress), Reason> {
    if let [only] = addresses {
        return dial(only.clone()).await;
    }
    let mut waiting = addresses.iter();
    let mut running = FuturesUnordered::new();
    let head_start = wheel.timer();
    let mut failed = None;
    poll_fn(|cx| {
        let mut is_free = running.is_empty() || head_start.poll_expired(cx);
        loop {
            while let Poll::Ready(Some(done)) = running.poll_next_unpin(cx) {
                match done {
                    Ok(reached) => return Poll::Ready(Ok(reached)),
                    Err(reason) => {
                        failed = Some(reason);
                        is_free = true;
                    }
                }
            }
            if is_free && let Some(address) = waiting.next() {
                running.push(dial(address.clone()));
                head_start.arm(HEAD_START);
                // Arms the wake-up as well.
                is_free = head_start.poll_expired(cx);
            } else if running.is_empty() {
                return Poll::Ready(Err(failed.unwrap_or(Reason::ConnectFailed)));
            } else {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::time::Instant;

    use super::*;

    fn listening() -> (TcpListener, NodeAddress) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address.into())
    }

    /// Bound but not listening: connections are refused.
    fn refusing() -> (socket2::Socket, NodeAddress) {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address.into())
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_at_once() {
        let (_refuses, dead) = refusing();
        let (_listens, alive) = listening();
        let wheel = Wheel::new(Instant::now());
        let (_, reached) = first(&[dead, alive.clone()], &wheel).await.unwrap();
        assert_eq!(reached, alive);
    }

    #[tokio::test]
    async fn the_last_failure_is_told() {
        let (_first, one) = refusing();
        let (_second, two) = refusing();
        let wheel = Wheel::new(Instant::now());
        let failed = first(&[one, two], &wheel).await.err();
        assert_eq!(failed, Some(Reason::ConnectRefused));
    }

    #[tokio::test]
    async fn an_address_that_is_silent_gets_company() {
        // A full backlog swallows connections without answering.
        let full =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        full.bind(&any.into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        let _fills: Vec<_> = (0..4)
            .map(|_| {
                let short = Duration::from_millis(50);
                std::net::TcpStream::connect_timeout(&silent, short)
            })
            .collect();
        let (_listens, alive) = listening();
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let addresses = [silent.into(), alive.clone()];
        let mut racing = std::pin::pin!(first(&addresses, &wheel));
        let turning = async {
            loop {
                wheel.advance(Instant::now());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (_, reached) = tokio::select! {
            reached = &mut racing => reached.unwrap(),
            () = turning => unreachable!(),
        };
        assert_eq!(reached, alive);
        assert!(start.elapsed() >= HEAD_START);
    }
}
