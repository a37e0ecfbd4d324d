//! The corpus of requests over cleartext, in pieces, over TLS, and with plugins that read or
//! rewrite.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use weir_tests::hostile::corpus::{self, Case};
use weir_tests::hostile::judge::{self, Grade, Problem};
use weir_tests::hostile::recorder::{Recorder, Seen};
use weir_tests::hostile::table::Table;
use weir_tests::hostile::wire::{Stop, Way};
use weir_tests::wait::until;

use super::setup::{Bench, address};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_request_has_one_reading() {
    let classes =
        corpus::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/requests"));
    let node = Recorder::start().await;
    let mut bench = Bench::start().await;
    let mut wrong = String::new();
    for (round, (name, way, plugins)) in [
        ("cleartext", Way::Plain, json!({})),
        ("in pieces", Way::Pieces, json!({})),
        ("TLS", Way::Tls, json!({})),
        ("plugins", Way::Plain, plugins(&bench).await),
    ]
    .into_iter()
    .enumerate()
    {
        bench.routes(node.address, &plugins).await;
        let round = Round {
            number: u8::try_from(round).unwrap(),
            way,
            bench: &bench,
            node: &node,
        };
        let table = round.run(&classes).await;
        println!("{name}\n{table}\n{}", table.problems());
        let total = table.total();
        // With plugins that change the body, HTTP/1.0 is answered without length, and closed.
        if total.clean < total.cases || total.strict + 2 < total.cases {
            wrong.push_str(&format!("{name}:\n{}\n", table.problems()));
        }
    }
    bench.lives();
    assert!(wrong.is_empty(), "{wrong}");
}

/// One way through the whole corpus.
struct Round<'r> {
    number: u8,
    way: Way,
    bench: &'r Bench,
    node: &'r Recorder,
}

impl Round<'_> {
    async fn run(&self, classes: &[corpus::Class]) -> Table {
        let mut results = Vec::new();
        let mut refusals = BTreeMap::new();
        for class in classes {
            for case in &class.cases {
                let from = address(self.number, results.len());
                let (problems, refused) = self.case(case, from).await;
                if refused {
                    refusals.insert(from, results.len());
                }
                results.push((class.name.as_str(), case.id.as_str(), problems));
            }
        }
        for (case, text) in self.unexplained(refusals).await {
            let grade = Grade::Unclean;
            results[case].2.push(Problem { grade, text });
        }
        let mut table = Table::default();
        for (class, id, problems) in results {
            table.add(class, id, &problems);
        }
        table
    }

    /// Runs a case, and after it a good request that goes over what the case left behind.
    async fn case(&self, case: &Case, from: Ipv4Addr) -> (Vec<Problem>, bool) {
        let how = (self.way, case.asked.as_str());
        let outcome = self
            .bench
            .call(from, how, &case.send, judge::stop(case))
            .await;
        let target = format!("/next/{from}");
        let next = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let how = (Way::Plain, "GET");
        let next = self
            .bench
            .call(Ipv4Addr::LOCALHOST, how, next.as_bytes(), Stop::After(1))
            .await;
        let mut more = Vec::new();
        let mut unclean = |text| {
            more.push(Problem {
                grade: Grade::Unclean,
                text,
            });
        };
        let wanted = format!("GET {target}\n");
        if next.answers.len() != 1 || next.answers[0].body != wanted.as_bytes() {
            unclean(format!("the next client was given {:?}", next.answers));
        }
        let mut seen = self.node.take().await.unwrap_or_else(|problem| {
            unclean(problem);
            Vec::new()
        });
        seen.retain(|one| !matches!(one, Seen::Whole(one) if one.head.target == target));
        let mut problems = judge::judge(case, &outcome, &seen);
        problems.append(&mut more);
        let refused = judge::is_refusal(case, &outcome);
        (problems, refused)
    }

    /// The refusals that the access log has no reason for.
    async fn unexplained(&self, refusals: BTreeMap<Ipv4Addr, usize>) -> Vec<(usize, String)> {
        // The last line of the log is that of a good request, which is waited for.
        let last = format!("/next/log/{}", self.number);
        let send = format!("GET {last} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let how = (Way::Plain, "GET");
        let call = self
            .bench
            .call(Ipv4Addr::LOCALHOST, how, send.as_bytes(), Stop::After(1));
        call.await;
        let _ = self.node.take().await;
        let text = until("the log to be written", Duration::from_secs(10), || async {
            let text = std::fs::read_to_string(&self.bench.log).unwrap_or_default();
            if text.contains(&last) {
                Ok(text)
            } else {
                Err("no such line")
            }
        })
        .await;
        let mut reasons = BTreeMap::<String, Vec<String>>::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(reason) = line["reason"].as_str() {
                let client = line["client"].as_str().unwrap_or_default().to_owned();
                reasons.entry(client).or_default().push(reason.to_owned());
            }
        }
        refusals
            .into_iter()
            .filter(|(from, _)| !reasons.contains_key(&from.to_string()))
            .map(|(_, case)| (case, "the log has no reason".to_owned()))
            .collect()
    }
}

/// Plugins that read or rewrite requests or answers, as far as this build has them. None of them
/// changes what the corpus expects.
async fn plugins(bench: &Bench) -> Value {
    let node = &bench.cluster.nodes[0];
    let known = node.try_admin(http::Method::GET, "plugins/list", &Value::Null);
    let known = known.await.unwrap().json();
    let known: Vec<&str> = known
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let all = json!({
        "proxy-rewrite": {
            "regex_uri": ["^/(.*)$", "/$1"],
            "headers": {"set": {"x-seen": "$remote_addr $request_method $uri"}},
        },
        "response-rewrite": {
            "headers": {"set": {"x-route": "$route_id"}},
            "filters": [{"regex": "(never there)", "replace": "$1", "scope": "global"}],
        },
        "limit-count": {"count": 1_000_000, "time_window": 60, "key": "$remote_addr $uri", "key_type": "var_combination"},
        "limit-req": {"rate": 1_000_000, "burst": 1_000_000, "key": "remote_addr"},
        "limit-conn": {"conn": 1_000_000, "burst": 0, "default_conn_delay": 1, "key": "remote_addr"},
        "key-auth": {"anonymous_consumer": "nobody"},
        "ip-restriction": {"blacklist": ["192.0.2.0/24"]},
        "uri-blocker": {"block_rules": ["never-there"]},
        "ua-restriction": {"bypass_missing": true, "denylist": ["never-there"]},
        "referer-restriction": {"bypass_missing": true, "whitelist": ["never.test", "*.test"]},
        "request-id": {},
        "prometheus": {},
    });
    let all = all.as_object().unwrap().clone();
    let here: Map<String, Value> = all
        .into_iter()
        .filter(|(name, _)| known.contains(&name.as_str()))
        .collect();
    println!("plugins: {:?}", here.keys().collect::<Vec<_>>());
    Value::Object(here)
}
