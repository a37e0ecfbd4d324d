//! The corpus, bent at random places and sent to the agent: what reaches the node is what the
//! second reader makes of the same bytes, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_reader::{Read, Request};
use weir_tests::hostile::corpus;
use weir_tests::hostile::recorder::{Recorder, Seen, start};
use weir_tests::hostile::wire::{Stop, Way};

use super::setup::{Bench, address};

/// Bytes over which readers stumble.
const NASTY: &[u8] = b"\r\n\0\t\x0b :;,=\"\\/?#%+-0159afxX_\x7f\x80\xff";
/// Requests of the short form.
const SHORT: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bent_requests_have_one_reading() {
    let sent = bend(|sent, _| sent >= SHORT).await;
    println!("{sent} bent requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make soak"]
async fn soak_bent_requests_have_one_reading() {
    let seconds = std::env::var("WEIR_SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let limit = Duration::from_secs(seconds.unwrap_or(60));
    let sent = bend(|_, since| since.elapsed() > limit).await;
    println!("{sent} bent requests in {limit:?}");
}

/// Sends bent requests until it is enough; gives their number.
async fn bend(enough: impl Fn(usize, Instant) -> bool) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/requests");
    let cases: Vec<Vec<u8>> = corpus::load(&folder)
        .into_iter()
        .flat_map(|class| class.cases)
        .map(|case| case.send)
        .filter(|send| send.len() < 2048)
        .collect();
    let node = Recorder::start().await;
    let mut bench = Bench::start().await;
    bench.routes(node.address, &json!({})).await;
    let mut random = Random(u64::from(std::process::id()) << 20 | 1);
    let since = Instant::now();
    let mut sent = 0;
    while !enough(sent, since) {
        let mut bytes = cases[random.below(cases.len())].clone();
        for _ in 0..=random.below(3) {
            random.bend(&mut bytes);
        }
        let way = if random.below(4) == 0 {
            Way::Tls
        } else {
            Way::Plain
        };
        let problem = check(&bench, &node, &bytes, way, sent).await;
        assert!(problem.is_none(), "{}: {}", problem.unwrap(), start(&bytes));
        sent += 1;
    }
    bench.lives();
    sent
}

async fn check(
    bench: &Bench,
    node: &Recorder,
    bytes: &[u8],
    way: Way,
    number: usize,
) -> Option<String> {
    let canonical = canonical(bytes);
    let asked = canonical
        .first()
        .map_or("GET", |first| first.head.method.as_str());
    let stop = Stop::After(canonical.len());
    let outcome = bench
        .call(address(9, number % 4000), (way, asked), bytes, stop)
        .await;
    let seen = match node.take().await {
        Ok(seen) => seen,
        Err(problem) => return Some(problem),
    };
    // Some are answered by the gateway; the others reach the node in their order.
    let mut rest = canonical.iter();
    for one in &seen {
        match one {
            Seen::Whole(request) if rest.any(|known| same(known, request)) => {}
            Seen::Broken(_) => {}
            other => return Some(format!("the node saw {other}")),
        }
    }
    if outcome.answers.len() > canonical.len() + 1 {
        let answers = outcome.answers.len();
        return Some(format!("{answers} answers to {} requests", canonical.len()));
    }
    if outcome.hung {
        return Some("the client was left hanging".to_owned());
    }
    outcome
        .fault
        .map(|(fault, bytes)| format!("{fault}: {}", start(&bytes)))
}

/// The requests in these bytes, up to the first that is none, or the last of the connection.
fn canonical(bytes: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut rest = bytes;
    while let Read::Whole(request, size) = weir_reader::request(rest) {
        rest = &rest[size..];
        requests.push(request);
    }
    requests
}

fn same(known: &Request, at_node: &Request) -> bool {
    let (sent, came) = (
        weir_reader::origin(&known.head.target),
        weir_reader::origin(&at_node.head.target),
    );
    let path = |path: &str| {
        if path == "*" {
            Ok("*".to_owned())
        } else {
            weir_reader::path(path)
        }
    };
    known.head.method == at_node.head.method
        && path(sent.0) == path(came.0)
        && sent.1 == came.1
        && known.body == at_node.body
}

/// Random numbers of a seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % limit.max(1)
    }

    /// Changes one byte, or doubles or drops some.
    fn bend(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        let byte = NASTY[self.below(NASTY.len())];
        match self.below(5) {
            0 if !bytes.is_empty() => bytes[at] = byte,
            1 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            2 => {
                let end = (at + 1 + self.below(40)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.insert(at, byte),
        }
    }
}
