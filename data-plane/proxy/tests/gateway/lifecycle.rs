use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use weir_plugin_api::Living;
use weir_proxy::gateway::{Gateway, GatewayConfig, Inherited, Settings, StartError};

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, everything_to, http, nodes, proxy_to, start};

/// A node that holds each answer until it is let go; says when a request has arrived.
fn held(text: &'static str) -> (Origin, Receiver<()>, Sender<()>) {
    let (arrived, arrivals) = channel();
    let (go, gone) = channel();
    let both = Mutex::new((arrived, gone));
    let origin = Origin::answering(move |_| {
        let both = both.lock().unwrap();
        both.0.send(()).unwrap();
        both.1.recv().unwrap();
        ok(text)
    });
    (origin, arrivals, go)
}

#[test]
fn open_request_keeps_its_runtime_and_the_next_sees_the_new_one() {
    let (old, arrivals, go) = held("old");
    let new = Origin::text("new");
    let gateway = start(config(), Some(everything_to(nodes(&[old.address]))));
    let mut first = Client::connect(http(&gateway));
    first.send(get("/"));
    arrivals.recv().unwrap();
    let runtime = everything_to(nodes(&[new.address]));
    let revision = runtime.revision;
    gateway.publish(runtime);
    assert_eq!(ask(http(&gateway), get("/")).text(), "new");
    go.send(()).unwrap();
    assert_eq!(first.answer(false).text(), "old");
    assert_eq!(first.ask(get("/")).text(), "new");
    assert_eq!(gateway.stats().revisions, [revision]);
}

#[test]
fn old_runtime_is_let_go_without_any_request() {
    let gateway = proxy_to(nodes(&[super::origin::closed_address()]));
    let old = Arc::downgrade(&gateway.runtime().unwrap());
    gateway.publish(everything_to(nodes(&[super::origin::closed_address()])));
    eventually("the old runtime is dropped", || old.strong_count() == 0);
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

#[test]
fn drain_finishes_open_requests_and_takes_no_new_ones() {
    let (origin, arrivals, go) = held("finished");
    let gateway = Arc::new(proxy_to(nodes(&[origin.address])));
    let address = http(&gateway);
    let mut idle = Client::connect(address);
    let mut open = Client::connect(address);
    open.send(get("/"));
    arrivals.recv().unwrap();
    eventually("both are accepted", || gateway.stats().connections == 2);
    let draining = Arc::clone(&gateway);
    let drain = std::thread::spawn(move || block_on(draining.drain(Duration::from_secs(20))));
    assert!(idle.is_closed());
    eventually("nobody listens", || {
        std::net::TcpStream::connect(address).is_err()
    });
    go.send(()).unwrap();
    let answer = open.answer(false);
    assert_eq!(answer.text(), "finished");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(open.is_closed());
    assert_eq!(drain.join().unwrap().unfinished, 0);
}

#[test]
fn drain_ends_by_its_deadline() {
    let (origin, arrivals, go) = held("never");
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut open = Client::connect(http(&gateway));
    open.send(get("/"));
    arrivals.recv().unwrap();
    let drained = block_on(gateway.drain(Duration::from_millis(200)));
    assert_eq!(drained.unfinished, 1);
    assert!(open.is_closed());
    drop(go);
}

#[test]
fn address_in_use_is_named() {
    let gateway = start(config(), None);
    let taken = http(&gateway);
    let config = GatewayConfig {
        https: vec![taken],
        ..config()
    };
    let Err(error) = Gateway::start(config, Living::default(), None) else {
        panic!("started on a taken address");
    };
    assert!(
        matches!(&error, StartError::Bind { option: "https", address, .. } if *address == taken)
    );
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {taken} (option `https`)")
    );
}

#[test]
fn silent_and_slow_connections_are_closed() {
    let mut config = config();
    config.settings.limits.header = Duration::from_millis(200);
    config.settings.limits.idle = Duration::from_millis(200);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let mut silent = Client::connect(http(&gateway));
    let mut slow = Client::connect(http(&gateway));
    slow.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow");
    let mut idle = Client::connect(http(&gateway));
    assert_eq!(idle.ask(get("/")).text(), "ok");
    assert!(silent.is_closed());
    assert!(slow.is_closed());
    assert!(idle.is_closed());
    eventually("all are gone", || gateway.stats().connections == 0);
}

#[test]
fn client_that_leaves_is_noted() {
    let (origin, arrivals, go) = held("late");
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    arrivals.recv().unwrap();
    drop(client);
    eventually("499 is counted", || {
        gateway.stats().by_status.get(&499) == Some(&1)
    });
    assert_eq!(gateway.stats().by_reason.get("client_gone"), Some(&1));
    drop(go);
}

#[test]
fn no_request_fails_while_runtimes_change() {
    let origins = [Origin::text("a"), Origin::text("b")];
    let runtimes = origins
        .each_ref()
        .map(|origin| everything_to(nodes(&[origin.address])));
    let config = GatewayConfig {
        workers: std::num::NonZeroUsize::new(2).unwrap(),
        ..config()
    };
    let gateway = start(config, Some(Arc::clone(&runtimes[0])));
    let address = http(&gateway);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..200 {
                    let answer = client.ask(get("/"));
                    assert_eq!(answer.status, 200);
                    assert!(matches!(answer.text(), "a" | "b"));
                }
            })
        })
        .collect();
    let mut turn = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        turn += 1;
        gateway.publish(Arc::clone(&runtimes[turn % 2]));
        std::thread::yield_now();
    }
    for client in clients {
        client.join().unwrap();
    }
    let stats = gateway.stats();
    assert_eq!((stats.requests, stats.by_reason.len()), (800, 0));
}

/// What a client sent before it could know of the drain is answered.
#[test]
fn a_drain_answers_what_is_on_its_way() {
    let config = GatewayConfig {
        settings: Settings {
            drain_idle: Duration::from_secs(20),
            ..config().settings
        },
        ..config()
    };
    let origin = Origin::text("answered");
    let gateway = Arc::new(start(config, Some(everything_to(nodes(&[origin.address])))));
    let address = http(&gateway);
    let mut used = Client::connect(address);
    assert_eq!(used.ask(get("/")).text(), "answered");
    let mut unused = Client::connect(address);
    eventually("both are accepted", || gateway.stats().connections == 2);
    let draining = Arc::clone(&gateway);
    let drain = std::thread::spawn(move || block_on(draining.drain(Duration::from_secs(60))));
    eventually("nobody listens", || {
        std::net::TcpStream::connect(address).is_err()
    });
    for client in [&mut used, &mut unused] {
        let answer = client.ask(get("/"));
        assert_eq!(answer.text(), "answered");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
    assert_eq!(drain.join().unwrap().unfinished, 0);
}

/// The descriptors are those of the workers, and the connections of two gateways are answered by
/// either, then by the one that is left.
#[test]
fn sockets_are_passed_on_and_used_further() {
    let (old, new) = (Origin::text("old"), Origin::text("new"));
    let mut config = config();
    config.workers = NonZeroUsize::new(3).unwrap();
    let first = start(config.clone(), Some(everything_to(nodes(&[old.address]))));
    config.http = vec![http(&first)];
    config.workers = NonZeroUsize::new(2).unwrap();
    let mut inherited = Inherited::new(first.sockets(true).unwrap()).unwrap();
    let second = Gateway::bind(config, Living::default(), &mut inherited).unwrap();
    assert_eq!(inherited.left().count(), 0);
    second.publish(everything_to(nodes(&[new.address])));
    let address = http(&first);
    for _ in 0..20 {
        assert_eq!(ask(address, get("/")).text(), "old", "the second waits");
    }
    second.serve().unwrap();
    assert_eq!(block_on(first.drain(Duration::from_secs(20))).unfinished, 0);
    drop(first);
    for _ in 0..20 {
        assert_eq!(ask(address, get("/")).text(), "new");
    }
    assert_eq!(
        second.sockets(true).unwrap().len(),
        3,
        "every queue is served"
    );
}
