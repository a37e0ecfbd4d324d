//! Why a request failed, as one value: status, blame, retry, log field and documentation follow
//! from it. `docs/reasons.md` holds this table for operators; a test compares the two.

use http::StatusCode;

/// Who caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The client: a malformed or abandoned request.
    Client,
    /// The node, or the network between it and us.
    Upstream,
    /// The operator's configuration.
    Configuration,
    /// This process.
    Gateway,
}

/// Whether another node may be asked after this failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    No,
    /// Yes, whatever the method: nothing of the request had been sent.
    Always,
    /// Yes, unless the method is one of POST, PATCH, LOCK and sending had started.
    UnlessSent,
}

/// Why a request is refused, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The rule that was broken, for the log; empty where the reason says it all.
    pub detail: &'static str,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: "" }
    }
}

/// Makes the type and everything that follows from a reason out of one table.
macro_rules! reasons {
    ($($variant:ident = $name:literal, $status:literal, $blame:ident, $retry:ident:
        $means:literal, $check:literal;)*) => {
        /// The machine-readable reason of an answer that the gateway made, or of a broken exchange.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $means] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the metrics.
            pub const ALL: &[Reason] = &[$(Reason::$variant),*];

            /// Name in logs, metrics and the header of answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// Status that the client is sent (objects.md section 12), and that the log carries.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let code: u16 = match self { $(Reason::$variant => $status,)* };
                // Every code of the table is one, which a test shows.
                StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY)
            }

            /// Who caused it.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Reason::$variant => Blame::$blame,)* }
            }

            /// Whether another node may be asked (objects.md section 8).
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Reason::$variant => Retry::$retry,)* }
            }

            /// What it means, for the operator.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Reason::$variant => $means,)* }
            }

            /// What to look at, for the operator.
            #[must_use]
            pub const fn check(self) -> &'static str {
                match self { $(Reason::$variant => $check,)* }
            }

            /// Whether limits of ours are the cause, so that it says nothing about the node.
            #[must_use]
            pub const fn is_of_limits(self) -> bool {
                matches!(self, Reason::PendingOverflow | Reason::TimeoutPending)
            }

            /// Position in [`Reason::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

// Name in Rust = name outside, status, who is to blame, whether it is retried:
//     what it means,
//     what to check;
reasons! {
    NotReady = "not_ready", 503, Gateway, No:
        "No configuration has been applied yet.",
        "Whether the agent reaches a control node: its `/status`, `weir agents list`.";
    NoRoute = "no_route", 404, Client, No:
        "No route matches the request.",
        "Host, path, method and conditions of the routes that should match, and their `status`.";
    ServiceMissing = "service_missing", 404, Configuration, No:
        "The service that the route names does not exist.",
        "`service_id` of the route.";
    PluginsMissing = "plugins_missing", 503, Configuration, No:
        "The plugin config or consumer group that is named does not exist, or was refused.",
        "`plugin_config_id` of the route, `group_id` of the consumer; `weir agents show` for refusals.";
    UpstreamMissing = "upstream_missing", 502, Configuration, No:
        "The upstream that is named does not exist.",
        "`upstream_id` of the route or its service.";
    NoUpstream = "no_upstream", 503, Configuration, No:
        "Neither route nor service has an upstream.",
        "Give one of them `upstream`, `upstream_id` or a service that has it.";
    NoNodes = "no_nodes", 503, Configuration, No:
        "The upstream has no nodes.",
        "`nodes` of the upstream; with discovery, what the registry says of the service.";
    NoUsableNode = "no_usable_node", 502, Upstream, No:
        "No node of the upstream can be picked.",
        "Weights and health of the nodes, and the balancer's `type`.";
    UnsupportedScheme = "unsupported_scheme", 502, Configuration, No:
        "The upstream wants a protocol that this gateway does not speak to nodes.",
        "`scheme` of the upstream, and of the service above it.";
    UpstreamOverflow = "upstream_overflow", 503, Upstream, No:
        "A limit of the upstream or of all its nodes (`limits`) is reached; the answer comes at once and has `Retry-After`.",
        "Whether the nodes hang (`tries` of other requests in the access log); the limits.";
    PendingOverflow = "pending_overflow", 503, Upstream, Always:
        "As many requests wait for a connection to the node as may (`limits.max_pending`); the answer comes at once and has `Retry-After`.",
        "Whether the node hangs (`tries` of other requests in the access log); `max_connections` and `max_pending`.";
    TimeoutPending = "timeout_pending", 504, Upstream, Always:
        "The node had as many connections as it may have (`limits.max_connections`), and none came free within `timeout.connect`.",
        "Whether the node hangs, or answers too slowly for so few connections; the limits.";
    DnsFailure = "dns_failure", 503, Upstream, Always:
        "The host name of the node does not resolve.",
        "The name, and the resolver as the agent's host sees it.";
    ConnectRefused = "upstream_connect_refused", 502, Upstream, Always:
        "The node refused the connection: nothing listens on the port, or a firewall rejects it.",
        "That the node runs, and its port in `nodes`; connect to it from the agent's host.";
    ConnectFailed = "upstream_connect_failed", 502, Upstream, Always:
        "The connection failed for another cause, such as a reset while connecting.",
        "Network and firewalls between agent and node; the agent's log has the system's words.";
    TimeoutConnect = "timeout_connect", 504, Upstream, Always:
        "The node did not accept the connection within `timeout.connect`.",
        "Packets dropped on the way (firewall, wrong address), or a node with a full backlog.";
    TlsUnknownCa = "tls_unknown_ca", 502, Upstream, UnlessSent:
        "The node's certificate is not signed by a CA that is trusted for this upstream.",
        "`tls.upstream_validation_id` and `tls.ca_certs` of the upstream, or the trust store of the agent's host; whether the node sends its intermediate certificates.";
    TlsNameMismatch = "tls_name_mismatch", 502, Upstream, UnlessSent:
        "The node's certificate is for other names than the Host that the node is sent.",
        "`pass_host` and `upstream_host` of the upstream; the names in the certificate (the agent's log lists them).";
    TlsExpired = "tls_expired", 502, Upstream, UnlessSent:
        "The node's certificate is not valid any more, or not yet.",
        "The dates of the certificate, and the clock of the agent's host.";
    TlsBadCertificate = "tls_bad_certificate", 502, Upstream, UnlessSent:
        "The node's certificate cannot be used for another cause, such as its purpose or version.",
        "The agent's log, which names the cause; how the certificate was made.";
    TlsClientCertificate = "tls_client_certificate", 502, Upstream, UnlessSent:
        "The node wants a client certificate, or another one than it was shown.",
        "`tls.client_cert`, `tls.client_cert_id` of the upstream; which CA the node trusts.";
    TlsHandshake = "tls_handshake", 502, Upstream, UnlessSent:
        "The node and the gateway did not agree on TLS.",
        "That the port speaks TLS 1.2 or 1.3 (`scheme`); the agent's log names the cause.";
    StreamRefused = "stream_refused", 502, Upstream, Always:
        "The node refused the request before it worked on it (HTTP/2 REFUSED_STREAM or GOAWAY).",
        "Restarts and stream limits of the node.";
    TimeoutSend = "timeout_send", 504, Upstream, UnlessSent:
        "The node took no byte of the request for `timeout.send`.",
        "Whether the node is stuck or reads slowly; the limit.";
    TimeoutRead = "timeout_read", 504, Upstream, UnlessSent:
        "The node sent nothing for `timeout.read`.",
        "How long the node needs for this request when asked directly; the limit.";
    TimeoutTry = "timeout_try", 504, Upstream, UnlessSent:
        "The head of the node's answer was not there within `try_timeout`.",
        "How long the node needs for this request when asked directly; the limit.";
    TimeoutRequest = "timeout_request", 504, Upstream, No:
        "The answer, with all tries and pauses, was not complete within `request_timeout`.",
        "Which of the tries took the time (`tries` in the access log); the limit.";
    SendFailed = "send_failed", 502, Upstream, UnlessSent:
        "The node stopped reading the request.",
        "The node's own log and limits (body size, crash).";
    ResetBeforeHeader = "reset_before_header", 502, Upstream, UnlessSent:
        "The node closed the connection before a complete answer head came.",
        "Crashes, restarts and overload of the node; whether its port speaks the `scheme`.";
    BadResponse = "bad_response", 502, Upstream, No:
        "The node's answer is not acceptable HTTP.",
        "What the port really speaks (TLS, another protocol); the agent's log names the fault.";
    ResponseTruncated = "response_truncated", 502, Upstream, No:
        "The node's body ended early or is malformed. The head had been passed on, so the client sees a broken answer.",
        "Crashes and limits of the node; proxies between it and the agent.";
    RetryTimeout = "retry_timeout", 502, Upstream, No:
        "`retry_timeout` was over before another node could be tried.",
        "Why the tries before failed (see `tries` in the access log); the limit.";
    RetryBudget = "retry_budget", 502, Upstream, No:
        "Another node would have been tried, but the retries of this upstream are used up (`retry_budget`). The status is that of the last try.",
        "Why most requests to this upstream fail; the budget is there for the time that they do.";
    ReplayFailed = "replay_failed", 502, Gateway, No:
        "The request body was kept on disk for another try, and could not be read back.",
        "The disk under `proxy.replay.dir` of the agent.";
    ClientGone = "client_gone", 499, Client, No:
        "The client went away before the answer was complete; the try under way was cancelled.",
        "The client's own limit against the node's time (`tries` in the access log).";
    ClientTimeout = "client_timeout", 408, Client, No:
        "The client did not send its body in time.",
        "The client's network; the agent's limit for bodies.";
    BodyMemory = "body_memory", 503, Gateway, No:
        "More bytes of request bodies than allowed would be held for variables that look at them.",
        "How many large bodies come at once to routes with `post_arg` conditions; `variables.body_memory` of the agent.";
    Overloaded = "overloaded", 503, Gateway, No:
        "As many requests are in flight as may be (`proxy.limits.requests`), or the agent cannot keep up (`proxy.limits.adaptive`); the answer comes at once and has `Retry-After`.",
        "`weir_proxy_requests_limit`, `weir_proxy_worker_lag_seconds` and the CPU of the agent's host; whether nodes hang.";
    MemoryShort = "memory_short", 503, Gateway, No:
        "The agent takes nearly as much memory as it may (`proxy.limits.memory`); the answer comes at once and has `Retry-After`.",
        "`weir_proxy_memory_bytes` against `weir_proxy_memory_limit_bytes`; large bodies, many connections.";
    Panicked = "panicked", 500, Gateway, No:
        "A fault in the gateway or a plugin of it ended the request.",
        "The agent's log, which has the place in the code; report it.";
    BadRequest = "bad_request", 400, Client, No:
        "The request is malformed or ambiguous; the connection is closed. `detail` in the access log names the rule.",
        "The client, and proxies in front that build the request.";
    VersionUnsupported = "version_unsupported", 505, Client, No:
        "The request is in a version of HTTP that is not spoken here.",
        "The client; HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken.";
    ExpectationFailed = "expectation_failed", 417, Client, No:
        "The request has an `Expect` other than `100-continue`.",
        "The client.";
    UriTooLong = "uri_too_long", 414, Client, No:
        "The request target is longer than allowed.",
        "The client; move data from the query to the body.";
    HeadTooLarge = "head_too_large", 431, Client, No:
        "The request's head is larger than allowed.",
        "Cookies and tokens that the client sends.";
    BodyTooLarge = "body_too_large", 413, Client, No:
        "The request body is larger than `client_max_body_size` of the agent.",
        "The client; the limit.";
    MethodRefused = "method_refused", 405, Client, No:
        "The method is not served (CONNECT, TRACE).",
        "The client.";
    CertificateRefused = "certificate_refused", 400, Client, No:
        "The name in TLS and the Host differ, or a client certificate is missing.",
        "The client's certificate, and the `client` part of the ssl object.";
    PluginRefused = "plugin_refused", 403, Client, No:
        "A plugin of the stream route refused the stream; the log has the status that the plugin gave.",
        "The plugins of the stream route and of its service.";
    TlsRefused = "tls_refused", 400, Client, No:
        "The client and the gateway did not agree on TLS, on a listener of streams.",
        "Whether an ssl object has the name that the client asks for; the client's certificate and versions of TLS.";
    StreamIdle = "stream_idle", 408, Client, No:
        "Neither side of a stream sent anything for `timeout.read`.",
        "Whether the client keeps connections open that it does not use; the limit.";
    StreamStalled = "stream_stalled", 408, Client, No:
        "The client of a stream took no byte for `timeout.send`.",
        "The client and its network; the limit.";
    StreamBroken = "stream_broken", 502, Upstream, No:
        "The node broke the connection of a stream off.",
        "The node's own log: crashes, restarts, limits.";
    StreamSessions = "stream_sessions", 503, Gateway, No:
        "As many UDP sessions are open on the worker as may; the datagram was dropped.",
        "Whether somebody sends from many addresses; `apisix.stream_proxy.udp_sessions`, `timeout.read` of the upstream.";
    StreamConnections = "stream_connections", 503, Gateway, No:
        "The client that a PROXY header tells of has as many connections as one address may.",
        "Whether it opens connections without end; `proxy.limits.connections_per_address` of the agent.";
    Shutdown = "shutdown", 503, Gateway, No:
        "The stream was open when the time to drain the agent was over.",
        "`drain_seconds` of the agent, if streams need longer.";
}

#[cfg(test)]
mod tests;
