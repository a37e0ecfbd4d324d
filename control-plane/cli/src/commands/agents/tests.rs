use weir_model::{Key, Kind, Problem};
use weir_proto::convert::resource::problem as to_wire;

use super::*;
use crate::output::{Format, Palette, Render};

fn agent(name: &str, connected: bool) -> Agent {
    let key = Key::new(Kind::Route, "1");
    Agent {
        name: name.to_owned(),
        region: "eu".to_owned(),
        version: "0.1.0".to_owned(),
        connected,
        node_id: 2,
        since_ms: 1_000,
        last_seen_ms: 60_000,
        revision: 90,
        lag: 10,
        refused: vec![to_wire(Some(&key), &Problem::new("uri", "is bad\u{7}"))],
        refused_revision: 90,
        pending: vec![to_wire(Some(&key), &Problem::new("script", "not run"))],
        ..Agent::default()
    }
}

#[test]
fn agents_have_one_row_each() {
    let shown = list::Shown {
        agents: vec![agent("edge-1", true), agent("edge-2", false)],
        now_ms: 61_000,
    };
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
NAME    REGION  GROUP  VERSION  CONNECTED  SINCE  REVISION  LAG  NACK
edge-1  eu      -      0.1.0    node 2     60s    90        10   1 refused
edge-2  eu      -      0.1.0    away       1s     90        10   1 refused
"
    );
    assert_eq!(shown.text(Format::Name, Palette::PLAIN), "edge-1\nedge-2\n");
}

#[test]
fn one_agent_tells_what_it_refused() {
    let shown = show::Shown {
        agent: agent("edge-1", true),
        now_ms: 61_000,
    };
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
name:          edge-1
region:        eu
group:         -
version:       0.1.0
instance:      -
address:       -
connected:     to node 2 for 60s
revision:      90 (lag 10)
content hash:  -

refused at revision 90, the last good form is kept:
  routes/1: uri: is bad\\u{7}

stored, but this agent does not act on it:
  routes/1: script: not run
"
    );
    let data = shown.data();
    assert_eq!(data["refused"][0]["kind"], "route");
    assert_eq!(data["refused"][0]["path"], "uri");
    assert_eq!(data["connected"], true);
}
