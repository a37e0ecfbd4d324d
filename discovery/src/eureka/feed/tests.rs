use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use weir_model::registry::{Backend, Registry as Document};

use super::*;
use crate::http::fake::Fake;

fn feed(document: Value) -> Feed {
    let document = Document::parse(&document).unwrap();
    let Backend::Eureka(config) = &document.backend else {
        panic!("expected eureka");
    };
    let env: Environment<'_> = &|name| (name == "PASSWORD").then(|| "hush".to_owned());
    let mut feed = Feed::new(config, &document.tls, env).unwrap();
    // Every round asks anew.
    feed.interval = Duration::ZERO;
    feed
}

fn at(fake: &Fake) -> Value {
    json!({"type": "eureka", "host": [fake.url]})
}

fn apps(hash: &str, instances: &[(&str, &str)]) -> Value {
    let instance = |(id, action): &(&str, &str)| json!({"instanceId": id, "ipAddr": id, "port": 80, "status": "UP", "actionType": action});
    let instances: Vec<Value> = instances.iter().map(instance).collect();
    let application = json!({"name": "A", "instance": instances});
    json!({"applications": {"apps__hashcode": hash, "application": [application]}})
}

async fn hosts(feed: &Feed) -> Vec<String> {
    let round = feed.round().await.unwrap();
    let endpoints = round.apps.endpoints("A");
    endpoints.map(|endpoint| endpoint.host.clone()).collect()
}

const WHOLE: &str = "/eureka/apps";
const DELTA: &str = "/eureka/apps/delta";

#[tokio::test]
async fn changes_are_taken_when_their_hash_fits_and_all_is_fetched_when_not() {
    let step = AtomicUsize::new(0);
    let fake = Fake::start(move |head| {
        let delta = head.contains("/delta");
        let answer = match (step.fetch_add(1, Ordering::SeqCst), delta) {
            (0, false) => apps("UP_1_", &[("a", "ADDED")]),
            (1, true) => apps("UP_2_", &[("b", "ADDED")]),
            // Something was missed.
            (2, true) => apps("UP_3_", &[("b", "DELETED")]),
            (3, false) => apps("UP_3_", &[("c", "ADDED"), ("d", "ADDED"), ("e", "ADDED")]),
            (step, _) => panic!("step {step}: {head}"),
        };
        (200, answer)
    })
    .await;
    let feed = feed(at(&fake));
    assert_eq!(hosts(&feed).await, ["a"]);
    assert_eq!(hosts(&feed).await, ["a", "b"]);
    assert_eq!(hosts(&feed).await, ["c", "d", "e"]);
    assert_eq!(fake.asked(), [WHOLE, DELTA, DELTA, WHOLE]);
}

#[tokio::test]
async fn servers_without_changes_are_asked_for_all() {
    let fake = Fake::start(|head| match head.contains("/delta") {
        true => (403, json!({})),
        false => (200, apps("", &[("a", "ADDED")])),
    })
    .await;
    let feed = feed(at(&fake));
    assert_eq!(hosts(&feed).await, ["a"]);
    assert_eq!(hosts(&feed).await, ["a"]);
    assert_eq!(fake.asked(), [WHOLE, DELTA, WHOLE]);
}

#[tokio::test]
async fn one_fetch_serves_all_and_so_does_one_failure() {
    let step = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match step.fetch_add(1, Ordering::SeqCst) {
        0 => (200, apps("UP_1_", &[("a", "ADDED")])),
        _ => (500, json!("no")),
    })
    .await;
    let mut feed = feed(at(&fake));
    feed.interval = Duration::from_millis(200);
    let both = tokio::join!(hosts(&feed), hosts(&feed), hosts(&feed));
    assert_eq!(both.0, both.2);
    assert_eq!(fake.asked(), [WHOLE]);
    let over = feed.round().await.unwrap().over;
    tokio::time::sleep_until(over).await;
    let (one, two) = tokio::join!(feed.round(), feed.round());
    let (one, two) = (one.err().unwrap(), two.err().unwrap());
    assert_eq!(one, two);
    assert_eq!(one.kind, ErrorKind::Failed);
    assert_eq!(fake.asked(), [DELTA]);
}

#[tokio::test]
async fn another_server_takes_over_with_all_it_has() {
    let starting = Fake::start(|_| (403, json!({}))).await;
    let good = Fake::start(|_| (200, apps("UP_1_", &[("a", "ADDED")]))).await;
    let mut document = at(&starting);
    document["host"] = json!([starting.url, format!("{}/eureka/", good.url)]);
    let feed = feed(document);
    assert_eq!(hosts(&feed).await, ["a"]);
    assert_eq!((starting.asked().len(), good.asked().len()), (1, 1));
}

#[tokio::test]
async fn logins_come_from_the_document_or_the_url() {
    // user:hush
    let server = || {
        Fake::start(|head| {
            let good = head.contains("authorization: Basic dXNlcjpodXNo");
            (if good { 200 } else { 401 }, apps("UP_1_", &[("a", "")]))
        })
    };
    let fake = server().await;
    let mut document = at(&fake);
    let refused = feed(document.clone()).round().await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert!(!refused.to_string().contains("hush"), "{refused}");
    document["username"] = "user".into();
    document["password"] = "$env://PASSWORD".into();
    assert_eq!(hosts(&feed(document.clone())).await, ["a"]);
    let url = fake.url.replace("http://", "http://user:hush@");
    assert_eq!(
        hosts(&feed(json!({"type": "eureka", "host": [url]}))).await,
        ["a"]
    );
}

#[test]
fn the_path_is_that_of_eureka_unless_told() {
    let paths = |document: Value| {
        let document = Document::parse(&document).unwrap();
        let Backend::Eureka(config) = &document.backend else {
            panic!("expected eureka");
        };
        (hosts_of(config), prefix(config))
    };
    let one = |host: &str| vec![host.to_owned()];
    let host = "http://e:8761/eureka/";
    assert_eq!(
        paths(json!({"type": "eureka", "host": [host]})),
        (one("http://e:8761"), "/eureka/".to_owned())
    );
    assert_eq!(
        paths(json!({"type": "eureka", "host": [host], "prefix": "/x"})),
        (one(host), "/x/".to_owned())
    );
    assert_eq!(
        paths(json!({"type": "eureka", "host": [host], "prefix": ""})).1,
        "/"
    );
}
