//! What a node would be asked.

use weir_model::upstream::PassHost;
use weir_plugin_api::Context;

use crate::http::{forward, target};
use crate::upstream::runtime::UpstreamRuntime;

/// The head of the request to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Method.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// `Host`, for each node when they differ.
    pub host: Vec<String>,
    /// Further fields.
    pub headers: Vec<(String, String)>,
}

impl Outgoing {
    pub(super) fn of(context: &mut Context, upstream: &UpstreamRuntime) -> Self {
        forward::finish(&mut context.request);
        let request = &context.request;
        let method = context.target.method.as_ref().unwrap_or(&request.method);
        let uri = match &context.target.uri {
            Some(uri) => uri.clone(),
            None => target::node_uri(&request.path, request.query.as_deref()),
        };
        let by_node = context.target.host.is_none() && upstream.config.pass_host == PassHost::Node;
        let nodes = upstream.nodes().iter().map(|node| &*node.authority);
        let nodes = nodes.take(if by_node { usize::MAX } else { 1 });
        let host = nodes.map(|authority| forward::host(context, &upstream.config, authority));
        let fields = request.headers.iter();
        let fields = fields.filter(|(name, _)| *name != http::header::HOST);
        Self {
            method: method.to_string(),
            uri,
            host: host.map(str::to_owned).collect(),
            headers: fields
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.to_string(), value)
                })
                .collect(),
        }
    }
}
