//! From the settings of an agent to what its parts are started with.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderName;
use ipnet::IpNet;
use serde_json::json;
use tokio::runtime::Handle;
use weir_clients::Clients;
use weir_model::endpoint::Endpoints;
use weir_plugin_api::outside::{CacheDisk, CacheZone, CacheZones};
use weir_plugin_api::{Attributes, Living};
use weir_plugins::{BUILTIN, ON_STREAMS};
use weir_proxy::gateway::{self, Gateway, GatewayConfig};
use weir_proxy::http::forward::RealIp;
use weir_proxy::http::target::PathRules;
use weir_proxy::router::{RouterMode, RouterSettings};
use weir_proxy::runtime::{CompileEnv, Locations, SystemEnvironment};
use weir_proxy::telemetry::access_log;
use weir_proxy::tls::Terms;
use weir_proxy::upstream::locality::Home;

use crate::config::{self, AccessLog, ProxyMode, Settings, Statics};
use crate::geoip::GeoFile;

/// What configurations are compiled with; `gateway` tells where clients reach it, and `places` where
/// they are.
///
/// # Errors
/// What plugins are told as a whole cannot be written down.
pub(crate) fn compile_env(
    settings: &Settings,
    living: Living,
    hostname: &str,
    gateway: &Gateway,
    places: Option<Arc<GeoFile>>,
) -> anyhow::Result<CompileEnv> {
    let secure = gateway.addresses().https.first().map(SocketAddr::port);
    let places = places.map(|file| file as Arc<dyn Locations>);
    let mode = match settings.statics.router {
        config::RouterMode::HostUri => RouterMode::HostUri,
        config::RouterMode::Uri => RouterMode::Uri,
        config::RouterMode::UriWithParameter => RouterMode::UriWithParameter,
    };
    let delete_uri_tail_slash = settings.statics.delete_uri_tail_slash;
    Ok(CompileEnv {
        plugins: BUILTIN,
        stream_plugins: ON_STREAMS,
        endpoints: Endpoints::default(),
        living,
        settings: RouterSettings {
            mode,
            delete_uri_tail_slash,
        },
        environment: Arc::new(
            SystemEnvironment::new(hostname)
                .at(Home {
                    region: settings.region.clone(),
                    zone: settings.zone.clone(),
                })
                .reached_at(settings.statics.redirect_port.or(secure))
                .with_locations(places),
        ),
        attributes: attributes(&settings.statics)?,
        outside: Arc::new(
            Clients::new(Handle::current())
                .with_zones(cache_zones(&settings.statics.cache, &settings.data_dir)),
        ),
        tls: Terms {
            versions: settings.statics.tls.versions,
            fallback_sni: settings.statics.tls.fallback_sni.clone(),
            tickets: settings.statics.tls.tickets.then(Arc::default),
        },
    })
}

/// What plugins are told as a whole.
fn attributes(statics: &Statics) -> anyhow::Result<Attributes> {
    let metrics = serde_json::to_value(&statics.prometheus.attributes);
    let metrics = metrics.context("plugin_attr.prometheus")?;
    let batch = json!({"uri": statics.batch_uri});
    let said = [("prometheus", metrics), ("batch-requests", batch)];
    Ok(said
        .map(|(plugin, value)| (plugin.to_owned(), value))
        .into_iter()
        .collect())
}

/// The zones of the settings; those without a folder of their own lie in the data directory.
fn cache_zones(cache: &config::Cache, data_dir: &Path) -> CacheZones {
    let zone = |zone: &config::Zone| CacheZone {
        name: zone.name.clone(),
        memory: zone.memory,
        disk: zone.disk.as_ref().map(|disk| CacheDisk {
            folder: disk
                .folder
                .clone()
                .unwrap_or_else(|| data_dir.join("cache").join(&zone.name)),
            size: disk.size,
            levels: disk.levels.clone(),
        }),
    };
    CacheZones {
        ttl: cache.ttl,
        zones: cache.zones.iter().map(zone).collect(),
    }
}

/// What the gateway is started with.
///
/// # Errors
/// A setting that cannot be used, by its name.
pub(crate) fn gateway_config(settings: &Settings) -> anyhow::Result<GatewayConfig> {
    let statics = &settings.statics;
    let replay = &settings.proxy.replay;
    let relayed = |port: Option<u16>, of: SocketAddr| {
        let port = port.into_iter();
        port.map(|port| SocketAddr::new(of.ip(), port)).collect()
    };
    let with_http = |addresses: Vec<SocketAddr>| match statics.proxy_mode {
        Some(ProxyMode::Stream) => Vec::new(),
        _ => addresses,
    };
    let from = match statics.real_ip.header.as_str() {
        // What a PROXY header tells counts anyway, and no field of this name does.
        "proxy_protocol" => Vec::new(),
        _ => networks(&statics.real_ip.from),
    };
    let header = HeaderName::try_from(statics.real_ip.header.as_str()).with_context(|| {
        format!(
            "nginx_config.http.real_ip_header: expected the name of a header, got {:?}",
            statics.real_ip.header
        )
    })?;
    Ok(GatewayConfig {
        http: with_http(vec![settings.http]),
        https: with_http(vec![settings.https]),
        relayed_http: with_http(relayed(statics.proxy_protocol.http_port, settings.http)),
        relayed_https: with_http(relayed(statics.proxy_protocol.https_port, settings.https)),
        stream_tcp: statics.streams.tcp.iter().map(stream_listener).collect(),
        stream_udp: statics.streams.udp.clone(),
        workers: settings.workers,
        access_log: match &settings.access_log {
            AccessLog::Stdout => access_log::AccessLog::Stdout,
            AccessLog::Off => access_log::AccessLog::Off,
            AccessLog::File(path) => access_log::AccessLog::File(path.clone()),
        },
        settings: gateway::Settings {
            server: Some(gateway::server_field(statics.enable_server_tokens)),
            show_upstream_status: statics.show_upstream_status,
            show_reason: settings.proxy.reason_header,
            real_ip: RealIp {
                header,
                from,
                recursive: statics.real_ip.recursive,
            },
            limits: gateway::Limits {
                body_bytes: statics.client_max_body_size,
                bodies: settings.variables.bodies,
                body_memory: settings.variables.body_memory,
                ..settings.proxy.limits
            },
            paths: PathRules {
                servlet: statics.normalize_uri_like_servlet,
                encoded_slash: statics.match_uri_encoded_slash,
            },
            replay: gateway::ReplaySettings {
                memory: usize::try_from(replay.memory)?,
                size: replay.size,
                total: replay.total,
                folder: replay.dir.as_ref().unwrap_or(&settings.data_dir).clone(),
            },
            trusted_addresses: statics.trusted_addresses.as_deref().map(networks),
            relays: statics.proxy_protocol.from.as_deref().map(networks),
            drain_idle: settings.drain_idle,
            streams: gateway::StreamSettings {
                relayed: statics.proxy_protocol.streams,
                tell_nodes: statics.proxy_protocol.to_nodes,
                udp_sessions: statics.streams.udp_sessions,
            },
        },
    })
}

fn stream_listener(listener: &config::StreamListener) -> gateway::StreamListener {
    gateway::StreamListener {
        address: listener.address,
        tls: listener.tls,
    }
}

/// Addresses and blocks; the settings have checked them.
fn networks(texts: &[String]) -> Vec<IpNet> {
    let network = |text: &String| {
        text.parse()
            .ok()
            .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
    };
    texts.iter().filter_map(network).collect()
}
