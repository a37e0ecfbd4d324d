//! Five times as much as can be served.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use weir_tests::Client;

use super::setup::{Bench, node, percentile, soak, timed};

/// How long the node works on a request.
const SERVICE: Duration = Duration::from_millis(50);
/// Requests in flight.
const PLACES: usize = 10;
/// Between two requests of one client under overload.
const PACE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Seen {
    admitted: Vec<Duration>,
    shed: Vec<Duration>,
    other: Vec<String>,
}

/// `clients` connections, each with a request every `pace`, or one after the other.
async fn load(url: &str, clients: usize, pace: Option<Duration>, time: Duration) -> Seen {
    let mut tasks = JoinSet::new();
    let end = Instant::now() + time;
    for number in 0..clients {
        let url = url.to_owned();
        tasks.spawn(async move {
            let client = Client::default();
            let mut seen = Seen::default();
            let mut next = Instant::now();
            if let Some(pace) = pace {
                next +=
                    pace * u32::try_from(number).unwrap_or(0) / u32::try_from(clients).unwrap_or(1);
            }
            while Instant::now() < end {
                if let Some(pace) = pace {
                    tokio::time::sleep_until(next.into()).await;
                    next += pace;
                }
                let (answer, took) = timed(client.try_get(&url)).await;
                match answer {
                    Ok(answer) if answer.status == 200 => seen.admitted.push(took),
                    Ok(answer) if answer.status == 503 && answer.header("retry-after") == "1" => {
                        seen.shed.push(took);
                    }
                    Ok(answer) => seen.other.push(answer.status.to_string()),
                    Err(error) => seen.other.push(error),
                }
            }
            seen
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen.expect("a client");
        all.admitted.extend(seen.admitted);
        all.shed.extend(seen.shed);
        all.other.extend(seen.other);
    }
    all
}

/// How long the ports for operators take meanwhile.
async fn operators(bench: &Bench, time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    let health = bench.agent.status_url("/healthz");
    let admin = bench.cluster.nodes[0].status_url("/healthz");
    let client = Client::default();
    let mut times = Vec::new();
    while Instant::now() < end {
        for url in [&health, &admin] {
            let (answer, took) = timed(client.try_get(url)).await;
            assert_eq!(
                answer.map(|answer| answer.status.as_u16()),
                Ok(200),
                "{url}"
            );
            times.push(took);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times
}

/// `shed` and `operator`: what 99 in 100 of them may take here.
async fn five_times(time: Duration, shed: Duration, operator: Duration) {
    let bench = Bench::start(&format!("requests: {PLACES}, pending: 10, adaptive: true")).await;
    let node = node(SERVICE).await;
    bench
        .route("1", serde_json::json!({"uri": "/*"}), node)
        .await;
    let url = bench.agent.url("/");
    // As many clients as places: the peak.
    let calm = Duration::from_secs(2);
    let mut peak = load(&url, PLACES, None, calm).await;
    assert_eq!((peak.shed.len(), peak.other.as_slice()), (0, [].as_slice()));
    let rate = peak.admitted.len() as f64 / calm.as_secs_f64();
    let normal = percentile(&mut peak.admitted, 99);
    let clients = (rate * 5.0 * PACE.as_secs_f64()).ceil() as usize;
    let (mut seen, mut ports) = tokio::join!(
        load(&url, clients, Some(PACE), time),
        operators(&bench, time)
    );
    let goodput = seen.admitted.len() as f64 / time.as_secs_f64();
    let (admitted, refused) = (
        percentile(&mut seen.admitted, 99),
        percentile(&mut seen.shed, 99),
    );
    let ports = percentile(&mut ports, 99);
    let after = load(&url, PLACES / 2, None, Duration::from_secs(1)).await;
    println!(
        "peak {rate:.0}/s with p99 {normal:?}; offered {:.0}/s for {time:?}: goodput {goodput:.0}/s, \
         p99 of those let in {admitted:?}, of {} refused {refused:?} ({:?} half of them), of operators' ports {ports:?}; \
         afterwards {} refused",
        (seen.admitted.len() + seen.shed.len()) as f64 / time.as_secs_f64(),
        seen.shed.len(),
        percentile(&mut seen.shed, 50),
        after.shed.len()
    );
    assert!(seen.other.is_empty(), "{:?}", seen.other.first());
    assert!(seen.shed.len() > seen.admitted.len(), "it is overload");
    assert!(goodput >= rate * 0.9, "{goodput} of {rate}");
    assert!(
        admitted <= normal * 3,
        "{admitted:?}, and {normal:?} without overload"
    );
    assert!(refused <= shed, "{refused:?}");
    assert!(ports <= operator, "{ports:?}");
    assert!(
        after.other.is_empty() && after.shed.is_empty(),
        "a second later"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_capacity_requests_are_refused_at_once_and_the_rest_is_served() {
    // The machine has other things to do in this form: the bounds are those of a busy one.
    let (shed, operator) = (Duration::from_millis(50), Duration::from_millis(250));
    five_times(Duration::from_secs(6), shed, operator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_overload() {
    five_times(soak(), Duration::from_millis(5), Duration::from_millis(50)).await;
}
