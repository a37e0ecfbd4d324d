//! From merged options to ready-to-use settings. Pure; collects every problem.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use weir_raft::Start;

use super::{Addresses, Config, KeySettings, Options, registries};
use crate::telemetry::Format;

const DATA_DIR: &str = "./weir-data";
const ADMIN: &str = "127.0.0.1:9180";
const GRPC: &str = "127.0.0.1:9181";
const PEER: &str = "127.0.0.1:9182";
const STATUS: &str = "127.0.0.1:9183";
/// The original's allow list: the first loopback network.
const ALLOW_ADMIN: [&str; 2] = ["127.0.0.0/24", "::1/128"];
/// A snapshot costs a copy of the state; 5,000 entries replay in well under a second.
const SNAPSHOT_EVERY: u64 = 5_000;
/// Longer than two elections, shorter than what an operator waits for.
const DEADLINE_MS: u64 = 10_000;
const SHUTDOWN_TIMEOUT_MS: u64 = 5_000;
/// A key that can be guessed is no key.
const SHORTEST_KEY: usize = 8;

/// Checks merged options. The settings are there when nothing is wrong.
pub(super) fn validate(options: Options) -> (Option<Config>, Vec<String>) {
    let mut problems = Vec::new();
    let listen = (
        address(
            "admin",
            options.admin.as_deref().unwrap_or(ADMIN),
            &mut problems,
        ),
        address(
            "grpc",
            options.grpc.as_deref().unwrap_or(GRPC),
            &mut problems,
        ),
        address(
            "peer",
            options.peer.as_deref().unwrap_or(PEER),
            &mut problems,
        ),
        address(
            "status",
            options.status.as_deref().unwrap_or(STATUS),
            &mut problems,
        ),
    );
    let (Some(admin), Some(grpc), Some(peer), Some(status)) = listen else {
        return (None, problems);
    };
    let listen = Addresses {
        admin,
        grpc,
        peer,
        status,
    };
    same_port_twice(&listen, &mut problems);
    let advertise = options.advertise.as_deref();
    let advertise_peer = advertised(
        "peer",
        listen.peer,
        options.advertise_peer.as_deref(),
        advertise,
        &mut problems,
    );
    let advertise_grpc = advertised(
        "grpc",
        listen.grpc,
        options.advertise_grpc.as_deref(),
        advertise,
        &mut problems,
    );
    let start = match (options.bootstrap.unwrap_or(false), options.join) {
        (true, Some(_)) => {
            problems.push("bootstrap, join: only one of the two may be given".to_owned());
            Start::Resume
        }
        (true, None) => Start::Bootstrap,
        (false, Some(member)) => Start::Join(member),
        (false, None) => Start::Resume,
    };
    let node_id = match (options.node_id, &start) {
        (Some(0), _) => {
            problems.push("node_id: must be 1 or more, got 0".to_owned());
            0
        }
        (Some(id), _) => id,
        (None, Start::Join(_)) => {
            problems.push("node_id: needed with join".to_owned());
            0
        }
        (None, _) => 1,
    };
    let data_dir = options.data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let keys = KeySettings {
        admin: key("admin key", options.admin_key, &mut problems),
        admin_file: options
            .admin_key_file
            .unwrap_or_else(|| data_dir.join("admin.key")),
        viewer: key("viewer key", options.viewer_key, &mut problems),
        required: options.admin_key_required.unwrap_or(true),
    };
    if keys.admin.is_some() && keys.admin == keys.viewer {
        problems.push("viewer key: must differ from the admin key".to_owned());
    }
    let allow_admin = networks(options.allow_admin, &mut problems);
    let stream_mode = stream_mode(options.proxy_mode.as_deref(), &mut problems);
    let snapshot_every = at_least_one(
        "snapshot_every",
        options.snapshot_every,
        SNAPSHOT_EVERY,
        &mut problems,
    );
    let deadline = at_least_one(
        "deadline_ms",
        options.deadline_ms,
        DEADLINE_MS,
        &mut problems,
    );
    let shutdown = at_least_one(
        "shutdown_timeout_ms",
        options.shutdown_timeout_ms,
        SHUTDOWN_TIMEOUT_MS,
        &mut problems,
    );
    let log_format = match options.log_format.as_deref() {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(other) => {
            problems.push(format!("log format: expected text or json, got {other:?}"));
            Format::Text
        }
    };
    let registries = registries::read(options.discovery.as_ref(), &mut problems);
    let config = Config {
        node_id,
        data_dir,
        listen,
        advertise_peer,
        advertise_grpc,
        start,
        keys,
        cors: options.admin_cors.unwrap_or(true),
        allow_admin,
        stream_mode,
        cache_zones: options.cache_zones,
        registries,
        snapshot_every,
        deadline: Duration::from_millis(deadline),
        shutdown_timeout: Duration::from_millis(shutdown),
        log_filter: options.log.unwrap_or_else(|| "info".to_owned()),
        log_format,
    };
    (problems.is_empty().then_some(config), problems)
}

fn address(option: &str, text: &str, problems: &mut Vec<String>) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        problems.push(format!(
            "{option}: expected IP:PORT such as 127.0.0.1:9180, got {text:?}"
        ));
    }
    parsed
}

fn same_port_twice(listen: &Addresses, problems: &mut Vec<String>) {
    let all = [
        ("admin", listen.admin),
        ("grpc", listen.grpc),
        ("peer", listen.peer),
        ("status", listen.status),
    ];
    for (position, (name, address)) in all.iter().enumerate() {
        let earlier = all
            .iter()
            .take(position)
            .find(|(_, other)| other == address && other.port() != 0);
        if let Some((other, _)) = earlier {
            problems.push(format!("{name}: {address} is already taken by {other}"));
        }
    }
}

/// What others use to reach `listen`. Port 0 stays: the bound port replaces it.
fn advertised(
    option: &str,
    listen: SocketAddr,
    exact: Option<&str>,
    host: Option<&str>,
    problems: &mut Vec<String>,
) -> String {
    if let Some(exact) = exact {
        let valid = exact
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !valid {
            problems.push(format!(
                "advertise {option}: expected HOST:PORT, got {exact:?}"
            ));
        }
        return exact.to_owned();
    }
    match host {
        Some(host) if host.contains(':') && !host.starts_with('[') => {
            format!("[{host}]:{}", listen.port())
        }
        Some(host) => format!("{host}:{}", listen.port()),
        None if listen.ip().is_unspecified() => {
            problems.push(format!(
                "{option}: listens on {}, so the address that others use must be given as advertise",
                listen.ip()
            ));
            String::new()
        }
        None => listen.to_string(),
    }
}

fn key(name: &str, key: Option<String>, problems: &mut Vec<String>) -> Option<String> {
    // As in APISIX, an empty key means: choose one.
    let key = key
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty())?;
    if key.len() < SHORTEST_KEY {
        problems.push(format!(
            "{name}: must have {SHORTEST_KEY} characters or more, got {}",
            key.len()
        ));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(format!(
            "{name}: must be visible ASCII without blanks, to fit a header"
        ));
    }
    Some(key)
}

fn networks(given: Option<Vec<String>>, problems: &mut Vec<String>) -> Vec<IpNet> {
    let given = given.unwrap_or_else(|| ALLOW_ADMIN.map(str::to_owned).to_vec());
    given
        .iter()
        .filter_map(|text| {
            let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
            let network = text.parse::<IpNet>().ok().or_else(single);
            if network.is_none() {
                problems.push(format!(
                    "allow_admin: expected an address or CIDR, got {text:?}"
                ));
            }
            network
        })
        .collect()
}

fn stream_mode(proxy_mode: Option<&str>, problems: &mut Vec<String>) -> bool {
    match proxy_mode {
        None | Some("http&stream" | "stream") => true,
        Some("http") => false,
        Some(other) => {
            problems.push(format!(
                "proxy_mode: expected http, stream or http&stream, got {other:?}"
            ));
            true
        }
    }
}

fn at_least_one(name: &str, given: Option<u64>, default: u64, problems: &mut Vec<String>) -> u64 {
    if given == Some(0) {
        problems.push(format!("{name}: must be 1 or more, got 0"));
    }
    given.unwrap_or(default)
}
