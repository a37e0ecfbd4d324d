use super::*;
use proptest::prelude::*;

fn path(raw: &str) -> Result<String, BadTarget> {
    normalise(raw, None, PathRules::default()).map(|target| target.path)
}

#[test]
fn dot_segments_and_slashes_are_resolved() {
    for (raw, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("//a///b//", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%2F..%2Fb", "/b"),
        ("/.hidden", "/.hidden"),
        ("/a..b/...", "/a..b/..."),
        ("/caf%C3%A9", "/café"),
        ("/a%20b", "/a b"),
        ("/%2541", "/%41"),
    ] {
        assert_eq!(path(raw).as_deref(), Ok(expected), "{raw}");
    }
}

#[test]
fn dangerous_targets_are_refused() {
    for (raw, expected) in [
        ("/%00", BadTarget::Control),
        ("/a%0d%0aX", BadTarget::Control),
        ("/%zz", BadTarget::Percent),
        ("/%4", BadTarget::Percent),
        ("/..", BadTarget::AboveRoot),
        ("/a/../../b", BadTarget::AboveRoot),
        ("/%ff", BadTarget::Encoding),
        ("*", BadTarget::Form),
    ] {
        assert_eq!(path(raw), Err(expected), "{raw}");
    }
}

const SERVLET: PathRules = PathRules {
    servlet: true,
    encoded_slash: false,
};
const SLASH: PathRules = PathRules {
    servlet: false,
    encoded_slash: true,
};

#[test]
fn parameters_of_segments_are_not_part_of_the_path_but_reach_the_node() {
    let target = normalise("/a;x=1/b%20c;y/", Some("q"), SERVLET).unwrap();
    assert_eq!(target.path, "/a/b c/");
    assert_eq!(target.sent.as_deref(), Some("/a;x=1/b%20c;y/?q"));
    for (raw, path) in [("/a/;x", "/a/"), ("/a%3Bx", "/a"), ("/;x", "/")] {
        assert_eq!(normalise(raw, None, SERVLET).unwrap().path, path, "{raw}");
    }
    let plain = normalise("/a/b", None, SERVLET).unwrap();
    assert_eq!((plain.path.as_str(), plain.sent), ("/a/b", None));
    let off = normalise("/a;x", None, PathRules::default()).unwrap();
    assert_eq!((off.path.as_str(), off.sent), ("/a;x", None));
}

#[test]
fn suspicious_segments_with_parameters_are_refused() {
    for raw in [
        "/a/..;/b",
        "/a/.;x",
        "/;x/b",
        "/a/;/b",
        "/%2e%2e;/a",
        "/%252e;/a",
        "/%252E%252e;",
    ] {
        let refused = normalise(raw, None, SERVLET);
        assert_eq!(refused, Err(BadTarget::Parameters), "{raw}");
    }
}

#[test]
fn an_encoded_slash_is_kept_for_matching_and_for_the_node() {
    let target = normalise("/v/a%2fb%20c%2F%41", Some("x=%2F"), SLASH).unwrap();
    assert_eq!(target.path, "/v/a/b c/A", "what plugins see");
    assert_eq!(target.routed.as_deref(), Some("/v/a%2Fb c%2FA"));
    assert_eq!(target.sent.as_deref(), Some("/v/a%2Fb%20c%2FA?x=%2F"));
    let twice = normalise("/a%252Fb", None, SLASH).unwrap();
    assert_eq!((twice.routed, twice.sent), (None, None));
    assert_eq!(twice.path, "/a%2Fb");
}

#[test]
fn no_slash_is_kept_where_a_path_needs_more_than_decoding() {
    for raw in [
        "/x%2Fy/../..",
        "/a%2Fb/%2e%2e",
        "/a%2F..%2Fb",
        "/a//b%2Fc",
        "/a%2F%2Fb",
        "/?a=%2F",
    ] {
        let (path, query) = raw
            .split_once('?')
            .map_or((raw, None), |(p, q)| (p, Some(q)));
        let target = normalise(path, query, SLASH).unwrap();
        assert_eq!((target.routed, target.sent), (None, None), "{raw}");
    }
}

proptest! {
    /// However paths are read, the node can only take what it gets for what was routed.
    #[test]
    fn what_is_sent_reads_back_as_the_path(
        raw in "(/[a-c;.]{0,3}(%2[fFeE]|%3b|%252F)?){1,5}",
        servlet in any::<bool>(),
        encoded_slash in any::<bool>(),
    ) {
        let rules = PathRules { servlet, encoded_slash };
        if let Ok(target) = normalise(&raw, None, rules)
            && let Some(sent) = &target.sent
        {
            let again = normalise(sent, None, rules).unwrap();
            prop_assert_eq!((&again.path, &again.routed), (&target.path, &target.routed));
        }
    }

    /// What the node receives reads back as what was routed.
    #[test]
    fn encoded_path_normalises_to_itself(raw in "(/[a-zA-Z0-9 .%é?#;:-]{0,6}){1,6}") {
        if let Ok(first) = path(&raw) {
            let mut encoded = String::new();
            encode_path(&first, &mut encoded);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(path(&encoded), Ok(first));
        }
    }
}
