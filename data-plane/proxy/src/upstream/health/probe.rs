//! One probe: connect, perhaps ask, and look at the status line. Nothing more is read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weir_model::upstream::{ActiveCheck, CheckType, PassHost, Upstream};

use super::rules::Finding;
use crate::tls::NodeTls;

/// Longest status line that is looked at.
const MAX_LINE: usize = 8 * 1024;

/// The names that a probe of a node uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `Host`.
    pub host: String,
    /// The name that the certificate must have, and SNI unless it is an address.
    pub server: String,
}

impl Names {
    /// The names of a node (objects.md section 9): `upstream_host` when it rewrites, else the name
    /// of the node, else `active.host`, else the address.
    #[must_use]
    pub fn of(config: &Upstream, check: &ActiveCheck, node: &str) -> Self {
        let rewritten = (config.pass_host == PassHost::Rewrite)
            .then_some(config.upstream_host.as_deref())
            .flatten();
        let named = node.parse::<IpAddr>().is_err().then_some(node);
        let name = rewritten
            .or(named)
            .or(check.host.as_deref())
            .unwrap_or(node);
        let host = match name.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{name}]"),
            _ => name.to_owned(),
        };
        // A name for the `Host` field may have a port.
        let server = match name.rsplit_once(':') {
            Some((bare, port)) if !bare.contains(':') && port.parse::<u16>().is_ok() => bare,
            _ => name,
        };
        Self {
            host,
            server: server.trim_matches(['[', ']']).to_owned(),
        }
    }
}

/// A probe, ready to run.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Port instead of the node's.
    port: Option<u16>,
    request: Option<Arc<[u8]>>,
    tls: Option<Tls>,
}

#[derive(Debug, Clone)]
struct Tls {
    server: String,
    settings: Arc<NodeTls>,
}

impl Probe {
    /// Prepares what is the same for every probe of a node; `tls` is for https probes.
    #[must_use]
    pub fn new(check: &ActiveCheck, names: &Names, tls: Option<&Arc<NodeTls>>) -> Self {
        let tls = tls.map(|settings| Tls {
            server: names.server.clone(),
            settings: Arc::clone(settings),
        });
        let request = (check.kind != CheckType::Tcp).then(|| request(check, &names.host).into());
        Self {
            port: check.port,
            request,
            tls,
        }
    }

    /// The port that is probed.
    #[must_use]
    pub fn port(&self, of_node: u16) -> u16 {
        self.port.unwrap_or(of_node)
    }

    /// Probes once. Dropping the future closes the connection.
    pub async fn run(&self, address: SocketAddr, limit: Duration) -> Finding {
        let mut doing = "connect";
        let probing = self.ask(address, &mut doing);
        match tokio::time::timeout(limit, probing).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Finding::Broken(format!("{doing}: {error}")),
            Err(_) => Finding::TimedOut(doing),
        }
    }

    async fn ask(&self, address: SocketAddr, doing: &mut &'static str) -> io::Result<Finding> {
        let stream = TcpStream::connect(address).await?;
        let Some(request) = &self.request else {
            return Ok(Finding::Connected);
        };
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return exchange(stream, request, doing).await;
        };
        *doing = "TLS handshake";
        let name = ServerName::try_from(tls.server.clone())
            .unwrap_or_else(|_| ServerName::from(address.ip()));
        let connector = TlsConnector::from(Arc::clone(&tls.settings.config));
        let stream = connector.connect(name, stream).await?;
        exchange(stream, request, doing).await
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &[u8],
    doing: &mut &'static str,
) -> io::Result<Finding> {
    *doing = "send";
    stream.write_all(request).await?;
    stream.flush().await?;
    *doing = "read";
    let mut line = Vec::with_capacity(256);
    loop {
        if let Some(end) = memchr::memchr(b'\n', &line) {
            return Ok(judge(line.get(..end).unwrap_or_default()));
        }
        if line.len() >= MAX_LINE {
            return Ok(judge(&line));
        }
        if stream.read_buf(&mut line).await? == 0 {
            let error = "connection closed before the status line";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        }
    }
}

fn judge(line: &[u8]) -> Finding {
    status(line).map_or_else(
        || {
            let shown: String = String::from_utf8_lossy(line)
                .trim_end()
                .chars()
                .take(60)
                .collect();
            Finding::Malformed(format!("bad status line {shown:?}"))
        },
        Finding::Status,
    )
}

/// The number behind `HTTP/1.1 `.
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.get(..32.min(line.len()))?)
        .or_else(|error| std::str::from_utf8(line.get(..error.valid_up_to()).unwrap_or_default()))
        .ok()?;
    let (version, rest) = line.strip_prefix("HTTP/")?.split_once([' ', '\t'])?;
    let (major, minor) = version.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(major) || !digits(minor) {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The bytes of a request. A `Host` among the configured fields replaces the usual one.
fn request(check: &ActiveCheck, host: &str) -> Vec<u8> {
    let mut out = format!("{} ", check.http_method).into_bytes();
    if !check.http_path.starts_with(['/', '*']) {
        out.push(b'/');
    }
    for byte in check.http_path.bytes() {
        match byte {
            // Nothing in a path may end the line.
            0..=b' ' | 0x7f.. => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            byte => out.push(byte),
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\nConnection: close\r\n");
    let mut own_host = false;
    for line in &check.req_headers {
        // Validation has refused what is not a field.
        let Some((name, value)) = ActiveCheck::field(line) else {
            continue;
        };
        own_host |= name.eq_ignore_ascii_case("host");
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !own_host {
        out.extend_from_slice(format!("Host: {host}\r\n").as_bytes());
    }
    if !check.http_req_body.is_empty() {
        out.extend_from_slice(
            format!("Content-Length: {}\r\n", check.http_req_body.len()).as_bytes(),
        );
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(check.http_req_body.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(spec: &Value) -> (Upstream, ActiveCheck) {
        let upstream = Upstream::parse(spec).unwrap();
        let check = upstream.checks.clone().unwrap().active.unwrap();
        (upstream, check)
    }

    #[test]
    fn names_follow_the_host_the_node_the_check_and_the_address() {
        for (extra, node, host, server) in [
            (json!({}), "10.0.0.1", "10.0.0.1", "10.0.0.1"),
            (json!({}), "::1", "[::1]", "::1"),
            (json!({}), "node.test", "node.test", "node.test"),
            (
                json!({"checks": {"active": {"host": "check.test"}}}),
                "10.0.0.1",
                "check.test",
                "check.test",
            ),
            (
                json!({"checks": {"active": {"host": "check.test"}}}),
                "node.test",
                "node.test",
                "node.test",
            ),
            (
                json!({"checks": {"active": {"http_host": "check.test:81"}}}),
                "10.0.0.1",
                "check.test:81",
                "check.test",
            ),
            (
                json!({"pass_host": "rewrite", "upstream_host": "up.test"}),
                "node.test",
                "up.test",
                "up.test",
            ),
            // Not rewritten: the name does not count.
            (
                json!({"upstream_host": "up.test"}),
                "10.0.0.1",
                "10.0.0.1",
                "10.0.0.1",
            ),
        ] {
            let mut spec = json!({"nodes": {}, "checks": {"active": {}}});
            for (name, value) in extra.as_object().unwrap() {
                spec[name] = value.clone();
            }
            let (upstream, check) = config(&spec);
            let names = Names::of(&upstream, &check, node);
            assert_eq!(
                (names.host.as_str(), names.server.as_str()),
                (host, server),
                "{spec} {node}"
            );
        }
    }

    #[test]
    fn a_request_is_what_the_configuration_says() {
        let (_, check) = config(&json!({"nodes": {}, "checks": {"active": {
            "http_path": "/up?x=1 2\r\nX: y", "http_method": "POST", "http_req_body": "hi",
            "req_headers": ["User-Agent: probe", "X-Two:  b "]}}}));
        assert_eq!(
            String::from_utf8(request(&check, "a.test")).unwrap(),
            "POST /up?x=1%202%0D%0AX:%20y HTTP/1.1\r\nConnection: close\r\nUser-Agent: probe\r\n\
             X-Two: b\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"
        );
        let (_, check) = config(&json!({"nodes": {}, "checks": {"active": {
            "http_path": "up", "req_headers": ["host: own.test"]}}}));
        assert_eq!(
            String::from_utf8(request(&check, "a.test")).unwrap(),
            "GET /up HTTP/1.1\r\nConnection: close\r\nhost: own.test\r\n\r\n"
        );
    }

    #[test]
    fn a_status_line_is_read_as_the_original_reads_it() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK\r", Some(200)),
            ("HTTP/1.0 503", Some(503)),
            ("HTTP/1.1   404 x", Some(404)),
            ("HTTP/2.0 204\r", Some(204)),
            ("HTTP/1.1 20x", Some(20)),
            ("HTTP/1.1 ", None),
            ("HTTP/1 200", None),
            ("HTTP/x.1 200", None),
            ("http/1.1 200", None),
            ("HTTP/1.1 99999999999", None),
            ("SSH-2.0-x", None),
            ("", None),
        ] {
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(status(b"HTTP/1.1 200 \xff\xfe"), Some(200));
    }
}
