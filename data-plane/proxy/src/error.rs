//! Why a request failed, as one value: status, blame, retry and log field follow from it.

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

/// The machine-readable reason of an answer that the gateway made, or of a broken exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No runtime has been published yet.
    NotReady,
    /// No route matches the request.
    NoRoute,
    /// The service that the route names does not exist.
    ServiceMissing,
    /// The plugin config or consumer group that is named does not exist.
    PluginsMissing,
    /// The upstream that is named does not exist.
    UpstreamMissing,
    /// Neither route nor service has an upstream.
    NoUpstream,
    /// The upstream has no nodes.
    NoNodes,
    /// No node of the upstream can be picked.
    NoUsableNode,
    /// The upstream wants a protocol that this gateway does not speak.
    UnsupportedScheme,
    /// The name of the node does not resolve.
    DnsFailure,
    /// The node refused the connection.
    ConnectRefused,
    /// The connection failed for another cause (unreachable, reset).
    ConnectFailed,
    /// The connect limit was reached.
    TimeoutConnect,
    /// The send limit was reached.
    TimeoutSend,
    /// The read limit was reached.
    TimeoutRead,
    /// The node stopped reading the request.
    SendFailed,
    /// The node closed the connection before a complete head came.
    ResetBeforeHeader,
    /// The node's answer is not acceptable HTTP.
    BadResponse,
    /// The node's body ended early or is malformed; the head had been passed on.
    ResponseTruncated,
    /// `retry_timeout` was over before another node could be tried.
    RetryTimeout,
    /// The client went away.
    ClientGone,
    /// The client did not send its body in time.
    ClientTimeout,
    /// The request is malformed.
    BadRequest,
    /// The request target is longer than allowed.
    UriTooLong,
    /// The request's head is larger than allowed.
    HeadTooLarge,
    /// The method is not served (CONNECT, TRACE).
    MethodRefused,
    /// The TLS name and the Host differ, or a client certificate is missing.
    CertificateRefused,
}

impl Reason {
    /// Every reason, in the order of the metrics.
    pub const ALL: [Reason; 27] = [
        Reason::NotReady,
        Reason::NoRoute,
        Reason::ServiceMissing,
        Reason::PluginsMissing,
        Reason::UpstreamMissing,
        Reason::NoUpstream,
        Reason::NoNodes,
        Reason::NoUsableNode,
        Reason::UnsupportedScheme,
        Reason::DnsFailure,
        Reason::ConnectRefused,
        Reason::ConnectFailed,
        Reason::TimeoutConnect,
        Reason::TimeoutSend,
        Reason::TimeoutRead,
        Reason::SendFailed,
        Reason::ResetBeforeHeader,
        Reason::BadResponse,
        Reason::ResponseTruncated,
        Reason::RetryTimeout,
        Reason::ClientGone,
        Reason::ClientTimeout,
        Reason::BadRequest,
        Reason::UriTooLong,
        Reason::HeadTooLarge,
        Reason::MethodRefused,
        Reason::CertificateRefused,
    ];

    /// Name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NotReady => "not_ready",
            Reason::NoRoute => "no_route",
            Reason::ServiceMissing => "service_missing",
            Reason::PluginsMissing => "plugins_missing",
            Reason::UpstreamMissing => "upstream_missing",
            Reason::NoUpstream => "no_upstream",
            Reason::NoNodes => "no_nodes",
            Reason::NoUsableNode => "no_usable_node",
            Reason::UnsupportedScheme => "unsupported_scheme",
            Reason::DnsFailure => "dns_failure",
            Reason::ConnectRefused => "upstream_connect_refused",
            Reason::ConnectFailed => "upstream_connect_failed",
            Reason::TimeoutConnect => "timeout_connect",
            Reason::TimeoutSend => "timeout_send",
            Reason::TimeoutRead => "timeout_read",
            Reason::SendFailed => "send_failed",
            Reason::ResetBeforeHeader => "reset_before_header",
            Reason::BadResponse => "bad_response",
            Reason::ResponseTruncated => "response_truncated",
            Reason::RetryTimeout => "retry_timeout",
            Reason::ClientGone => "client_gone",
            Reason::ClientTimeout => "client_timeout",
            Reason::BadRequest => "bad_request",
            Reason::UriTooLong => "uri_too_long",
            Reason::HeadTooLarge => "head_too_large",
            Reason::MethodRefused => "method_refused",
            Reason::CertificateRefused => "certificate_refused",
        }
    }

    /// Status that the client is sent (objects.md section 12), and that the log carries.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Reason::NotReady
            | Reason::PluginsMissing
            | Reason::NoUpstream
            | Reason::NoNodes
            | Reason::DnsFailure => StatusCode::SERVICE_UNAVAILABLE,
            Reason::NoRoute | Reason::ServiceMissing => StatusCode::NOT_FOUND,
            Reason::UpstreamMissing
            | Reason::NoUsableNode
            | Reason::UnsupportedScheme
            | Reason::ConnectRefused
            | Reason::ConnectFailed
            | Reason::SendFailed
            | Reason::ResetBeforeHeader
            | Reason::BadResponse
            | Reason::ResponseTruncated
            | Reason::RetryTimeout => StatusCode::BAD_GATEWAY,
            Reason::TimeoutConnect | Reason::TimeoutSend | Reason::TimeoutRead => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Reason::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Reason::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Reason::BadRequest | Reason::CertificateRefused => StatusCode::BAD_REQUEST,
            Reason::UriTooLong => StatusCode::URI_TOO_LONG,
            Reason::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Who caused it.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Reason::NotReady => Blame::Gateway,
            Reason::ServiceMissing
            | Reason::PluginsMissing
            | Reason::UpstreamMissing
            | Reason::NoUpstream
            | Reason::NoNodes
            | Reason::UnsupportedScheme => Blame::Configuration,
            Reason::NoUsableNode
            | Reason::DnsFailure
            | Reason::ConnectRefused
            | Reason::ConnectFailed
            | Reason::TimeoutConnect
            | Reason::TimeoutSend
            | Reason::TimeoutRead
            | Reason::SendFailed
            | Reason::ResetBeforeHeader
            | Reason::BadResponse
            | Reason::ResponseTruncated
            | Reason::RetryTimeout => Blame::Upstream,
            Reason::NoRoute
            | Reason::ClientGone
            | Reason::ClientTimeout
            | Reason::BadRequest
            | Reason::UriTooLong
            | Reason::HeadTooLarge
            | Reason::MethodRefused
            | Reason::CertificateRefused => Blame::Client,
        }
    }

    /// Whether another node may be asked (objects.md section 8).
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Reason::DnsFailure
            | Reason::ConnectRefused
            | Reason::ConnectFailed
            | Reason::TimeoutConnect => Retry::Always,
            Reason::TimeoutSend
            | Reason::TimeoutRead
            | Reason::SendFailed
            | Reason::ResetBeforeHeader => Retry::UnlessSent,
            _ => Retry::No,
        }
    }

    /// Position in [`Reason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_table_is_the_order_of_the_variants() {
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), position, "{}", reason.as_str());
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn only_failures_of_the_upstream_are_retried() {
        for reason in Reason::ALL {
            if reason.retry() != Retry::No {
                assert_eq!(reason.blame(), Blame::Upstream, "{}", reason.as_str());
            }
        }
    }
}
