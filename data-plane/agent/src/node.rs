//! Building and ending an agent: every step returns what it built, and the end is the same list
//! backwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::HeaderName;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_clients::Clients;
use weir_model::endpoint::Endpoints;
use weir_net::serve;
use weir_plugin_api::Living;
use weir_plugins::BUILTIN;
use weir_proxy::gateway::{self, Gateway, GatewayConfig};
use weir_proxy::http::forward::RealIp;
use weir_proxy::http::target::PathRules;
use weir_proxy::router::{RouterMode, RouterSettings};
use weir_proxy::runtime::{CompileEnv, Locations, SystemEnvironment};
use weir_proxy::telemetry::access_log;
use weir_proxy::upstream::locality::Home;

use crate::config::{self, AccessLog, Settings};
use crate::facts::{SharedFacts, Source};
use crate::geoip::GeoFile;
use crate::plane::Plane;
use crate::status::{self, Shown};
use crate::sync::cache::Cache;
use crate::sync::client;
use crate::sync::mirror::Mirror;
use crate::sync::session::Identity;

/// Between two writes of endpoints: they may change many times a second.
const KEEP_ENDPOINTS: Duration = Duration::from_millis(50);
/// Of the time, one part in so many goes into writing them at most.
const KEEPING_SHARE: u32 = 20;

/// Where an agent listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP/1.1 and cleartext HTTP/2.
    pub http: SocketAddr,
    /// TLS.
    pub https: SocketAddr,
    /// Health, metrics and status.
    pub status: SocketAddr,
}

/// A running agent.
pub struct Agent {
    addresses: Addresses,
    pub(crate) drain: Duration,
    plane: Arc<Plane>,
    /// Ends the sync client.
    following: CancellationToken,
    /// Ends the status port.
    serving: CancellationToken,
    tasks: JoinSet<()>,
}

impl Agent {
    pub(crate) async fn start(settings: Settings, hostname: String) -> anyhow::Result<Self> {
        let dir = settings.data_dir.display().to_string();
        let (cache, loaded) = Cache::open(&settings.data_dir)
            .with_context(|| format!("--data-dir {dir}: cannot be used"))?;
        for refused in &loaded.refused {
            tracing::error!("cached state cannot be used: {refused}");
        }
        let living = Living::default();
        let config = gateway_config(&settings)?;
        let gateway = Arc::new(Gateway::start(config, living.clone(), None)?);
        let env = compile_env(&settings, living, &hostname)?;
        let plane = Arc::new(Plane::new(gateway, env, SharedFacts::default(), cache));
        let mirror = restore(&plane, loaded.mirror).await;

        let identity = Identity {
            name: settings.name.clone(),
            region: settings.region.clone(),
            group: settings.group.clone(),
            instance: uuid::Uuid::new_v4().to_string(),
        };
        let mut agent = Self {
            addresses: Addresses {
                http: first(&plane.gateway.addresses().http, settings.http),
                https: first(&plane.gateway.addresses().https, settings.https),
                status: settings.status,
            },
            drain: settings.drain,
            plane: Arc::clone(&plane),
            following: CancellationToken::new(),
            serving: CancellationToken::new(),
            tasks: JoinSet::new(),
        };
        agent.serve_status(&settings, &identity).await?;
        let (following, keeping) = (agent.following.clone(), agent.following.clone());
        agent
            .tasks
            .spawn(keep_endpoints(Arc::clone(&plane), keeping));
        tracing::info!(
            name = settings.name,
            http = %agent.addresses.http,
            https = %agent.addresses.https,
            status = %agent.addresses.status,
            "agent started"
        );
        agent.tasks.spawn(client::run(
            settings.control,
            identity,
            plane,
            mirror,
            following,
        ));
        Ok(agent)
    }

    async fn serve_status(
        &mut self,
        settings: &Settings,
        identity: &Identity,
    ) -> anyhow::Result<()> {
        let export = &settings.statics.prometheus;
        let shown = Shown {
            plane: Arc::clone(&self.plane),
            identity: identity.clone(),
            metric_prefix: export.metric_prefix.clone(),
        };
        let path = export.enabled.then_some(export.uri.as_str());
        let own = export.address.filter(|address| *address != settings.status);
        let here = path.filter(|_| own.is_none());
        let bound = self.listen(
            "status",
            settings.status,
            status::router(shown.clone(), here),
        );
        self.addresses.status = bound.await?;
        if let Some((address, path)) = own.zip(path) {
            let router = status::export_router(shown, path);
            self.listen("plugin_attr.prometheus.export_addr", address, router)
                .await?;
        }
        Ok(())
    }

    async fn listen(
        &mut self,
        option: &str,
        address: SocketAddr,
        router: axum::Router,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (option `{option}`)"))?;
        let bound = listener.local_addr()?;
        let serving = self.serving.clone();
        self.tasks.spawn(serve::serve(
            listener,
            router,
            serve::Limits::default(),
            serving,
        ));
        Ok(bound)
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Not ready from now on; open requests may end until `limit` is over. The last state is on
    /// disk already.
    pub async fn shutdown(mut self, limit: Duration) {
        self.plane.facts.lock().draining = true;
        self.following.cancel();
        let drained = self.plane.gateway.drain(limit).await;
        if drained.unfinished > 0 {
            tracing::warn!(
                "{} requests were cut off after {limit:?}",
                drained.unfinished
            );
        }
        self.serving.cancel();
        // A status client that keeps its connection open must not keep the process.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(1), ended)
            .await
            .is_err()
        {
            self.tasks.shutdown().await;
        }
    }
}

/// Puts endpoints on disk soon after they changed, and at the end.
async fn keep_endpoints(plane: Arc<Plane>, shutdown: CancellationToken) {
    loop {
        let changed = plane.unkept_endpoints.notified();
        let stopping = shutdown.run_until_cancelled(changed).await.is_none();
        let work = Arc::clone(&plane);
        let began = Instant::now();
        if let Err(error) = tokio::task::spawn_blocking(move || work.keep_endpoints()).await {
            tracing::error!("keeping endpoints failed: {error}");
        }
        if stopping {
            return;
        }
        let pause = KEEP_ENDPOINTS.max(began.elapsed() * KEEPING_SHARE);
        let pause = tokio::time::sleep(pause);
        shutdown.run_until_cancelled(pause).await;
    }
}

/// Serves what the disk has, while the control plane is still to be reached.
async fn restore(plane: &Arc<Plane>, mirror: Option<Mirror>) -> Mirror {
    let Some(mirror) = mirror else {
        return Mirror::default();
    };
    let (work, state) = (Arc::clone(plane), mirror.clone());
    let applied = tokio::task::spawn_blocking(move || work.apply(&state, Source::Cache)).await;
    if let Err(error) = applied {
        tracing::error!("cached state cannot be applied: {error}");
        return Mirror::default();
    }
    tracing::info!("serving revision {} from the cache", mirror.set.revision);
    mirror
}

fn first(bound: &[SocketAddr], wanted: SocketAddr) -> SocketAddr {
    bound.first().copied().unwrap_or(wanted)
}

fn compile_env(settings: &Settings, living: Living, hostname: &str) -> anyhow::Result<CompileEnv> {
    let places = settings.variables.geoip_file.as_deref();
    let places = places.map(GeoFile::open).transpose()?;
    let places = places.map(|file| Box::new(file) as Box<dyn Locations>);
    let mode = match settings.statics.router {
        config::RouterMode::HostUri => RouterMode::HostUri,
        config::RouterMode::Uri => RouterMode::Uri,
        config::RouterMode::UriWithParameter => RouterMode::UriWithParameter,
    };
    let delete_uri_tail_slash = settings.statics.delete_uri_tail_slash;
    Ok(CompileEnv {
        plugins: BUILTIN,
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
                .with_locations(places),
        ),
        outside: Arc::new(Clients::new(Handle::current())),
    })
}

fn gateway_config(settings: &Settings) -> anyhow::Result<GatewayConfig> {
    let statics = &settings.statics;
    let replay = &settings.proxy.replay;
    let relayed = |port: Option<u16>, of: SocketAddr| {
        let port = port.into_iter();
        port.map(|port| SocketAddr::new(of.ip(), port)).collect()
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
        http: vec![settings.http],
        https: vec![settings.https],
        relayed_http: relayed(statics.proxy_protocol.http_port, settings.http),
        relayed_https: relayed(statics.proxy_protocol.https_port, settings.https),
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
        },
    })
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
