//! Settings of an agent: command line, environment, file, default, in this order; checked as a
//! whole, so that all mistakes come out at once.

mod cache;
mod document;
mod file;
mod limits;
mod options;
mod prometheus;
mod proxy;
mod size;
mod span;
mod statics;
mod streams;
mod tls;
mod variables;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use cache::{Cache, Disk, Zone};
pub use options::{LogFormat, Options, Takeover};
pub use prometheus::PrometheusExport;
pub use proxy::{Proxy, Replay};
pub use statics::{ProxyListeners, RealIp, RouterMode, Statics};
pub use streams::{ProxyMode, StreamListener, Streams};
pub use tls::ClientTls;
pub use variables::Variables;

/// Longest name, region, zone or group.
const NAME_LIMIT: usize = 256;

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to this file.
    File(PathBuf),
}

impl AccessLog {
    fn parse(text: &str) -> Self {
        match text {
            "-" | "stdout" => Self::Stdout,
            "off" => Self::Off,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

/// Ready-to-use settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `host:port` of control nodes, at least one.
    pub control: Vec<String>,
    /// Name in the fleet, not empty.
    pub name: String,
    /// May be empty.
    pub region: String,
    /// May be empty.
    pub zone: String,
    /// May be empty.
    pub group: String,
    /// Where the last good state is kept.
    pub data_dir: PathBuf,
    /// Cleartext listener: HTTP/1.1 and HTTP/2.
    pub http: SocketAddr,
    /// TLS listener.
    pub https: SocketAddr,
    /// Health, metrics and status.
    pub status: SocketAddr,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// How long open requests may go on once it drains.
    pub drain: Duration,
    /// How long it serves on, not ready, before it drains.
    pub drain_delay: Duration,
    /// How long a drain leaves idle HTTP/1 connections open.
    pub drain_idle: Duration,
    /// Whether it takes over, and is taken over from.
    pub takeover: Takeover,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// What APISIX keeps in its `config.yaml`.
    pub statics: Statics,
    /// What APISIX has no option for.
    pub proxy: Proxy,
    /// What variables may look at.
    pub variables: Variables,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(pub Vec<String>);

impl Settings {
    /// Puts the sources together. Reads the file that `options` names, and nothing else;
    /// `hostname` and `cores` are the defaults for name and workers.
    ///
    /// # Errors
    /// Everything that is wrong, one line each, with the path of the field.
    pub fn load(options: Options, hostname: &str, cores: NonZeroUsize) -> Result<Self, Error> {
        let text = match &options.config {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Error(vec![format!("--config {}: {error}", path.display())]))?,
        };
        Self::resolve(options, &text, hostname, cores)
    }

    /// [`Self::load`] with the text of the file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn resolve(
        options: Options,
        file: &str,
        hostname: &str,
        cores: NonZeroUsize,
    ) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let file = file::read(file, &mut problems);
        let control: Vec<String> = if options.control.is_empty() {
            file.control
        } else {
            options.control
        };
        check_control(&control, &mut problems);
        let name = options
            .name
            .or(file.name)
            .unwrap_or_else(|| hostname.to_owned());
        let region = options.region.or(file.region).unwrap_or_default();
        let zone = options.zone.or(file.zone).unwrap_or_default();
        let group = options.group.or(file.group).unwrap_or_default();
        if name.is_empty() {
            problems.push("name: must not be empty; give --name".to_owned());
        }
        for (field, text) in [
            ("name", &name),
            ("region", &region),
            ("zone", &zone),
            ("group", &group),
        ] {
            if text.len() > NAME_LIMIT {
                problems.push(format!(
                    "{field}: must have {NAME_LIMIT} bytes or fewer, got {}",
                    text.len()
                ));
            }
        }
        let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let seconds = |option: Option<u64>, file: Option<u64>, default| {
            Duration::from_secs(option.or(file).unwrap_or(default))
        };
        let access_log = options.access_log.or(file.access_log);
        let mut statics = file.statics;
        add_streams(
            &mut statics,
            (options.stream_tcp, options.stream_tls, options.stream_udp),
            &mut problems,
        );
        let settings = Self {
            control,
            name,
            region,
            zone,
            group,
            data_dir: options
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| PathBuf::from("./weir-agent")),
            http: options.http.or(file.http).unwrap_or_else(|| any(9080)),
            https: options.https.or(file.https).unwrap_or_else(|| any(9443)),
            status: options
                .status
                .or(file.status)
                .unwrap_or_else(|| local(9091)),
            workers: options.workers.or(file.workers).unwrap_or(cores),
            drain: seconds(options.drain_seconds, file.drain_seconds, 30),
            drain_delay: seconds(options.drain_delay_seconds, file.drain_delay_seconds, 1),
            drain_idle: seconds(options.drain_idle_seconds, file.drain_idle_seconds, 5),
            takeover: options.takeover.or(file.takeover).unwrap_or_default(),
            access_log: AccessLog::parse(access_log.as_deref().unwrap_or("-")),
            statics,
            proxy: file.proxy,
            variables: file.variables,
        };
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(Error(problems))
        }
    }
}

/// Listeners that the command line names: TCP, TLS, UDP.
type Named = (Vec<SocketAddr>, Vec<SocketAddr>, Vec<SocketAddr>);

/// Adds the listeners for streams of the command line to those of the file, of which they replace
/// those of the same transport.
fn add_streams(statics: &mut Statics, (tcp, tls, udp): Named, problems: &mut Vec<String>) {
    let streams = &mut statics.streams;
    if !tcp.is_empty() || !tls.is_empty() {
        let listeners = |addresses: Vec<SocketAddr>, tls| {
            let addresses = addresses.into_iter();
            addresses.map(move |address| StreamListener { address, tls })
        };
        streams.tcp = listeners(tcp, false).chain(listeners(tls, true)).collect();
    }
    if !udp.is_empty() {
        streams.udp = udp;
    }
    match statics.proxy_mode {
        Some(ProxyMode::Http) if !streams.is_empty() => problems.push(
            "apisix.proxy_mode: expected stream or http&stream beside listeners for streams, got http"
                .to_owned(),
        ),
        Some(ProxyMode::Stream | ProxyMode::Both) if streams.is_empty() => problems.push(
            "apisix.stream_proxy: expected a listener in tcp or udp, as apisix.proxy_mode asks for, got none"
                .to_owned(),
        ),
        _ => {}
    }
}

fn check_control(control: &[String], problems: &mut Vec<String>) {
    if control.is_empty() {
        problems.push("control: at least one HOST:PORT is needed; give --control".to_owned());
    }
    for address in control {
        let fits = address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !fits {
            problems.push(format!("control: expected HOST:PORT, got {address:?}"));
        }
    }
}

#[cfg(test)]
mod tests;
