use super::Options;
use super::file::parse;
use super::validate::validate;

#[test]
fn defaults_are_a_node_on_loopback() {
    let (config, problems) = validate(Options::default());
    assert_eq!(problems, Vec::<String>::new());
    let config = config.unwrap();
    assert_eq!(config.node_id, 1);
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:9180");
    assert_eq!(config.advertise_grpc, "127.0.0.1:9181");
    assert!(config.stream_mode && config.cors && config.keys.required);
}

#[test]
fn file_fills_what_flags_leave_open() {
    let (file, problems) = parse(
        "node_id: 3\nadmin:\n  listen: 127.0.0.1:1\n  allow_admin: [10.0.0.0/8]\nlog: {format: json}\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    let flags = Options {
        node_id: Some(7),
        ..Options::default()
    };
    let config = validate(flags.or(file)).0.unwrap();
    assert_eq!(config.node_id, 7);
    assert_eq!(config.listen.admin.port(), 1);
    assert_eq!(config.allow_admin, vec!["10.0.0.0/8".parse().unwrap()]);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    let (_, problems) = parse("nod_id: 3\nadmin:\n  viewer_keys: x\nqwertyuiop: 1\n");
    assert_eq!(
        problems,
        [
            "nod_id: unknown key, the nearest known one is node_id",
            "admin.viewer_keys: unknown key, the nearest known one is admin.viewer_key",
            "qwertyuiop: unknown key",
        ]
    );
}

#[test]
fn all_problems_are_collected() {
    let (config, problems) = validate(Options {
        node_id: Some(0),
        bootstrap: Some(true),
        join: Some("127.0.0.1:9182".to_owned()),
        grpc: Some("0.0.0.0:9181".to_owned()),
        allow_admin: Some(vec!["everybody".to_owned()]),
        admin_key: Some("short".to_owned()),
        proxy_mode: Some("udp".to_owned()),
        snapshot_every: Some(0),
        log_format: Some("xml".to_owned()),
        ..Options::default()
    });
    assert!(config.is_none());
    assert_eq!(problems.len(), 8, "{problems:?}");
}

#[test]
fn a_wrong_type_names_its_path() {
    let (_, problems) = parse("admin:\n  cors: maybe\ngrpc: 9181\n");
    assert!(problems[0].starts_with("admin.cors: "), "{problems:?}");
    assert_eq!(problems[1], "grpc: expected a mapping, got 9181");
}

#[test]
fn listening_everywhere_needs_an_advertised_host() {
    let everywhere = Options {
        peer: Some("0.0.0.0:9182".to_owned()),
        ..Options::default()
    };
    assert_eq!(validate(everywhere.clone()).1.len(), 1);
    let named = Options {
        advertise: Some("node-1.example".to_owned()),
        ..everywhere
    };
    let config = validate(named).0.unwrap();
    assert_eq!(config.advertise_peer, "node-1.example:9182");
}

#[test]
fn a_flag_hides_what_it_excludes_in_the_file() {
    let (file, problems) = parse("bootstrap: true\nadmin: {key: key-of-the-file}\n");
    assert_eq!(problems, Vec::<String>::new());
    let flags = Options {
        node_id: Some(2),
        join: Some("127.0.0.1:9182".to_owned()),
        admin_key_file: Some("/tmp/other.key".into()),
        ..Options::default()
    };
    let (config, problems) = validate(flags.or(file));
    assert_eq!(problems, Vec::<String>::new());
    let config = config.unwrap();
    assert_eq!(
        config.start,
        weir_raft::Start::Join("127.0.0.1:9182".to_owned())
    );
    assert_eq!(config.keys.admin, None);
}
