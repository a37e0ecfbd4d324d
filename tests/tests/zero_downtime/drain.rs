//! SIGTERM under load.

use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;
use weir_tests::{Client, Plan, Steady};

use crate::setup::{Bench, says};

/// What a balancer does: asks whether the agent is ready, and sends nothing more when it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_open() {
    let mut bench = Bench::start(&["--workers", "2", "--drain-delay-seconds", "2"]).await;
    let mut slow = JoinSet::new();
    for _ in 0..20 {
        let url = bench.agent.url("/slow/4000");
        slow.spawn(async move { Client::default().try_get(&url).await });
    }
    until("slow requests are open", PATIENCE, || async {
        let open = bench.origin.open();
        if open == 20 { Ok(()) } else { Err(open) }
    })
    .await;
    let steady = Steady::start(&Plan {
        streams: 0,
        ..Plan::mixed(bench.agent.http(), "/slow/5")
    })
    .await;
    let began = Instant::now();
    bench.agent.process().signal("TERM");
    // Not ready at once, while it serves on.
    let url = bench.agent.status_url("/readyz");
    until("not ready", Duration::from_secs(1), || async {
        let answer = bench.agent.client.try_get(&url).await?;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.text(), "not ready: shutting down\n");
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
    steady.more(20).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "the machine is too slow for this test"
    );
    let report = steady.stop().await;
    report.assert_clean();
    while let Some(answer) = slow.join_next().await {
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), "close");
    }
    let status = bench.agent.process().wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", bench.agent.tail());
    says(bench.agent.process(), "no request was cut off").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_and_a_second_signal_cut_off() {
    let mut bench = Bench::start(&["--drain-delay-seconds", "0", "--drain-seconds", "1"]).await;
    for second in [false, true] {
        let url = bench.agent.url("/slow/60000");
        let asked = tokio::spawn(async move { Client::default().try_get(&url).await });
        until("it is open", PATIENCE, || async {
            let open = bench.origin.open();
            if open == 1 { Ok(()) } else { Err(open) }
        })
        .await;
        let began = Instant::now();
        bench.agent.process().signal("TERM");
        if second {
            // Two signals at once may be seen as one.
            until("the first signal is seen", PATIENCE, || async {
                let url = bench.agent.status_url("/readyz");
                let answer = bench.agent.client.try_get(&url).await?;
                if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                    Ok(())
                } else {
                    Err(answer.text())
                }
            })
            .await;
            bench.agent.process().signal("TERM");
        }
        let status = bench.agent.process().wait(PATIENCE);
        assert_eq!(status.code(), Some(7), "{}", bench.agent.tail());
        assert!(began.elapsed() < Duration::from_secs(20));
        says(
            bench.agent.process(),
            "open requests were cut off requests=1",
        )
        .await;
        assert!(asked.await.unwrap().is_err());
        if !second {
            bench.agent.kill();
            bench
                .agent
                .set_extra(&["--drain-delay-seconds", "0", "--drain-seconds", "3600"]);
            bench.agent.restart();
            bench.agent.ready().await;
        }
    }
}
