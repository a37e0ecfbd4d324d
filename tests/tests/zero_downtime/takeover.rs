//! A new process of an agent takes over from the running one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, UnixStream};
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;
use weir_tests::{EchoNode, Plan, Steady, address};

use crate::setup::{Bench, says};

/// Upgrades, each under load of all kinds; every process of the past ends with code 0.
async fn upgrades(bench: &mut Bench, count: usize) {
    let mut plan = Plan::mixed(bench.agent.http(), "/slow/5");
    // A stream is as long as its process: it ends at the end of the drain.
    plan.streams = 0;
    let steady = Steady::start(&plan).await;
    let mut ending = Vec::new();
    for _ in 0..count {
        let before = bench.agent.succeed();
        let pid = bench.agent.process().pid();
        says(
            &before,
            &format!("took over; the process before drains pid={}", before.pid()),
        )
        .await;
        bench.agent.ready().await;
        steady.more(50).await;
        let status = bench.agent.status().await.unwrap();
        assert_eq!(status["draining"], false, "pid {pid}: {status}");
        ending.push(before);
    }
    for mut before in ending {
        let status = before.wait(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", before.tail());
    }
    steady.more(50).await;
    let report = steady.stop().await;
    println!(
        "{count} upgrades: {} answers, {} problems, {} connections told to end",
        report.answered,
        report.problems.len(),
        report.told
    );
    report.assert_clean();
    assert!(report.told > 0, "the old processes told nobody: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_fail_no_request() {
    let mut bench = Bench::start(&["--workers", "2", "--drain-seconds", "20"]).await;
    upgrades(&mut bench, 3).await;
    // The fleet knows one agent, and the cache is the last one's.
    let listed = bench.cluster.nodes[0].grpc();
    let agents = || weir_tests::cli::weir_ok(&listed, &["agents", "list", "-o", "json"], "");
    until("one agent in the fleet", PATIENCE, || async {
        let text = agents();
        let one = text.matches("\"name\": \"agent\"").count() == 1;
        if one { Ok(()) } else { Err(text) }
    })
    .await;
    let route = json!({"uri": "/after", "upstream_id": "origin"});
    bench.put("routes/after", &route).await;
    let served = bench.agent.kept().await;
    bench.cluster.nodes[0].kill();
    bench.agent.kill();
    bench.agent.restart();
    bench.agent.ready().await;
    let status = bench.agent.status().await.unwrap();
    assert_eq!(status["source"], "cache", "{status}");
    assert_eq!(status["revision"], served, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_upgrades_fail_no_request() {
    let mut bench = Bench::start(&["--workers", "2", "--drain-seconds", "20"]).await;
    upgrades(&mut bench, 20).await;
}

/// Asks over UDP until the end of the test, each thing once; how much was asked.
async fn ask_on(address: SocketAddr, over: Arc<AtomicBool>) -> Result<u32, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    let mut buffer = [0; 64];
    let mut asked = 0_u32;
    while !over.load(Ordering::Relaxed) {
        let question = asked.to_be_bytes();
        let exchange = async {
            socket.send(&question).await?;
            socket.recv(&mut buffer).await
        };
        let came = tokio::time::timeout(PATIENCE, exchange).await;
        let came = came.map_err(|_| format!("datagram {asked} was lost"))?;
        let size = came.map_err(|error| format!("datagram {asked}: {error}"))?;
        if buffer[..size] != question {
            return Err(format!("{:?} came back for {asked}", &buffer[..size]));
        }
        asked += 1;
    }
    Ok(asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_lose_no_datagram() {
    let address = SocketAddr::new(address::fresh().into(), 9100);
    let listener = address.to_string();
    let mut bench = Bench::start(&["--workers", "1", "--stream-udp", &listener]).await;
    let echo = EchoNode::start().await;
    let route = json!({"upstream": {"nodes": {echo.node(): 1}}});
    bench.put("stream_routes/1", &route).await;
    let over = Arc::<AtomicBool>::default();
    let clients = (0..8).map(|_| tokio::spawn(ask_on(address, Arc::clone(&over))));
    let clients: Vec<_> = clients.collect();
    for workers in ["3", "1", "2"] {
        bench
            .agent
            .set_extra(&["--workers", workers, "--stream-udp", &listener]);
        let mut before = bench.agent.succeed();
        says(&before, &format!("drains pid={}", before.pid())).await;
        assert_eq!(before.wait(PATIENCE).code(), Some(0), "{}", before.tail());
        assert!(clients.iter().all(|client| !client.is_finished()));
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap().unwrap() > 0);
    }
}

/// As systemd has it: the signal starts the new process, which names itself as the main one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigusr2_starts_the_new_process() {
    let dir = tempfile::tempdir().unwrap();
    let notify = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&notify).unwrap();
    let mut bench = Bench::start_with(&[], &[("NOTIFY_SOCKET", &notify)]).await;
    let told = async || {
        let mut buffer = [0; 256];
        let received = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await;
        let length = received.expect("the service manager is told").unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let first = bench.agent.process().pid();
    assert_eq!(told().await, format!("READY=1\nMAINPID={first}"));
    let steady = Steady::start(&Plan {
        streams: 0,
        ..Plan::mixed(bench.agent.http(), "/x")
    })
    .await;
    bench.agent.process().signal("USR2");
    let second = told().await;
    let second = second.strip_prefix("READY=1\nMAINPID=").unwrap();
    let second = second.parse::<u32>().unwrap();
    assert_ne!(second, first);
    let status = bench.agent.process().wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", bench.agent.tail());
    steady.more(50).await;
    steady.stop().await.assert_clean();
    // It is no child of this process.
    let killed = std::process::Command::new("kill")
        .arg(second.to_string())
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(told().await, "STOPPING=1");
    let gone = format!("/proc/{second}");
    until("the new process ends", PATIENCE, || async {
        let running = std::fs::read_to_string(format!("{gone}/stat")).unwrap_or_default();
        if running.is_empty() || running.contains(") Z ") {
            Ok(())
        } else {
            Err(running)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_and_addresses_may_change_with_the_process() {
    let mut bench = Bench::start(&["--workers", "3"]).await;
    let steady = Steady::start(&Plan {
        streams: 0,
        ..Plan::mixed(bench.agent.http(), "/x")
    })
    .await;
    let https = format!("{}:9555", bench.agent.ip);
    for (workers, more) in [("1", None), ("4", Some(https.as_str())), ("2", None)] {
        let mut extra = vec!["--workers", workers];
        if let Some(address) = more {
            extra.extend(["--https", address]);
        }
        bench.agent.set_extra(&extra);
        let mut before = bench.agent.succeed();
        says(&before, &format!("drains pid={}", before.pid())).await;
        steady.more(100).await;
        before.wait(PATIENCE);
        let listens = std::net::TcpStream::connect((bench.agent.ip, 9555)).is_ok();
        assert_eq!(listens, more.is_some(), "{workers} workers");
        let usual = std::net::TcpStream::connect((bench.agent.ip, 9443)).is_ok();
        assert_eq!(usual, more.is_none(), "{workers} workers");
    }
    steady.stop().await.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_that_fails_changes_nothing() {
    let mut bench = Bench::start(&[]).await;
    let steady = Steady::start(&Plan::mixed(bench.agent.http(), "/x")).await;

    // The new one cannot have one of its addresses.
    let taken = std::net::TcpListener::bind((bench.agent.ip, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    bench.agent.set_extra(&["--https", &address]);
    let before = bench.agent.succeed();
    let mut failed = bench.agent.set_process(before).unwrap();
    let status = failed.wait(PATIENCE);
    assert_eq!(status.code(), Some(1), "{}", failed.tail());
    let refused = format!("cannot listen on {address} (option `https`)");
    says(bench.agent.process(), &refused).await;
    says(
        bench.agent.process(),
        "takeover failed, this process goes on",
    )
    .await;

    // Another agent.
    let dir = bench.agent.data_dir().display().to_string();
    bench
        .agent
        .set_extra(&["--name", "stranger", "--data-dir", &dir]);
    let before = bench.agent.succeed();
    let mut failed = bench.agent.set_process(before).unwrap();
    assert_eq!(failed.wait(PATIENCE).code(), Some(1), "{}", failed.tail());
    assert!(failed.output().contains("give every agent its own"));

    // Without a takeover, the address and the directory belong to the one that runs.
    bench.agent.set_extra(&["--takeover", "never"]);
    let before = bench.agent.succeed();
    let mut failed = bench.agent.set_process(before).unwrap();
    assert_eq!(failed.wait(PATIENCE).code(), Some(1), "{}", failed.tail());
    assert!(failed.output().contains("--takeover=never"));

    // Killed half way: its configuration never comes, since it asks a control node that is silent.
    bench.agent.set_extra(&[]);
    let socket = bench.agent.data_dir().join("takeover.sock");
    for kill_after in [Duration::ZERO, Duration::from_millis(30)] {
        let half_way = half_way(&socket, kill_after).await;
        assert!(half_way > 0, "nothing was passed");
    }
    says(
        bench.agent.process(),
        "goes on: the other process ended the connection",
    )
    .await;

    // It still follows, keeps, and can be taken over.
    let route = json!({"uri": "/after", "upstream_id": "origin"});
    bench.put("routes/after", &route).await;
    steady.more(100).await;
    steady.stop().await.assert_untouched();
    let mut before = bench.agent.succeed();
    assert_eq!(before.wait(PATIENCE).code(), Some(0), "{}", before.tail());
    bench.agent.ready().await;
}

/// Such as on a full disk: what is in the cache is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_locked_is_served_from() {
    let mut bench = Bench::start(&[]).await;
    bench.agent.kept().await;
    bench.agent.kill();
    let lock = bench.agent.data_dir().join("agent.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    bench.cluster.nodes[0].kill();
    bench.agent.restart();
    bench.agent.ready().await;
    assert_eq!(bench.agent.get("/x").await.unwrap().status, 200);
    says(
        bench.agent.process(),
        "cannot be locked; nobody will take over",
    )
    .await;
}

/// What a process does that is killed between the offer and the end; returns how many sockets it
/// was told of.
async fn half_way(socket: &std::path::Path, kill_after: Duration) -> u64 {
    let mut offered = until("the running process offers", PATIENCE, || ask(socket)).await;
    if !kill_after.is_zero() {
        // It gets as far as to have the data directory.
        say(&mut offered.0, json!({"type": "ready"})).await.unwrap();
        let released = hear(&mut offered.0).await.unwrap();
        assert_eq!(released, json!({"type": "released"}));
        tokio::time::sleep(kill_after).await;
    }
    offered.1["sockets"].as_u64().unwrap()
}

/// The offer that a new process gets; another one may be on its way out still.
async fn ask(socket: &std::path::Path) -> Result<(UnixStream, Value), String> {
    let connected = UnixStream::connect(socket).await;
    let mut stream = connected.map_err(|error| error.to_string())?;
    let hello = json!({"type": "hello", "oldest": 1, "newest": 1, "pid": 1, "release": "0.0.0",
        "name": "agent"});
    say(&mut stream, hello).await?;
    let offer = hear(&mut stream).await?;
    if offer["type"] != "offer" {
        return Err(offer.to_string());
    }
    Ok((stream, offer))
}

async fn say(stream: &mut UnixStream, message: Value) -> Result<(), String> {
    let text = message.to_string();
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    let frame = [&length[..], text.as_bytes()].concat();
    let sent = stream.write_all(&frame).await;
    sent.map_err(|error| error.to_string())
}

async fn hear(stream: &mut UnixStream) -> Result<Value, String> {
    let read = async {
        let mut length = [0; 4];
        // Each of these bytes came with descriptors, which close since nobody takes them.
        while stream.read_exact(&mut length[..1]).await? == 1 && length[0] == b'd' {}
        stream.read_exact(&mut length[1..]).await?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).await?;
        Ok::<_, std::io::Error>(frame)
    };
    let frame = read.await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&frame).map_err(|error| error.to_string())
}
