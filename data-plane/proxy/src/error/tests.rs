use std::fmt::Write;

use super::*;

#[test]
fn order_of_the_table_is_the_order_of_the_variants() {
    for (position, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(reason.index(), position, "{}", reason.as_str());
    }
}

#[test]
fn names_are_unique_and_fit_a_label() {
    let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for name in &names {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(fits), "{name}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}

#[test]
fn every_reason_is_a_failure_and_has_its_own_status() {
    let odd: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !(400..600).contains(&reason.status().as_u16()))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(Reason::ClientGone.status().as_u16(), 499);
}

#[test]
fn only_failures_of_the_upstream_are_retried() {
    for reason in Reason::ALL {
        if reason.retry() != Retry::No {
            assert_eq!(reason.blame(), Blame::Upstream, "{}", reason.as_str());
        }
    }
}

/// Between these two lines of the page stands the table.
const MARKS: (&str, &str) = (
    "<!-- table of reasons: UPDATE_DOCS=1 cargo test -p weir-proxy reasons -->",
    "<!-- end of the table -->",
);

#[test]
fn page_of_reasons_is_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reasons.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(MARKS.0).expect("the mark above the table");
    let (_, after) = rest.split_once(MARKS.1).expect("the mark below the table");
    let expected = format!("{before}{}\n\n{}\n{}{after}", MARKS.0, table(), MARKS.1);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(page == expected, "docs/reasons.md is old: {}", MARKS.0);
    }
}

/// Every reason is found by its symptom, and no symptom has a reason that does not exist.
#[test]
fn symptoms_of_the_page_cover_all_reasons() {
    let page = include_str!("../../../../docs/reasons.md");
    let text = page.split_once(MARKS.0).expect("the mark").0;
    let mut named: Vec<_> = text
        .lines()
        .filter_map(|line| line.split('|').nth(3))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    named.sort_unstable();
    named.dedup();
    let mut known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    known.sort_unstable();
    assert_eq!(named, known);
}

fn table() -> String {
    let mut out = String::from(
        "| reason | status | blame | retried | what it means | what to check |\n|---|---|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let blame = match reason.blame() {
            Blame::Client => "client",
            Blame::Upstream => "upstream",
            Blame::Configuration => "configuration",
            Blame::Gateway => "gateway",
        };
        let retried = match reason.retry() {
            Retry::No => "no",
            Retry::Always => "yes",
            Retry::UnlessSent => "unless sent",
        };
        writeln!(
            out,
            "| `{}` | {} | {blame} | {retried} | {} | {} |",
            reason.as_str(),
            reason.status().as_u16(),
            reason.means(),
            reason.check()
        )
        .unwrap();
    }
    out
}
