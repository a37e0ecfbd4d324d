//! Static options that APISIX keeps in its `config.yaml`, under the same names. Those that this
//! release does not act on are refused rather than ignored.

use std::net::IpAddr;

use serde_json::Value;

use super::cache::{self, Cache};
use super::document::Section;
use super::prometheus::{self, PrometheusExport};
use super::size::{self, Size};
use super::streams::{self, ProxyMode, Streams};
use super::tls::{self, ClientTls};

/// Which of APISIX's routers finds the route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouterMode {
    /// Host first, then path.
    #[default]
    HostUri,
    /// Path only; the host is a filter.
    Uri,
    /// Path with `:name` parameters.
    UriWithParameter,
}

impl RouterMode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "radixtree_host_uri" => Some(Self::HostUri),
            "radixtree_uri" => Some(Self::Uri),
            "radixtree_uri_with_parameter" => Some(Self::UriWithParameter),
            _ => None,
        }
    }
}

/// How the address of the client is found behind other proxies (nginx' `real_ip` module).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealIp {
    /// Header that carries it, or `proxy_protocol`.
    pub header: String,
    /// Peers whose header is believed: addresses or CIDR.
    pub from: Vec<String>,
    /// Take the last address that is not of a believed peer, rather than the last one.
    pub recursive: bool,
}

/// Further ports, where every connection begins with a PROXY header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyListeners {
    /// Cleartext, at the IP address of `http`.
    pub http_port: Option<u16>,
    /// TLS, at the IP address of `https`.
    pub https_port: Option<u16>,
    /// `enable_tcp_pp`: every connection of `apisix.stream_proxy.tcp` begins with a header.
    pub streams: bool,
    /// `enable_tcp_pp_to_upstream`: nodes of streams over TCP are told the client in a header.
    pub to_nodes: bool,
    /// Peers whose header is believed, addresses or CIDR; others are closed. `None` is everybody.
    /// APISIX has no such option.
    pub from: Option<Vec<String>>,
}

/// The static options.
#[derive(Debug, Clone, PartialEq)]
pub struct Statics {
    /// `apisix.router.http`.
    pub router: RouterMode,
    /// `apisix.delete_uri_tail_slash`: `/a/` is matched as `/a`.
    pub delete_uri_tail_slash: bool,
    /// `apisix.normalize_uri_like_servlet`: `;params` of segments are not matched.
    pub normalize_uri_like_servlet: bool,
    /// `apisix.match_uri_encoded_slash`: `%2F` is matched as part of its segment.
    pub match_uri_encoded_slash: bool,
    /// `apisix.enable_server_tokens`: the version stands in the `Server` header.
    pub enable_server_tokens: bool,
    /// `apisix.trusted_addresses`: peers that may set `X-Forwarded-*`; `None` means no list.
    pub trusted_addresses: Option<Vec<String>>,
    /// `apisix.show_upstream_status_in_response_header`.
    pub show_upstream_status: bool,
    /// `apisix.proxy_mode`; `None` is both as far as there are listeners.
    pub proxy_mode: Option<ProxyMode>,
    /// `apisix.stream_proxy`.
    pub streams: Streams,
    /// `apisix.proxy_protocol`.
    pub proxy_protocol: ProxyListeners,
    /// `apisix.proxy_cache`.
    pub cache: Cache,
    /// `apisix.ssl`.
    pub tls: ClientTls,
    /// `nginx_config.http.client_max_body_size`; `None` is no limit, which nginx spells 0.
    pub client_max_body_size: Option<u64>,
    /// `nginx_config.http.real_ip_*`.
    pub real_ip: RealIp,
    /// `plugin_attr.prometheus`.
    pub prometheus: PrometheusExport,
    /// `plugin_attr.batch-requests.uri`: the path of the API, in place of `/apisix/batch-requests`.
    pub batch_uri: Option<String>,
    /// `plugin_attr.redirect.https_port`: what `http_to_https` sends clients to, in place of the port
    /// of the TLS listener.
    pub redirect_port: Option<u16>,
}

impl Default for Statics {
    fn default() -> Self {
        Self {
            router: RouterMode::default(),
            delete_uri_tail_slash: false,
            normalize_uri_like_servlet: false,
            match_uri_encoded_slash: false,
            enable_server_tokens: true,
            trusted_addresses: None,
            show_upstream_status: false,
            proxy_mode: None,
            streams: Streams::default(),
            proxy_protocol: ProxyListeners::default(),
            cache: Cache::default(),
            tls: ClientTls::default(),
            client_max_body_size: None,
            real_ip: RealIp {
                header: "X-Real-IP".to_owned(),
                from: vec!["127.0.0.1".to_owned()],
                recursive: false,
            },
            prometheus: PrometheusExport::default(),
            batch_uri: None,
            redirect_port: None,
        }
    }
}

/// Reads the sections `apisix`, `nginx_config` and `plugin_attr`.
pub(crate) fn read(root: &mut Section<'_>) -> Statics {
    let mut statics = Statics::default();
    let mut apisix = root.section("apisix");
    read_apisix(&mut apisix, &mut statics);
    apisix.finish();
    let mut nginx = root.section("nginx_config");
    let mut http = nginx.section("http");
    read_real_ip(&mut http, &mut statics.real_ip);
    let largest: Option<Size> = http.parsed("client_max_body_size", size::EXPECTED);
    statics.client_max_body_size = largest.map(|Size(bytes)| bytes).filter(|bytes| *bytes > 0);
    http.finish();
    nginx.finish();
    let mut plugin_attr = root.section("plugin_attr");
    let mut section = plugin_attr.section("prometheus");
    statics.prometheus = prometheus::read(&mut section);
    section.finish();
    let mut batch = plugin_attr.section("batch-requests");
    statics.batch_uri = path(&mut batch, "uri");
    batch.finish();
    let mut redirect = plugin_attr.section("redirect");
    statics.redirect_port = redirect.parsed("https_port", "a port");
    redirect.finish();
    plugin_attr.finish();
    statics
}

fn read_apisix(apisix: &mut Section<'_>, statics: &mut Statics) {
    let mut router = apisix.section("router");
    if let Some(mode) = router.text("http") {
        match RouterMode::parse(&mode) {
            Some(mode) => statics.router = mode,
            None => router.refuse(
                "http",
                "radixtree_host_uri, radixtree_uri or radixtree_uri_with_parameter",
                &Value::String(mode),
            ),
        }
    }
    router.finish();
    let switches = [
        ("delete_uri_tail_slash", &mut statics.delete_uri_tail_slash),
        (
            "normalize_uri_like_servlet",
            &mut statics.normalize_uri_like_servlet,
        ),
        (
            "match_uri_encoded_slash",
            &mut statics.match_uri_encoded_slash,
        ),
        ("enable_server_tokens", &mut statics.enable_server_tokens),
        (
            "show_upstream_status_in_response_header",
            &mut statics.show_upstream_status,
        ),
    ];
    for (name, field) in switches {
        if let Some(on) = apisix.switch(name) {
            *field = on;
        }
    }
    statics.trusted_addresses = addresses(apisix, "trusted_addresses");
    let mut ssl = apisix.section("ssl");
    statics.tls = tls::read(&mut ssl);
    ssl.finish();
    statics.proxy_mode = streams::mode(apisix);
    statics.streams = streams::read(apisix);
    statics.cache = cache::read(apisix);
    let mut section = apisix.section("proxy_protocol");
    statics.proxy_protocol = ProxyListeners {
        http_port: section.parsed("listen_http_port", "a port"),
        https_port: section.parsed("listen_https_port", "a port"),
        streams: section.switch("enable_tcp_pp").unwrap_or_default(),
        to_nodes: section
            .switch("enable_tcp_pp_to_upstream")
            .unwrap_or_default(),
        from: addresses(&mut section, "from"),
    };
    section.finish();
}

fn read_real_ip(http: &mut Section<'_>, real_ip: &mut RealIp) {
    if let Some(header) = http.text("real_ip_header") {
        real_ip.header = header;
    }
    if let Some(from) = addresses(http, "real_ip_from") {
        real_ip.from = from;
    }
    if let Some(recursive) = http.switch("real_ip_recursive") {
        real_ip.recursive = recursive;
    }
}

/// A path.
pub(super) fn path(section: &mut Section<'_>, name: &'static str) -> Option<String> {
    let path = section.text(name)?;
    if path.starts_with('/') {
        return Some(path);
    }
    section.refuse(name, "a path such as /metrics", &Value::String(path));
    None
}

/// A list of addresses and CIDR blocks; `unix:` is dropped, since there are no such peers here.
fn addresses(section: &mut Section<'_>, name: &'static str) -> Option<Vec<String>> {
    let mut texts = section.texts(name)?;
    texts.retain(|text| text != "unix:");
    for text in &texts {
        let block = text.parse::<IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok();
        if !block {
            section.refuse(
                name,
                "addresses or CIDR blocks",
                &Value::String(text.clone()),
            );
        }
    }
    Some(texts)
}
