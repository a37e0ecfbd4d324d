use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::worker::wheel::Wheel;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(60),
    node: Duration::from_secs(61),
    client: Duration::from_secs(62),
};

struct Ends {
    wheel: Wheel,
    start: Instant,
    client: DuplexStream,
    node: DuplexStream,
    moved: Rc<Cell<(usize, usize)>>,
    tunnel: Pin<Box<dyn Future<Output = Option<Reason>>>>,
}

/// A tunnel, and the far ends of both its sides.
fn tunnel(early: Early) -> Ends {
    let start = Instant::now();
    let wheel = Wheel::new(start);
    let timer = wheel.timer();
    let (client, mut near_client) = duplex(1000);
    let (node, mut near_node) = duplex(1000);
    let moved = Rc::new(Cell::new((0, 0)));
    let counts = Rc::clone(&moved);
    let tunnel = Box::pin(async move {
        let buffers = Buffers::default();
        let count = |direction, bytes| {
            let (up, down) = counts.get();
            counts.set(match direction {
                Direction::Up => (up + bytes, down),
                Direction::Down => (up, down + bytes),
            });
        };
        let (client, node) = (&mut near_client, &mut near_node);
        run(client, node, early, LIMITS, &timer, &buffers, count).await
    });
    Ends {
        wheel,
        start,
        client,
        node,
        moved,
        tunnel,
    }
}

/// Runs `work` while the tunnel runs, which must not end before.
async fn beside<T>(
    tunnel: &mut Pin<Box<dyn Future<Output = Option<Reason>>>>,
    work: impl Future<Output = T>,
) -> T {
    tokio::select! {
        biased;
        done = work => done,
        ended = tunnel => panic!("ended: {ended:?}"),
    }
}

#[test]
fn bytes_go_both_ways_and_are_counted() {
    let mut ends = tunnel(Early {
        client: BytesMut::from("early "),
        node: BytesMut::from("first "),
    });
    let (client, node) = (&mut ends.client, &mut ends.node);
    block_on(beside(&mut ends.tunnel, async {
        client.write_all(b"question").await.unwrap();
        let mut read = [0; 14];
        node.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"early question");
        node.write_all(b"answer").await.unwrap();
        let mut read = [0; 12];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"first answer");
    }));
    assert_eq!(ends.moved.get(), (14, 12));
}

#[test]
fn one_direction_may_end_before_the_other() {
    let mut ends = tunnel(Early::default());
    let (client, node) = (&mut ends.client, &mut ends.node);
    let ended = block_on(async {
        beside(&mut ends.tunnel, async {
            client.write_all(b"last words").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            node.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "last words");
            node.write_all(b"still here").await.unwrap();
            let mut read = [0; 10];
            client.read_exact(&mut read).await.unwrap();
        })
        .await;
        node.shutdown().await.unwrap();
        ends.tunnel.await
    });
    assert_eq!(ended, None);
}

#[test]
fn who_reads_slowly_slows_the_other_down() {
    let mut ends = tunnel(Early::default());
    let client = &mut ends.client;
    let written = Cell::new(0);
    block_on(async {
        let flood = async {
            loop {
                written.set(written.get() + client.write(&[7; 1000]).await.unwrap());
            }
        };
        let patience =
            tokio::time::timeout(Duration::from_millis(50), beside(&mut ends.tunnel, flood));
        assert!(patience.await.is_err());
    });
    assert!(written.get() < 100_000, "{} bytes", written.get());
}

#[test]
fn limits_are_those_of_who_is_waited_for() {
    let patience = |up, down, seconds: u64| {
        let mut ends = tunnel(Early {
            client: BytesMut::zeroed(up),
            node: BytesMut::zeroed(down),
        });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut poll = |seconds| {
            ends.wheel
                .advance(ends.start + Duration::from_secs(seconds));
            ends.tunnel.as_mut().poll(&mut cx)
        };
        assert!(poll(0).is_pending());
        assert!(poll(seconds - 1).is_pending());
        poll(seconds + 1)
    };
    let ended = |reason| Poll::Ready(Some(reason));
    assert_eq!(patience(0, 0, 60), ended(Reason::TimeoutRead));
    assert_eq!(patience(20_000, 0, 61), ended(Reason::TimeoutSend));
    assert_eq!(patience(0, 20_000, 62), ended(Reason::ClientGone));
}
