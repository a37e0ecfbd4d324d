//! How a command reaches a control node: addresses, key, deadlines, and what is tried again.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::control::control_service_client::ControlServiceClient;
use weir_proto::discovery::discovery_service_client::DiscoveryServiceClient;
use weir_proto::health::health_service_client::HealthServiceClient;

use crate::exit::Failure;

/// Largest message in either direction: many documents in one apply.
const MAX_MESSAGE: usize = 64 << 20;
/// How long one address is tried before the next one.
const CONNECT: Duration = Duration::from_secs(2);
/// Where `weir dev` keeps its generated key.
const LOCAL_KEY: &str = "weir-data/admin.key";
/// What a write gets beyond the timeout for each of its documents.
const PER_DOCUMENT: Duration = Duration::from_millis(5);
const KEY_VARIABLE: &str = "WEIR_ADMIN_KEY";
const KEY_FILE_VARIABLE: &str = "WEIR_ADMIN_KEY_FILE";

/// Which control node to talk to, and as whom.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Options {
    /// gRPC addresses of control nodes; the next one is tried when one is down
    #[arg(
        long,
        env = "WEIR_SERVER",
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:9181",
        global = true
    )]
    pub server: Vec<String>,
    /// Admin key [env: WEIR_ADMIN_KEY]
    #[arg(id = "cli_key", long = "key", value_name = "KEY", global = true)]
    pub key: Option<String>,
    /// File that holds the admin key [env: WEIR_ADMIN_KEY_FILE] [default: weir-data/admin.key, if it exists]
    #[arg(
        id = "cli_key_file",
        long = "key-file",
        value_name = "FILE",
        conflicts_with = "cli_key",
        global = true
    )]
    pub key_file: Option<PathBuf>,
    /// Seconds after which a request is given up
    #[arg(long, env = "WEIR_TIMEOUT", value_name = "SECONDS", default_value = "15", value_parser = seconds, global = true)]
    pub timeout: Duration,
}

/// Reads a positive number of seconds, fractions allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected a number of seconds above 0 and at most 86400".to_owned())
}

/// Adds the key to every request.
#[derive(Clone)]
pub(crate) struct Credentials {
    key: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.key {
            request.metadata_mut().insert("x-api-key", key.clone());
        }
        Ok(request)
    }
}

/// A channel that authenticates.
pub(crate) type Transport = InterceptedService<Channel, Credentials>;
/// Client of the operator's API.
pub(crate) type Control = ControlServiceClient<Transport>;
/// Client of the cluster API.
pub(crate) type Cluster = ClusterServiceClient<Transport>;
/// Client of what is known from registries.
pub(crate) type Discovery = DiscoveryServiceClient<Transport>;

/// Client of the health API.
pub(crate) type Health = HealthServiceClient<Transport>;

/// Whether a call may be sent to another node after one has failed in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// A read: always.
    Safe,
    /// A write: only when it was certainly not sent.
    Unsent,
}

/// The control plane as one command sees it.
pub(crate) struct Connection {
    addresses: Vec<String>,
    credentials: Credentials,
    timeout: Duration,
}

impl Connection {
    /// Reads the key and checks the addresses; connects when the first call is made.
    pub(crate) fn open(options: &Options) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let source = KeySource::choose(
            options,
            variable(KEY_VARIABLE),
            variable(KEY_FILE_VARIABLE),
            Path::new(LOCAL_KEY).is_file(),
        );
        let key = source.read()?.map(|mut key: MetadataValue<Ascii>| {
            key.set_sensitive(true);
            key
        });
        let addresses: Vec<String> = options
            .server
            .iter()
            .map(|address| address.trim().to_owned())
            .filter(|address| !address.is_empty())
            .collect();
        if addresses.is_empty() {
            return Err(Failure::Usage("--server names no address".to_owned()));
        }
        for address in &addresses {
            endpoint(address, options.timeout)?;
        }
        Ok(Self {
            addresses,
            credentials: Credentials { key },
            timeout: options.timeout,
        })
    }

    /// Calls the operator's API.
    pub(crate) async fn control<T, F>(
        &self,
        retry: Retry,
        call: impl Fn(Control) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.each(retry, |transport| {
            call(
                ControlServiceClient::new(transport)
                    .max_decoding_message_size(MAX_MESSAGE)
                    .max_encoding_message_size(MAX_MESSAGE),
            )
        })
        .await
    }

    /// Calls the cluster API.
    pub(crate) async fn cluster<T, F>(
        &self,
        retry: Retry,
        call: impl Fn(Cluster) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.each(retry, |transport| {
            call(ClusterServiceClient::new(transport).max_decoding_message_size(MAX_MESSAGE))
        })
        .await
    }

    /// Calls the discovery API.
    pub(crate) async fn discovery<T, F>(
        &self,
        retry: Retry,
        call: impl Fn(Discovery) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.each(retry, |transport| {
            call(DiscoveryServiceClient::new(transport).max_decoding_message_size(MAX_MESSAGE))
        })
        .await
    }

    /// Calls the health API, which only reads.
    pub(crate) async fn health<T, F>(&self, call: impl Fn(Health) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.each(Retry::Safe, |transport| {
            call(HealthServiceClient::new(transport).max_decoding_message_size(MAX_MESSAGE))
        })
        .await
    }

    /// A request that the server gives up at the same time as this side.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.large_request(message, 0)
    }

    /// The same for a request that takes longer the more documents it has.
    pub(crate) fn large_request<T>(&self, message: T, documents: usize) -> Request<T> {
        let documents = u32::try_from(documents).unwrap_or(u32::MAX);
        let mut request = Request::new(message);
        request.set_timeout(self.timeout.saturating_add(PER_DOCUMENT * documents));
        request
    }

    /// The next message of a stream, which must come before the timeout.
    pub(crate) async fn next<T>(&self, stream: &mut Streaming<T>) -> Result<Option<T>, Status> {
        tokio::time::timeout(self.timeout, stream.message())
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("the answer stopped midway")))
    }

    /// Tries address after address until one answers.
    async fn each<T, F>(&self, retry: Retry, call: impl Fn(Transport) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut silent = Vec::new();
        let mut last = None;
        for address in &self.addresses {
            let endpoint = endpoint(address, self.timeout)?;
            let channel = match endpoint.connect().await {
                Ok(channel) => channel,
                Err(error) => {
                    silent.push(format!("{address}: {}", innermost(&error)));
                    continue;
                }
            };
            let transport = InterceptedService::new(channel, self.credentials.clone());
            match call(transport).await {
                Ok(answer) => return Ok(answer),
                Err(status) if timed_out(&status) => {
                    let silence = format!("{address}: no answer in time (--timeout)");
                    if retry == Retry::Unsent {
                        return Err(Failure::Unreachable(format!(
                            "{silence}; it may have been done all the same"
                        )));
                    }
                    silent.push(silence);
                }
                Err(status) if status.code() == Code::Unavailable && retry == Retry::Safe => {
                    last = Some(status);
                }
                Err(status) => return Err(status.into()),
            }
        }
        Err(last.map_or_else(|| unreachable(&silent), Failure::from))
    }
}

/// The endpoint of an address, which may be `HOST:PORT` or a URL with `http://`.
fn endpoint(address: &str, timeout: Duration) -> Result<Endpoint, Failure> {
    let wrong = |reason: &str| {
        Failure::Usage(format!(
            "--server: expected HOST:PORT, got {address:?}{reason}"
        ))
    };
    let url = match address.split_once("://") {
        None => format!("http://{address}"),
        Some(("http", _)) => address.to_owned(),
        Some(_) => return Err(wrong(" (only http:// is spoken)")),
    };
    let endpoint = Endpoint::from_shared(url).map_err(|_| wrong(""))?;
    if endpoint.uri().port().is_none() {
        return Err(wrong(" (the port is missing)"));
    }
    Ok(endpoint
        .connect_timeout(CONNECT.min(timeout))
        .tcp_nodelay(true)
        // Problems of many documents come in trailers.
        .http2_max_header_list_size(1 << 20)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10)))
}

/// Whether this side has given up waiting.
fn timed_out(status: &Status) -> bool {
    matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded)
        && status.message() == "Timeout expired"
}

/// Nobody could be reached.
fn unreachable(silent: &[String]) -> Failure {
    Failure::Unreachable(format!(
        "no control node could be reached: {}",
        silent.join("; ")
    ))
}

/// The cause at the bottom of an error, which is the one that says something.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Where the key comes from.
#[derive(Debug, PartialEq, Eq)]
enum KeySource {
    /// The key itself.
    Text(String),
    /// A file that the operator named: it must be readable.
    File(PathBuf),
    /// No key: the server says whether it wants one.
    None,
}

impl KeySource {
    /// Flags come before variables, and both before the file that `weir dev` writes.
    fn choose(
        options: &Options,
        key: Option<String>,
        key_file: Option<String>,
        local: bool,
    ) -> Self {
        if let Some(key) = &options.key {
            return KeySource::Text(key.clone());
        }
        if let Some(file) = &options.key_file {
            return KeySource::File(file.clone());
        }
        match (key, key_file) {
            (Some(key), _) => KeySource::Text(key),
            (None, Some(file)) => KeySource::File(file.into()),
            (None, None) if local => KeySource::File(LOCAL_KEY.into()),
            (None, None) => KeySource::None,
        }
    }

    fn read(&self) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let (text, from) = match self {
            KeySource::None => return Ok(None),
            KeySource::Text(text) => (text.clone(), "the admin key".to_owned()),
            KeySource::File(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::io(format!("admin key file {name}"), error))?;
                (text, format!("admin key file {name}"))
            }
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::Usage(format!("{from} is empty")));
        }
        // The value is not shown: it is a secret.
        let value = text
            .parse()
            .map_err(|_| Failure::Usage(format!("{from} has characters that a key cannot have")))?;
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests;
