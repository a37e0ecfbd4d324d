//! `weir dev`: a control node, an agent and a demo back end in one process, over the same gRPC as
//! in production.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::banner::Banner;
use crate::demo::Demo;
use crate::signals;

/// How long open requests may go on after Ctrl-C: somebody waits for the prompt.
const DRAIN: Duration = Duration::from_secs(3);

/// Options of `weir dev`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  weir dev --data-dir ./weir-data --http 127.0.0.1:9080")]
pub(crate) struct Options {
    /// Directory that everything is kept in
    #[arg(
        long,
        env = "WEIR_DATA_DIR",
        value_name = "DIR",
        default_value = "./weir-data"
    )]
    data_dir: PathBuf,

    /// Where the agent proxies HTTP
    #[arg(
        long,
        env = "WEIR_HTTP",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9080"
    )]
    http: SocketAddr,

    /// Where the agent proxies HTTPS
    #[arg(
        long,
        env = "WEIR_HTTPS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9443"
    )]
    https: SocketAddr,

    /// Where the agent takes streams over TCP
    #[arg(
        long,
        env = "WEIR_STREAM_TCP",
        value_name = "IP:PORT[,IP:PORT...]",
        value_delimiter = ','
    )]
    stream_tcp: Vec<SocketAddr>,

    /// Where the agent takes streams over TCP and ends their TLS
    #[arg(
        long,
        env = "WEIR_STREAM_TLS",
        value_name = "IP:PORT[,IP:PORT...]",
        value_delimiter = ','
    )]
    stream_tls: Vec<SocketAddr>,

    /// Where the agent takes streams over UDP
    #[arg(
        long,
        env = "WEIR_STREAM_UDP",
        value_name = "IP:PORT[,IP:PORT...]",
        value_delimiter = ','
    )]
    stream_udp: Vec<SocketAddr>,

    /// Where the REST Admin API listens
    #[arg(
        long,
        env = "WEIR_ADMIN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9180"
    )]
    admin: String,

    /// Where gRPC for the CLI and agents listens
    #[arg(
        long,
        env = "WEIR_GRPC",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9181"
    )]
    grpc: String,

    /// Where other members could reach the control node
    #[arg(
        long,
        env = "WEIR_PEER",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9182"
    )]
    peer: String,

    /// Where health, metrics and status of the control node listen
    #[arg(
        long,
        env = "WEIR_STATUS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9183"
    )]
    status: String,

    /// Where health, metrics and status of the agent listen
    #[arg(
        long,
        env = "WEIR_AGENT_STATUS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9091"
    )]
    agent_status: SocketAddr,

    /// Where the demo back end listens
    #[arg(
        long,
        env = "WEIR_DEMO",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9088"
    )]
    demo: SocketAddr,

    /// File with the admin key [default: DATA_DIR/admin.key, generated at the first start]
    #[arg(long, env = "WEIR_ADMIN_KEY_FILE", value_name = "FILE")]
    admin_key_file: Option<PathBuf>,

    /// The admin key; better given by environment, flags show in process lists
    #[arg(
        long,
        env = "WEIR_ADMIN_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    admin_key: Option<String>,

    /// What to log: a level, or a filter such as weir_raft=debug,info
    #[arg(long, env = "WEIR_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Runs until a signal comes, then stops everything in order.
///
/// # Errors
/// When one of the parts cannot start; it says which.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let shutdown = signals::shutdown()?;
    let demo = Demo::start(options.demo, shutdown.clone())
        .await
        .context("demo back end")?;
    let control = weir_control::start(control(&options))
        .await
        .context("control node")?;
    let grpc = control.addresses().grpc;
    let agent = match weir_agent::start(agent(&options, grpc)).await {
        Ok(agent) => agent,
        Err(error) => {
            control.shutdown().await;
            return Err(error.context("agent"));
        }
    };
    let key_file = options.admin_key_file.clone();
    let key_file = key_file.unwrap_or_else(|| options.data_dir.join("admin.key"));
    let banner = Banner {
        admin: control.addresses().admin,
        grpc,
        status: control.addresses().status,
        http: agent.addresses().http,
        https: agent.addresses().https,
        agent_status: agent.addresses().status,
        demo: demo.address,
        key: options.admin_key.is_none().then_some(key_file),
        program: std::env::args().next().unwrap_or_else(|| "weir".to_owned()),
    };
    eprintln!("{banner}");
    let failed = shutdown.run_until_cancelled(control.failed()).await;
    agent.shutdown(DRAIN).await;
    control.shutdown().await;
    match failed {
        Some(reason) => Err(anyhow::Error::msg(reason).context("control node")),
        None => Ok(()),
    }
}

fn control(options: &Options) -> weir_control::Options {
    weir_control::Options {
        node_id: Some(1),
        data_dir: Some(options.data_dir.clone()),
        admin: Some(options.admin.clone()),
        grpc: Some(options.grpc.clone()),
        peer: Some(options.peer.clone()),
        status: Some(options.status.clone()),
        bootstrap: Some(true),
        admin_key_file: options.admin_key_file.clone(),
        admin_key: options.admin_key.clone(),
        log: Some(options.log.clone()),
        // Those of an agent without a file.
        cache_zones: Some(
            ["disk_cache_one", "disk_cache_two", "memory_cache"]
                .map(str::to_owned)
                .into(),
        ),
        ..weir_control::Options::default()
    }
}

fn agent(options: &Options, grpc: SocketAddr) -> weir_agent::Options {
    weir_agent::Options {
        control: vec![grpc.to_string()],
        name: Some("dev".to_owned()),
        data_dir: Some(options.data_dir.join("agent")),
        http: Some(options.http),
        https: Some(options.https),
        stream_tcp: options.stream_tcp.clone(),
        stream_tls: options.stream_tls.clone(),
        stream_udp: options.stream_udp.clone(),
        status: Some(options.agent_status),
        // The other parts of this process cannot be taken over.
        takeover: Some(weir_agent::Takeover::Never),
        ..weir_agent::Options::default()
    }
}
