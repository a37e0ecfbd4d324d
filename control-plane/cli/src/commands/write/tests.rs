use tonic::{Code as Grpc, Status};
use weir_model::{Kind, Problem};
use weir_proto::control::{Applied, Refusal};

use super::*;
use crate::documents::parse;
use crate::exit::Code;

fn report(dry_run: bool) -> Report {
    let applied = |kind, id: &str, effect: Effect| Applied {
        key: Some((&Key::new(kind, id)).into()),
        effect: effect.into(),
    };
    let answer = ApplyResponse {
        revision: 12,
        applied: vec![
            applied(Kind::Upstream, "shop", Effect::Created),
            applied(Kind::Route, "1", Effect::Changed),
            applied(Kind::Route, "2", Effect::Unchanged),
            applied(Kind::Route, "3", Effect::Deleted),
        ],
        warnings: vec![convert::resource::problem(
            Some(&Key::new(Kind::Route, "1")),
            &Problem::new("a.b", "nothing reads this"),
        )],
    };
    Report::new(answer, dry_run).unwrap()
}

#[test]
fn a_report_has_one_line_a_resource() {
    assert_eq!(
        report(false).table(Palette::PLAIN),
        "upstreams/shop  created\nroutes/1        changed\nroutes/2        unchanged\n\
         routes/3        deleted"
    );
    assert_eq!(
        report(false).sentence(),
        "revision 12: 1 created, 1 changed, 1 unchanged, 1 deleted"
    );
    assert_eq!(
        report(true).sentence(),
        "dry run, nothing was written: 1 created, 1 changed, 1 unchanged, 1 deleted"
    );
    assert_eq!(
        report(false).warnings,
        ["routes/1: a.b: nothing reads this"]
    );
}

#[test]
fn a_report_is_data_too() {
    let data = report(false).data();
    assert_eq!(data["revision"], 12);
    assert_eq!(
        data["applied"][0],
        json!({"kind": "upstream", "id": "shop", "effect": "created"})
    );
    assert_eq!(report(false).names()[3], "routes/3");
}

#[test]
fn a_refusal_names_file_line_object_and_field() {
    let documents = parse("f.yaml", b"kind: route\nid: 1\nuri: 5\n")
        .unwrap()
        .documents;
    let key = Key::new(Kind::Route, "1");
    let other = Key::new(Kind::Upstream, "9");
    let refusal = Refusal {
        problems: vec![
            convert::resource::problem(Some(&key), &Problem::new("uri", "wrong type")),
            convert::resource::problem(Some(&other), &Problem::new("", "is odd")),
        ],
        current_revision: 3,
    };
    let status = convert::control::refused(Grpc::InvalidArgument, "x", &refusal);
    let failure = located(status.into(), &documents);
    assert_eq!(failure.code(), Code::Refused);
    assert_eq!(
        failure.to_string(),
        "f.yaml:3: routes/1: uri: wrong type\nupstreams/9: is odd"
    );
}

#[test]
fn an_answer_without_problems_stays_as_it_is() {
    let failure = located(Status::unavailable("no leader").into(), &[]);
    assert_eq!(failure.code(), Code::Unavailable);
    assert_eq!(failure.to_string(), "no leader");
}
