use std::collections::HashMap;
use std::sync::Mutex;

use super::super::ask::Answer;
use super::*;

/// Records by name and type, with their life in seconds.
#[derive(Default)]
struct Zone {
    records: HashMap<(String, &'static str), Result<Answer, ErrorKind>>,
    asked: Mutex<Vec<String>>,
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Srv => "SRV",
        Kind::A => "A",
        Kind::Aaaa => "AAAA",
        Kind::Cname => "CNAME",
    }
}

fn name(text: &str) -> Name {
    Name::from_str_relaxed(text).unwrap()
}

impl Zone {
    fn with(mut self, at: &str, kind: Kind, life: u64, data: &[&str]) -> Self {
        let data = data.iter().map(|text| match kind {
            Kind::A | Kind::Aaaa => Data::Address(text.parse().unwrap()),
            Kind::Cname => Data::Alias(name(text)),
            Kind::Srv => {
                let parts: Vec<&str> = text.split(' ').collect();
                let number = |at: usize| parts[at].parse().unwrap();
                Data::Service(Service {
                    priority: number(0),
                    weight: number(1),
                    port: number(2),
                    target: name(parts[3]),
                })
            }
        });
        let answer = Answer {
            data: data.collect(),
            life: Duration::from_secs(life),
        };
        self.records.insert((at.to_owned(), word(kind)), Ok(answer));
        self
    }

    fn failing(mut self, at: &str, kind: Kind, error: ErrorKind) -> Self {
        self.records.insert((at.to_owned(), word(kind)), Err(error));
        self
    }

    async fn find(&self, names: &[&str], order: &[&str]) -> Result<Option<Found>, Error> {
        let names: Vec<Name> = names.iter().map(|text| name(text)).collect();
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        find(self, &names, None, &steps(&order).0, None).await
    }

    /// Endpoints as `ADDRESS WEIGHT PRIORITY`, and their life in seconds.
    async fn shown(&self, order: &[&str]) -> (Vec<String>, u64) {
        let found = self.find(&["web."], order).await.unwrap().unwrap();
        let line = |end: &Endpoint| format!("{end} {} {}", end.weight, end.priority);
        (
            found.endpoints.iter().map(line).collect(),
            found.life.as_secs(),
        )
    }
}

impl Ask for Zone {
    async fn ask(&self, name: &Name, kind: Kind) -> Result<Option<Answer>, Error> {
        let kind = word(kind);
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
        match self.records.get(&(name.to_string(), kind)) {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(answer.clone())),
            Some(Err(error)) => Err(Error::at("", *error, "no")),
        }
    }
}

#[tokio::test]
async fn services_have_weight_priority_and_port_and_share_weight_among_addresses() {
    let zone = Zone::default()
        .with(
            "web.",
            Kind::Srv,
            9,
            &[
                "10 60 81 a.",
                "20 5 82 b.",
                "20 0 0 c.",
                "1 1 1 .",
                "1 1 1 gone.",
            ],
        )
        .with("a.", Kind::A, 8, &["10.0.0.1"])
        .with("b.", Kind::A, 7, &["10.0.0.2", "10.0.0.3"])
        .with("b.", Kind::Aaaa, 6, &["::2"])
        .with("c.", Kind::A, 60, &["10.0.0.4"]);
    let expected = [
        "10.0.0.1:81 60 -10",
        "10.0.0.2:82 2 -20",
        "10.0.0.3:82 2 -20",
        "[::2]:82 1 -20",
        "10.0.0.4 1 -20",
    ];
    assert_eq!(
        zone.shown(&[]).await,
        (expected.map(str::to_owned).to_vec(), 6)
    );
    let found = find(&zone, &[name("web.")], Some(99), &steps(&[]).0, None).await;
    let ends = found.unwrap().unwrap().endpoints;
    assert!(ends.iter().all(|end| end.port == Some(99)), "{ends:?}");
}

#[tokio::test]
async fn addresses_of_both_families_count_unless_the_order_says_otherwise() {
    let zone = Zone::default()
        .with("web.", Kind::A, 5, &["10.0.0.1", "10.0.0.2"])
        .with("web.", Kind::Aaaa, 3, &["::1"]);
    let all = ["10.0.0.1 1 0", "10.0.0.2 1 0", "::1 1 0"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(zone.shown(&[]).await, (all, 3));
    assert_eq!(
        zone.shown(&["AAAA", "A"]).await,
        (vec!["::1 1 0".to_owned()], 3)
    );
}

#[tokio::test]
async fn aliases_are_followed() {
    let zone = Zone::default()
        .with("web.", Kind::Cname, 4, &["other."])
        .with("other.", Kind::A, 9, &["10.0.0.1"]);
    assert_eq!(zone.shown(&[]).await, (vec!["10.0.0.1 1 0".to_owned()], 4));
}

#[tokio::test]
async fn a_failure_is_never_no_records() {
    let zone = Zone::default()
        .with("web.", Kind::A, 5, &["10.0.0.1"])
        .failing("web.", Kind::Srv, ErrorKind::Timeout);
    assert_eq!(
        zone.find(&["web."], &[]).await.unwrap_err().kind,
        ErrorKind::Timeout
    );
    // Also not when another name of the search list would do.
    assert!(zone.find(&["x.web.", "web."], &["SRV", "A"]).await.is_err());
    assert_eq!(zone.find(&["nothing."], &[]).await, Ok(None));
    // Of one family alone it is, when the server is to blame and says so.
    let zone = Zone::default().with("web.", Kind::A, 5, &["10.0.0.1"]);
    let zone = zone.failing("web.", Kind::Aaaa, ErrorKind::Failed);
    assert_eq!(zone.shown(&[]).await.0, ["10.0.0.1 1 0"]);
    let zone = zone.failing("web.", Kind::Aaaa, ErrorKind::Timeout);
    assert!(zone.find(&["web."], &[]).await.is_err());
}

#[tokio::test]
async fn what_worked_last_is_asked_first() {
    let zone = Zone::default().with("web.", Kind::A, 5, &["10.0.0.1"]);
    let (steps, last_first) = steps(&[]);
    assert!(last_first);
    let names = [name("web.")];
    let found = find(&zone, &names, None, &steps, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        *zone.asked.lock().unwrap(),
        ["SRV web.", "A web.", "AAAA web."]
    );
    zone.asked.lock().unwrap().clear();
    find(&zone, &names, None, &steps, Some(found.step))
        .await
        .unwrap();
    assert_eq!(*zone.asked.lock().unwrap(), ["A web.", "AAAA web."]);
    let order: Vec<String> = ["A", "SRV"].map(str::to_owned).to_vec();
    assert_eq!(
        super::steps(&order),
        (vec![vec![Kind::A], vec![Kind::Srv]], false)
    );
}

#[tokio::test]
async fn a_name_that_has_records_ends_the_search() {
    let zone = Zone::default().with("web.example.", Kind::A, 5, &["10.0.0.1"]);
    // The server of the names at hand refuses all others.
    let zone = zone.failing("web.", Kind::Srv, ErrorKind::Refused);
    let found = zone.find(&["web.example.", "web."], &[]).await;
    assert_eq!(found.unwrap().unwrap().endpoints.len(), 1);
}
