use weir_plugins::prometheus::Attributes;
use weir_proxy::gateway::{Cap, Limits};

use super::*;

fn resolve(options: Options, file: &str) -> Result<Settings, Error> {
    Settings::resolve(options, file, "host-1", NonZeroUsize::new(3).unwrap())
}

fn minimal() -> Options {
    Options {
        control: vec!["127.0.0.1:9181".to_owned()],
        ..Options::default()
    }
}

#[test]
fn defaults_are_those_of_the_reference() {
    let settings = resolve(minimal(), "").unwrap();
    assert_eq!(settings.name, "host-1");
    assert_eq!(settings.http.to_string(), "0.0.0.0:9080");
    assert_eq!(settings.https.to_string(), "0.0.0.0:9443");
    assert_eq!(settings.status.to_string(), "127.0.0.1:9091");
    assert_eq!(settings.workers.get(), 3);
    assert_eq!(settings.access_log, AccessLog::Stdout);
    assert_eq!(settings.statics, Statics::default());
    assert_eq!(settings.statics.router, RouterMode::HostUri);
    assert_eq!(settings.variables, Variables::default());
    assert_eq!(settings.variables.bodies.body, 64 << 20);
}

#[test]
fn what_variables_look_at_is_bounded_by_the_file() {
    let file = "variables: { body_bytes: 1000, body_memory: 5000, geoip_file: /geo.mmdb }\n\
                graphql: { max_size: 10 }\n";
    let variables = resolve(minimal(), file).unwrap().variables;
    assert_eq!(variables.bodies.body, 1000);
    assert_eq!(variables.bodies.graphql, 10);
    assert_eq!(variables.body_memory, 5000);
    assert_eq!(variables.geoip_file, Some(PathBuf::from("/geo.mmdb")));
    let Error(problems) = resolve(minimal(), "variables: { body_bytes: 1k }").unwrap_err();
    assert_eq!(
        problems,
        ["variables.body_bytes: expected a number of bytes, got \"1k\""]
    );
}

#[test]
fn option_beats_file_and_file_beats_default() {
    let file = "name: from-file\nregion: eu\nzone: eu-1\nworkers: 2\ncontrol: [127.0.0.1:1, 127.0.0.1:2]\n";
    let options = Options {
        name: Some("from-flag".to_owned()),
        ..Options::default()
    };
    let settings = resolve(options, file).unwrap();
    assert_eq!(settings.name, "from-flag");
    assert_eq!(settings.region, "eu");
    assert_eq!(settings.zone, "eu-1");
    assert_eq!(settings.workers.get(), 2);
    assert_eq!(settings.control, ["127.0.0.1:1", "127.0.0.1:2"]);
}

#[test]
fn options_of_the_proxy_are_read() {
    let settings = resolve(minimal(), "proxy: {reason_header: true}").unwrap();
    assert!(settings.proxy.reason_header);
    assert!(!resolve(minimal(), "").unwrap().proxy.reason_header);
    let file = "proxy: {replay: {memory: 1k, size: 2m, total: 3g, dir: /var/spool/weir}}";
    let replay = resolve(minimal(), file).unwrap().proxy.replay;
    let expected = Replay {
        memory: 1 << 10,
        size: 2 << 20,
        total: 3 << 30,
        dir: Some(PathBuf::from("/var/spool/weir")),
    };
    assert_eq!(replay, expected);
    for file in [
        "proxy: {replay: {memory: 17m}}",
        "proxy: {replay: {size: big}}",
    ] {
        let error = resolve(minimal(), file).unwrap_err().to_string();
        assert!(error.starts_with("proxy.replay."), "{error}");
    }
    let error = resolve(minimal(), "proxy: {reason_headers: true}").unwrap_err();
    assert!(
        error.to_string().contains("proxy.reason_header?"),
        "{error}"
    );
}

#[test]
fn limits_are_read() {
    let file = "proxy: {limits: {header_bytes: 16k, header_count: 50, header_field_bytes: 4k, \
                uri_bytes: 2k, trailer_bytes: 1k, trailer_count: 5, chunk_extension_bytes: 0, \
                header_time: 3s, handshake_time: 500ms, idle_time: 2m, send_time: 1h, body_time: 7, \
                body_rate: 1k, body_rate_grace: 10s, http2_streams: 10, connections: 1000, \
                connections_per_address: off, requests: 200, pending: 0, memory: 512m, \
                adaptive: off}}";
    let limits = resolve(minimal(), file).unwrap().proxy.limits;
    let expected = Limits {
        header_bytes: 16 << 10,
        header_count: 50,
        header_field: 4 << 10,
        uri_length: 2 << 10,
        trailer_bytes: 1 << 10,
        trailer_count: 5,
        chunk_extension: 0,
        header: Duration::from_secs(3),
        handshake: Duration::from_millis(500),
        idle: Duration::from_secs(120),
        send: Duration::from_secs(3600),
        body: Duration::from_secs(7),
        body_rate: 1 << 10,
        body_rate_grace: Duration::from_secs(10),
        http2_streams: 10,
        connections: Cap::At(1000),
        connections_per_address: Cap::Off,
        requests: Cap::At(200),
        pending: 0,
        memory: Cap::At(512 << 20),
        adaptive: false,
        ..Limits::default()
    };
    assert_eq!(limits, expected);
    let auto = resolve(minimal(), "proxy: {limits: {memory: auto}}").unwrap();
    assert_eq!(auto.proxy.limits, Limits::default());
}

#[test]
fn page_of_limits_has_every_setting() {
    let page = include_str!("../../../../docs/limits.md");
    let error = resolve(minimal(), "proxy: {limits: {zzzzzzzzzzzzzzzz: 1}}").unwrap_err();
    let error = error.to_string();
    let (_, known) = error.split_once("known here: ").unwrap();
    for name in known.split(", ") {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for (limit, expected) in [
        ("header_bytes: 1k", "from 8192 to 1048576 bytes, got 1024"),
        (
            "header_bytes: 2m",
            "from 8192 to 1048576 bytes, got 2097152",
        ),
        ("header_count: 0", "a number from 1 to 1000, got 0"),
        (
            "http2_streams: many",
            "a number from 1 to 10000, got \"many\"",
        ),
        (
            "header_time: 0",
            "a time above 0 and up to 1d, such as 500ms, 10s, 5m or 1h, got \"0\"",
        ),
        (
            "connections: 0",
            "a number of 1 or more, auto or off, got \"0\"",
        ),
        (
            "requests: none",
            "a number of 1 or more, auto or off, got \"none\"",
        ),
        (
            "memory: 1m",
            "a size of 32m or more, auto or off, got \"1m\"",
        ),
        ("adaptive: 3", "true or false, got 3"),
    ] {
        let file = format!("proxy: {{limits: {{{limit}}}}}");
        let Error(problems) = resolve(minimal(), &file).unwrap_err();
        let name = limit.split(':').next().unwrap();
        assert_eq!(
            problems,
            [format!("proxy.limits.{name}: expected {expected}")]
        );
    }
}

#[test]
fn listeners_of_streams_come_from_file_or_command_line() {
    let file = "apisix:\n  proxy_mode: http&stream\n  stream_proxy:\n    \
                tcp: [9100, {addr: '127.0.0.1:9443', tls: true}]\n    udp: ['127.0.0.1:53']\n    \
                udp_sessions: 7\n  \
                proxy_protocol: {enable_tcp_pp: true, enable_tcp_pp_to_upstream: true}\n";
    let statics = resolve(minimal(), file).unwrap().statics;
    assert_eq!(statics.streams.tcp[0].address.to_string(), "0.0.0.0:9100");
    assert!(statics.streams.tcp[1].tls && !statics.streams.tcp[0].tls);
    assert_eq!(statics.streams.udp[0].to_string(), "127.0.0.1:53");
    assert_eq!(statics.streams.udp_sessions, 7);
    assert!(statics.proxy_protocol.streams && statics.proxy_protocol.to_nodes);
    let options = Options {
        stream_tls: vec!["127.0.0.1:1".parse().unwrap()],
        ..minimal()
    };
    let streams = resolve(options, file).unwrap().statics.streams;
    assert!(streams.tcp.len() == 1 && streams.tcp[0].tls && streams.udp.len() == 1);
    for (file, problem) in [
        (
            "apisix: {proxy_mode: http, stream_proxy: {udp: [53]}}",
            "apisix.proxy_mode: expected",
        ),
        (
            "apisix: {proxy_mode: stream}",
            "apisix.stream_proxy: expected",
        ),
        (
            "apisix: {proxy_mode: tcp}",
            "apisix.proxy_mode: expected http, stream",
        ),
        (
            "apisix: {stream_proxy: {tcp: 9100}}",
            "apisix.stream_proxy.tcp: expected a list",
        ),
        (
            "apisix: {stream_proxy: {udp: [x]}}",
            "apisix.stream_proxy.udp: expected a port",
        ),
    ] {
        let error = resolve(minimal(), file).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}

#[test]
fn static_options_keep_the_names_of_apisix() {
    let file = r#"
apisix:
  router:
    http: radixtree_uri_with_parameter
  delete_uri_tail_slash: true
  normalize_uri_like_servlet: true
  match_uri_encoded_slash: true
  enable_server_tokens: false
  trusted_addresses: [127.0.0.1, 10.0.0.0/8]
  show_upstream_status_in_response_header: true
  proxy_protocol: { listen_http_port: 9181, listen_https_port: 9182, from: [10.0.0.0/8] }
nginx_config:
  http:
    client_max_body_size: 10m
    real_ip_header: X-Forwarded-For
    real_ip_from: [127.0.0.1, "unix:"]
    real_ip_recursive: "on"
plugin_attr:
  prometheus:
    export_uri: /metrics
    metric_prefix: gw_
    enable_export_server: true
    export_addr: { ip: 127.0.0.1, port: 9092 }
    metrics:
      http_status: { extra_labels: [{ upstream: $upstream_addr }, { tenant: $http_x_tenant }] }
    default_buckets: [0.5, 15, 55]
  batch-requests: { uri: /foo/bar }
  redirect: { https_port: 8443 }
"#;
    let statics = resolve(minimal(), file).unwrap().statics;
    assert_eq!(statics.router, RouterMode::UriWithParameter);
    assert!(statics.delete_uri_tail_slash);
    assert!(statics.normalize_uri_like_servlet && statics.match_uri_encoded_slash);
    assert!(!statics.enable_server_tokens);
    assert!(statics.show_upstream_status);
    assert_eq!(statics.client_max_body_size, Some(10 << 20));
    assert_eq!(
        statics.trusted_addresses.unwrap(),
        ["127.0.0.1", "10.0.0.0/8"]
    );
    let from = vec!["10.0.0.0/8".to_owned()];
    assert_eq!(
        statics.proxy_protocol,
        ProxyListeners {
            http_port: Some(9181),
            https_port: Some(9182),
            streams: false,
            to_nodes: false,
            from: Some(from),
        }
    );
    assert_eq!(
        statics.real_ip,
        RealIp {
            header: "X-Forwarded-For".to_owned(),
            from: vec!["127.0.0.1".to_owned()],
            recursive: true,
        }
    );
    let mut attributes = Attributes::default();
    for (name, variable) in [("upstream", "$upstream_addr"), ("tenant", "$http_x_tenant")] {
        attributes.add_label("http_status", name, variable).unwrap();
    }
    attributes.set_buckets(vec![0.5, 15.0, 55.0]).unwrap();
    assert_eq!(
        statics.prometheus,
        PrometheusExport {
            uri: "/metrics".to_owned(),
            metric_prefix: "gw_".to_owned(),
            enabled: true,
            address: Some("127.0.0.1:9092".parse().unwrap()),
            attributes,
        }
    );
    assert_eq!(statics.batch_uri.as_deref(), Some("/foo/bar"));
    assert_eq!(statics.redirect_port, Some(8443));
}

#[test]
fn every_mistake_is_named_with_its_path() {
    let file = "\
nmae: x
http: nowhere
apisix:
  router: { http: radix }
  node_listen: 9080
  delete_uri_tail_slsh: true
  trusted_addresses: [localhost]
plugin_attr:
  zipkin: {}
  batch-requests: { uri: batch }
  prometheus:
    metrics: { http_status: { extra_labels: [{ code: $host }, text] }, bandwidth: { expire: 1 } }
    default_buckets: [2, 1]
";
    let Error(problems) = resolve(Options::default(), file).unwrap_err();
    let text = problems.join("\n");
    for expected in [
        "nmae: not an option that this release supports; did you mean name?",
        "http: expected an address such as 127.0.0.1:9080, got \"nowhere\"",
        "apisix.router.http: expected radixtree_host_uri, radixtree_uri or \
         radixtree_uri_with_parameter, got \"radix\"",
        "apisix.node_listen: not an option that this release supports; known here: router,",
        "apisix.delete_uri_tail_slsh: not an option that this release supports; did you mean \
         apisix.delete_uri_tail_slash?",
        "apisix.trusted_addresses: expected addresses or CIDR blocks, got \"localhost\"",
        "plugin_attr.zipkin: not an option that this release supports; known here: prometheus, batch-requests, redirect",
        "plugin_attr.batch-requests.uri: expected a path such as /metrics, got \"batch\"",
        "plugin_attr.prometheus.metrics.http_status.extra_labels[0]: expected a name that the metric \
         does not have yet, got {\"code\":\"$host\"}",
        "plugin_attr.prometheus.metrics.http_status.extra_labels[1]: expected one name and its variable",
        "plugin_attr.prometheus.metrics.bandwidth.expire: not an option that this release supports",
        "plugin_attr.prometheus.default_buckets: expected 1 to 100 numbers above 0, each greater than \
         the one before, got [2,1]",
        "control: at least one HOST:PORT is needed; give --control",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
    assert_eq!(problems.len(), 13, "{text}");
}

#[test]
fn text_that_is_not_yaml_is_refused() {
    for file in ["a: [", "- 1", "just text"] {
        let Error(problems) = resolve(minimal(), file).unwrap_err();
        assert!(problems[0].starts_with("config file: "), "{problems:?}");
    }
}

#[test]
fn control_without_a_port_is_refused() {
    let options = Options {
        control: vec!["localhost".to_owned(), ":1".to_owned()],
        ..Options::default()
    };
    let Error(problems) = resolve(options, "").unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn how_it_ends_and_who_takes_over_are_settings() {
    let settings = resolve(minimal(), "").unwrap();
    let seconds = |settings: &Settings| {
        let times = [settings.drain_delay, settings.drain_idle, settings.drain];
        times.map(|time| time.as_secs())
    };
    assert_eq!(seconds(&settings), [1, 5, 30]);
    assert_eq!(settings.takeover, Takeover::Auto);
    let file = "drain_delay_seconds: 7\ndrain_idle_seconds: 8\ndrain_seconds: 9\ntakeover: never\n";
    let settings = resolve(minimal(), file).unwrap();
    assert_eq!(seconds(&settings), [7, 8, 9]);
    assert_eq!(settings.takeover, Takeover::Never);
    let Error(problems) =
        resolve(minimal(), "takeover: always\ndrain_delay_seconds: soon\n").unwrap_err();
    assert_eq!(
        problems,
        [
            "drain_delay_seconds: expected a number of seconds, got \"soon\"",
            "takeover: expected auto or never, got \"always\""
        ]
    );
}

#[test]
fn tls_to_clients_has_its_versions_and_its_fallback() {
    let tls = |file: &str| resolve(minimal(), file).map(|settings| settings.statics.tls);
    assert_eq!(tls("").unwrap(), ClientTls::default());
    let file = "apisix: {ssl: {ssl_protocols: TLSv1.2 TLSv1.3, fallback_sni: A.Test., \
                ssl_session_tickets: false}}";
    let read = tls(file).unwrap();
    assert_eq!(read.versions, ClientTls::default().versions);
    assert_eq!(read.fallback_sni.as_deref(), Some("a.test"));
    assert!(!read.tickets);
    let Error(problems) = tls("apisix: {ssl: {ssl_protocols: TLSv1 TLSv1.3}}").unwrap_err();
    assert_eq!(
        problems,
        ["apisix.ssl.ssl_protocols: expected TLSv1.2, TLSv1.3 or both, got \"TLSv1 TLSv1.3\""]
    );
}
