//! Five times as much as can be served.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use weir_tests::Client;
use weir_tests::percentiles::percentile;

use super::setup::{Bench, node, soak, timed};

/// How long the node works on a request. With so few and slow ones the limit is what is reached, and
/// not the machine.
const SERVICE: Duration = Duration::from_millis(100);
/// Requests in flight.
const PLACES: usize = 5;
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

/// What 99 in 100 may take.
struct Bounds {
    shed: Duration,
    operator: Duration,
}

async fn five_times(time: Duration, bounds: &Bounds) -> Result<(), String> {
    let bench = Bench::start(&format!("requests: {PLACES}, pending: 5, adaptive: true")).await;
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
    let after = load(&url, PLACES - 1, None, Duration::from_secs(1)).await;
    assert!(seen.other.is_empty(), "{:?}", seen.other.first());
    assert!(seen.shed.len() > seen.admitted.len(), "it is overload");
    assert!(after.other.is_empty(), "{:?}", after.other.first());

    let goodput = seen.admitted.len() as f64 / time.as_secs_f64();
    let offered = (seen.admitted.len() + seen.shed.len()) as f64 / time.as_secs_f64();
    let admitted = percentile(&mut seen.admitted, 99);
    let (half, shed) = (
        percentile(&mut seen.shed, 50),
        percentile(&mut seen.shed, 99),
    );
    let operator = percentile(&mut ports, 99);
    let told = format!(
        "peak {rate:.0}/s, p99 {normal:?}; offered {offered:.0}/s for {time:?}: goodput {goodput:.0}/s, p99 {admitted:?}; \
         refused: half within {half:?}, p99 {shed:?}; operators' ports: p99 {operator:?}; refused in the second after: {}",
        after.shed.len()
    );
    println!("{told}");
    let holds = goodput >= rate * 0.9
        && admitted <= normal * 3
        && shed <= bounds.shed
        && operator <= bounds.operator
        && after.shed.is_empty();
    holds.then_some(()).ok_or(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_capacity_requests_are_refused_at_once_and_the_rest_is_served() {
    // The machine has other things to do in this form: what it has no time for is tried again.
    let bounds = Bounds {
        shed: Duration::from_millis(50),
        operator: Duration::from_millis(250),
    };
    let mut told = Vec::new();
    for _ in 0..3 {
        match five_times(Duration::from_secs(5), &bounds).await {
            Ok(()) => return,
            Err(what) => told.push(what),
        }
    }
    panic!("{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_overload() {
    let bounds = Bounds {
        shed: Duration::from_millis(5),
        operator: Duration::from_millis(50),
    };
    five_times(soak(), &bounds).await.unwrap();
}
