//! Scripts on Redis: single servers, clusters, and primaries behind sentinels.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, Script, TlsMode, Value,
};
use tokio::sync::Mutex;
use weir_plugin_api::outside::{CallError, RedisAddress, RedisCall, RedisServer, RedisValue};

use crate::address;

/// Where the connection of one server is kept, if there is one.
type Place = Arc<Mutex<Option<Link>>>;

/// Connections by server. Calls of one server share one connection, which is multiplexed.
#[derive(Default)]
pub(crate) struct Servers {
    known: Mutex<HashMap<Arc<RedisServer>, Place>>,
}

#[derive(Clone)]
enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
    /// The primary that the sentinels named; asked for anew after a failure.
    Primary(redis::aio::MultiplexedConnection),
}

impl Servers {
    /// Runs a script.
    pub(crate) async fn run(
        &self,
        server: &Arc<RedisServer>,
        call: RedisCall,
    ) -> Result<RedisValue, CallError> {
        let place = {
            let mut known = self.known.lock().await;
            Arc::clone(known.entry(Arc::clone(server)).or_default())
        };
        let link = {
            let mut place = place.lock().await;
            match &*place {
                Some(link) => link.clone(),
                None => {
                    let fresh = connect(server).await;
                    let fresh = fresh.map_err(|error| failed(server, &error))?;
                    place.insert(fresh).clone()
                }
            }
        };
        let outcome = tokio::time::timeout(server.timeout, invoke(link, &call)).await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if !matches!(answered(&error), Some(true)) {
                    *place.lock().await = None;
                }
                Err(failed(server, &error))
            }
            Err(_) => {
                *place.lock().await = None;
                Err(CallError::Timeout {
                    address: shown(&server.address),
                    limit_ms: u64::try_from(server.timeout.as_millis()).unwrap_or(u64::MAX),
                })
            }
        }
    }
}

async fn invoke(link: Link, call: &RedisCall) -> Result<RedisValue, RedisError> {
    let script = Script::new(call.script);
    let mut invocation = script.prepare_invoke();
    for key in &call.keys {
        invocation.key(key);
    }
    for arg in &call.args {
        invocation.arg(arg);
    }
    async fn on<C: ConnectionLike>(
        mut connection: C,
        invocation: &redis::ScriptInvocation<'_>,
    ) -> Result<Value, RedisError> {
        invocation.invoke_async(&mut connection).await
    }
    let value = match link {
        Link::Single(connection) => on(connection, &invocation).await,
        Link::Cluster(connection) => on(connection, &invocation).await,
        Link::Primary(connection) => on(connection, &invocation).await,
    };
    value.map(convert)
}

fn convert(value: Value) -> RedisValue {
    match value {
        Value::Int(number) => RedisValue::Integer(number),
        Value::BulkString(bytes) => RedisValue::Text(Bytes::from(bytes)),
        Value::SimpleString(text) => RedisValue::Text(Bytes::from(text)),
        Value::Okay => RedisValue::Text(Bytes::from_static(b"OK")),
        Value::Boolean(flag) => RedisValue::Integer(i64::from(flag)),
        Value::Double(number) => RedisValue::Text(Bytes::from(number.to_string())),
        Value::Array(values) | Value::Set(values) => {
            RedisValue::List(values.into_iter().map(convert).collect())
        }
        _ => RedisValue::Nil,
    }
}

async fn connect(server: &RedisServer) -> Result<Link, RedisError> {
    match &server.address {
        RedisAddress::Single(host, port) => {
            let client = redis::Client::open(info(server, host, *port)?)?;
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(server.timeout))
                .set_response_timeout(Some(server.timeout))
                .set_number_of_retries(0);
            let manager = ConnectionManager::new_with_config(client, config).await?;
            Ok(Link::Single(manager))
        }
        RedisAddress::Cluster(nodes) => {
            let nodes: Result<Vec<_>, _> = nodes
                .iter()
                .map(|(host, port)| info(server, host, *port))
                .collect();
            let builder = ClusterClientBuilder::new(nodes?)
                .connection_timeout(server.timeout)
                .response_timeout(server.timeout);
            let connection = builder.build()?.get_async_connection().await?;
            Ok(Link::Cluster(connection))
        }
        RedisAddress::Sentinel {
            sentinels,
            primary,
            username,
            password,
        } => {
            let mut at = Vec::with_capacity(sentinels.len());
            for (host, port) in sentinels {
                let login = login(username.as_deref(), password.as_deref(), 0);
                let address = ConnectionAddr::Tcp(host.clone(), *port);
                at.push(address.into_connection_info()?.set_redis_settings(login));
            }
            let node =
                SentinelNodeConnectionInfo::default().set_redis_connection_info(login_of(server));
            let node = match server.tls {
                None => node,
                Some(verify) => node.set_tls_mode(mode(verify)),
            };
            let mut client =
                SentinelClient::build(at, primary.clone(), Some(node), SentinelServerType::Master)?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(server.timeout))
                .set_response_timeout(Some(server.timeout));
            let connection = client.get_async_connection_with_config(&config).await?;
            Ok(Link::Primary(connection))
        }
    }
}

fn info(server: &RedisServer, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
    let address = match server.tls {
        None => ConnectionAddr::Tcp(host.to_owned(), port),
        Some(verify) => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: !verify,
            tls_params: None,
        },
    };
    Ok(address
        .into_connection_info()?
        .set_redis_settings(login_of(server)))
}

fn login_of(server: &RedisServer) -> RedisConnectionInfo {
    login(
        server.username.as_deref(),
        server.password.as_deref(),
        server.database,
    )
}

fn login(username: Option<&str>, password: Option<&str>, database: u32) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(i64::from(database));
    if let Some(username) = username.filter(|name| !name.is_empty()) {
        login = login.set_username(username);
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        login = login.set_password(password);
    }
    login
}

fn mode(verify: bool) -> TlsMode {
    if verify {
        TlsMode::Secure
    } else {
        TlsMode::Insecure
    }
}

/// Whether the server itself said no; `None` when nothing was heard of it.
fn answered(error: &RedisError) -> Option<bool> {
    (!error.is_io_error() && !error.is_timeout() && !error.is_connection_dropped())
        .then(|| matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension))
}

fn failed(server: &RedisServer, error: &RedisError) -> CallError {
    let address = shown(&server.address);
    let cause = error.to_string();
    if error.is_timeout() {
        return CallError::Timeout {
            address,
            limit_ms: u64::try_from(server.timeout.as_millis()).unwrap_or(u64::MAX),
        };
    }
    match answered(error) {
        Some(true) => CallError::Refused {
            address,
            answer: cause,
        },
        Some(false) => CallError::Broken { address, cause },
        None => CallError::Connect { address, cause },
    }
}

/// The address as shown in errors.
pub(crate) fn shown(at: &RedisAddress) -> String {
    let list = |nodes: &[(String, u16)]| {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|(host, port)| address(host, *port))
            .collect();
        nodes.join(",")
    };
    match at {
        RedisAddress::Single(host, port) => address(host, *port),
        RedisAddress::Cluster(nodes) => list(nodes),
        RedisAddress::Sentinel {
            sentinels, primary, ..
        } => {
            format!("{primary} behind {}", list(sentinels))
        }
    }
}
