//! Building and ending an agent: every step returns what it built, and the end is the same list
//! backwards.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_net::serve;
use weir_plugin_api::Living;
use weir_proxy::gateway::Gateway;

use crate::config::{Settings, Takeover};
use crate::data_dir;
use crate::facts::{SharedFacts, Source};
use crate::geoip::GeoFile;
use crate::plane::Plane;
use crate::ports::Ports;
use crate::status::{self, Shown};
use crate::sync::cache::Cache;
use crate::sync::client;
use crate::sync::mirror::Mirror;
use crate::sync::session::Identity;
use crate::takeover::{Given, Offering, Predecessor, Running};
use crate::wiring::{compile_env, gateway_config};

/// Between two writes of endpoints: they may change many times a second.
const KEEP_ENDPOINTS: Duration = Duration::from_millis(50);
/// Of the time, one part in so many goes into writing them at most.
const KEEPING_SHARE: u32 = 20;

/// How often it is seen whether secrets are to be asked for again.
const SECRETS_EVERY: Duration = Duration::from_secs(1);

/// How often it is seen whether the file of places is another.
const PLACES_EVERY: Duration = Duration::from_secs(1);

/// How long a new process may take to be ready, before the running one is left alone.
const REACH: Duration = Duration::from_secs(60);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(10);

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
    drain: Duration,
    drain_delay: Duration,
    plane: Arc<Plane>,
    /// Another process has taken over.
    succeeded: CancellationToken,
    /// Ends what only a process that is to stay does.
    ending: CancellationToken,
    /// Ends the sync client.
    following: CancellationToken,
    /// Ends the status port.
    serving: CancellationToken,
    tasks: JoinSet<()>,
    /// Of the data directory, as long as this process writes there.
    lock: Option<File>,
}

/// Why an agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody said so.
    Signal,
    /// Another process has its sockets.
    Succession,
}

impl Agent {
    pub(crate) async fn start(settings: Settings, hostname: String) -> anyhow::Result<Self> {
        let dir = settings.data_dir.display().to_string();
        let (mut before, given) = match data_dir::lock(&settings.data_dir) {
            Ok(Some(lock)) => (None, Given::of(lock)),
            Ok(None) => {
                let taken = take_over(&settings).await;
                let (before, given) = taken.with_context(|| {
                    format!("--data-dir {dir}: a running agent uses it, and cannot be taken over")
                })?;
                (Some(before), given)
            }
            // A full disk must not keep it from what is in the cache.
            Err(error) => {
                tracing::error!(%error, "--data-dir {dir}: cannot be locked; nobody will take over");
                (None, Given::default())
            }
        };
        let built = Self::build(settings, hostname, given, before.as_mut()).await;
        if let (Err(error), Some(before)) = (&built, before) {
            before.refuse(format!("{error:#}")).await;
        }
        built
    }

    async fn build(
        settings: Settings,
        hostname: String,
        given: Given,
        mut before: Option<&mut Predecessor>,
    ) -> anyhow::Result<Self> {
        let mut inherited = given.sockets;
        let dir = settings.data_dir.display().to_string();
        let (cache, loaded) = Cache::open(&settings.data_dir)
            .with_context(|| format!("--data-dir {dir}: cannot be used"))?;
        for refused in &loaded.refused {
            tracing::error!("cached state cannot be used: {refused}");
        }
        let living = Living::default();
        let config = gateway_config(&settings)?;
        let gateway = Arc::new(Gateway::bind(config, living.clone(), &mut inherited)?);
        let places = settings.variables.geoip_file.as_deref();
        let places = places.map(GeoFile::open).transpose()?.map(Arc::new);
        let env = compile_env(&settings, living, &hostname, &gateway, places.clone())?;
        let facts = SharedFacts::default();
        let plane = Arc::new(Plane::new(gateway, env, facts, cache, before.is_none()));
        let mirror = restore(&plane, loaded.mirror).await;

        let identity = Identity {
            name: settings.name.clone(),
            region: settings.region.clone(),
            group: settings.group.clone(),
            instance: uuid::Uuid::new_v4().to_string(),
        };
        let ports = Ports::bind(&settings, &mut inherited).await?;
        for address in inherited.left() {
            tracing::info!(%address, "no option names this address any more");
        }
        drop(inherited);
        let mut agent = Self {
            addresses: Addresses {
                http: first(&plane.gateway.addresses().http, settings.http),
                https: first(&plane.gateway.addresses().https, settings.https),
                status: ports.status.local_addr()?,
            },
            drain: settings.drain,
            drain_delay: settings.drain_delay,
            plane: Arc::clone(&plane),
            succeeded: CancellationToken::new(),
            ending: CancellationToken::new(),
            following: CancellationToken::new(),
            serving: CancellationToken::new(),
            tasks: JoinSet::new(),
            lock: None,
        };
        agent.follow(settings.control.clone(), &identity, mirror);
        agent.renew_secrets();
        if let Some(places) = places {
            agent.watch_places(places);
        }
        if let Some(before) = &mut before {
            agent.reach(before).await?;
            before.ready().await?;
        }
        plane.gateway.serve()?;
        let passed = ports.descriptors()?;
        agent.serve_status(&settings, &identity, ports);
        if let Some(before) = before {
            before.serving().await?;
            plane.claim().await;
        }
        if let (Takeover::Auto, Some(lock)) = (settings.takeover, &given.lock) {
            agent.offer(&settings, lock.try_clone()?, passed);
        }
        agent.lock = given.lock;
        tracing::info!(
            name = settings.name,
            http = %agent.addresses.http,
            https = %agent.addresses.https,
            status = %agent.addresses.status,
            stream_tcp = ?plane.gateway.addresses().stream_tcp,
            stream_udp = ?plane.gateway.addresses().stream_udp,
            "agent started"
        );
        Ok(agent)
    }

    /// Asks for secrets again when they are due.
    fn renew_secrets(&mut self) {
        let plane = Arc::clone(&self.plane);
        let renew = async move {
            loop {
                tokio::time::sleep(SECRETS_EVERY).await;
                if !plane.has_due_secrets() {
                    continue;
                }
                let plane = Arc::clone(&plane);
                if let Err(error) = tokio::task::spawn_blocking(move || plane.renew()).await {
                    tracing::error!("renewing secrets failed: {error}");
                }
            }
        };
        let renew = self.ending.clone().run_until_cancelled_owned(renew);
        self.tasks.spawn(async move {
            renew.await;
        });
    }

    /// Takes the file of places anew when it is another.
    fn watch_places(&mut self, places: Arc<GeoFile>) {
        let watch = async move {
            loop {
                tokio::time::sleep(PLACES_EVERY).await;
                let places = Arc::clone(&places);
                if let Err(error) = tokio::task::spawn_blocking(move || places.look_again()).await {
                    tracing::error!("looking for a new file of places failed: {error}");
                }
            }
        };
        let watch = self.ending.clone().run_until_cancelled_owned(watch);
        self.tasks.spawn(async move {
            watch.await;
        });
    }

    fn follow(&mut self, control: Vec<String>, identity: &Identity, mirror: Mirror) {
        let keeping = keep_endpoints(Arc::clone(&self.plane), self.following.clone());
        self.tasks.spawn(keeping);
        self.tasks.spawn(client::run(
            control,
            identity.clone(),
            Arc::clone(&self.plane),
            mirror,
            self.following.clone(),
        ));
    }

    /// Waits for a state that is as good as the one of the process before.
    async fn reach(&self, before: &Predecessor) -> anyhow::Result<()> {
        let deadline = Instant::now() + REACH;
        loop {
            let now = Instant::now();
            let missing = {
                let mut facts = self.plane.facts.lock();
                facts.missing(now).or_else(|| {
                    let reached = before.is_reached(&facts.cluster_id, facts.revision);
                    let text = || format!("only revision {} so far", facts.revision);
                    (!reached).then(text)
                })
            };
            let Some(missing) = missing else {
                return Ok(());
            };
            anyhow::ensure!(now < deadline, "not ready within {REACH:?}: {missing}");
            tokio::time::sleep(LOOK).await;
        }
    }

    fn serve_status(&mut self, settings: &Settings, identity: &Identity, ports: Ports) {
        let export = &settings.statics.prometheus;
        let shown = Shown {
            plane: Arc::clone(&self.plane),
            identity: identity.clone(),
            metric_prefix: export.metric_prefix.clone(),
            started: crate::server_info::now(),
        };
        let path = export.enabled.then_some(export.uri.as_str());
        let here = path.filter(|_| ports.export.is_none());
        let mut serve = |listener, router| {
            let limits = serve::Limits::default();
            let serving = serve::serve(listener, router, limits, self.serving.clone());
            self.tasks.spawn(serving);
        };
        serve(ports.status, status::router(shown.clone(), here));
        if let Some((listener, path)) = ports.export.zip(path) {
            serve(listener, status::export_router(shown, path));
        }
    }

    /// Lets the next process take over.
    fn offer(&mut self, settings: &Settings, lock: File, sockets: Vec<OwnedFd>) {
        let offering = match Offering::open(&settings.data_dir) {
            Ok(offering) => offering,
            Err(error) => {
                let dir = settings.data_dir.display();
                tracing::error!(%error, %dir, "no process will be able to take over from this one");
                return;
            }
        };
        self.tasks.spawn(offering.run(Running {
            plane: Arc::clone(&self.plane),
            name: settings.name.clone(),
            lock,
            sockets,
            succeeded: self.succeeded.clone(),
            ending: self.ending.clone(),
        }));
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Waits until another process has taken over.
    pub(crate) async fn succeeded(&self) {
        self.succeeded.cancelled().await;
    }

    /// Not ready from now on; open requests may end until `limit` is over.
    pub async fn shutdown(mut self, limit: Duration) {
        self.drain = limit;
        self.drain_delay = Duration::ZERO;
        self.end(Cause::Signal, &CancellationToken::new()).await;
    }

    /// Ends, at once when `hurry` is cancelled. The last state is on disk already. Returns the
    /// number of requests that were cut off.
    pub(crate) async fn end(mut self, cause: Cause, hurry: &CancellationToken) -> u64 {
        self.plane.facts.lock().draining = true;
        self.ending.cancel();
        match cause {
            Cause::Signal => {
                // Balancers see that it is not ready, and send no more.
                let delay = tokio::time::sleep(self.drain_delay);
                hurry.run_until_cancelled(delay).await;
            }
            // The status port is the successor's: this process must not answer for it.
            Cause::Succession => self.serving.cancel(),
        }
        self.following.cancel();
        // The next process need not wait for the end of the drain.
        self.plane.release().await;
        self.lock = None;
        let began = Instant::now();
        let drain = self.plane.gateway.drain(self.drain);
        let mut drain = std::pin::pin!(drain);
        let drained = match hurry.run_until_cancelled(&mut drain).await {
            Some(drained) => drained,
            None => {
                self.plane.gateway.hurry();
                drain.await
            }
        };
        let took = began.elapsed();
        if drained.unfinished > 0 {
            let requests = drained.unfinished;
            tracing::warn!(requests, ?took, limit = ?self.drain, "drain ended, open requests were cut off");
        } else {
            tracing::info!(?took, "drained, no request was cut off");
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
        drained.unfinished
    }
}

async fn take_over(settings: &Settings) -> anyhow::Result<(Predecessor, Given)> {
    anyhow::ensure!(
        settings.takeover == Takeover::Auto,
        "this process was started with --takeover=never"
    );
    Predecessor::ask(&settings.data_dir, &settings.name).await
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
