use super::*;

fn change() -> Change {
    let resource = |kind, id: &str, created| weir_proto::resource::Resource {
        key: Some((&Key::new(kind, id)).into()),
        spec: b"{\"uri\":\"/\"}".to_vec(),
        created,
        modified: 9,
        ..Default::default()
    };
    Change::new(WatchResponse {
        revision: 9,
        at_ms: 1_795_492_800_000,
        author: "ann".to_owned(),
        message: "why\u{1b}".to_owned(),
        upserts: vec![resource(Kind::Route, "1", 9), resource(Kind::Route, "2", 4)],
        removals: vec![(&Key::new(Kind::Upstream, "u")).into()],
        superseded: vec![(&Key::new(Kind::Service, "s")).into()],
        full: false,
        more: false,
    })
    .unwrap()
}

#[test]
fn a_change_has_one_line_a_resource() {
    assert_eq!(
        change().text(Format::Table, Palette::PLAIN),
        "       9  2026-11-24T04:00:00.000Z  created     routes/1  ann  why\\u{1b}
       9  2026-11-24T04:00:00.000Z  changed     routes/2  ann  why\\u{1b}
       9  2026-11-24T04:00:00.000Z  superseded  services/s  ann  why\\u{1b}
       9  2026-11-24T04:00:00.000Z  deleted     upstreams/u  ann  why\\u{1b}
"
    );
}

#[test]
fn json_is_one_object_a_line() {
    let text = change().text(Format::Json, Palette::PLAIN);
    assert_eq!(text.lines().count(), 1);
    let data: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(data["changes"][0]["resource"]["spec"]["uri"], "/");
    assert_eq!(data["changes"][3]["effect"], "deleted");
    assert_eq!(
        change().text(Format::Name, Palette::PLAIN),
        "routes/1\nroutes/2\nservices/s\nupstreams/u\n"
    );
}

#[test]
fn an_unknown_kind_is_named() {
    assert!(kind("rout").unwrap_err().contains("\"rout\""));
}
