//! The fixed names: those of the HTTP server, and those of the gateway.

/// A variable with a fixed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Known {
    /// Decoded, resolved path.
    Uri,
    /// Normalised path with the query.
    RequestUri,
    /// Request target as received.
    RealRequestUri,
    /// Query as received.
    Args,
    /// `?` when there is a query, else empty.
    IsArgs,
    /// Host in lower case, without port.
    Host,
    /// `http` or `https`.
    Scheme,
    /// `on` over TLS.
    Https,
    /// Method.
    Method,
    /// Address of the client.
    RemoteAddr,
    /// Port of the client.
    RemotePort,
    /// Address of the TCP peer.
    PeerAddr,
    /// Port of the TCP peer.
    PeerPort,
    /// Address that a PROXY header told.
    ProxyAddr,
    /// Port that it told.
    ProxyPort,
    /// Address that the client connected to, by a PROXY header.
    ProxyServerAddr,
    /// Port that it connected to.
    ProxyServerPort,
    /// Our address.
    ServerAddr,
    /// Our port.
    ServerPort,
    /// `HTTP/1.1` and the like.
    Protocol,
    /// `Content-Type` of the request.
    ContentType,
    /// `Content-Length` of the request.
    ContentLength,
    /// The request line.
    RequestLine,
    /// User of basic authentication.
    RemoteUser,
    /// Body of the request.
    RequestBody,
    /// Bytes of the request so far.
    RequestLength,
    /// Type of the first operation of a GraphQL request.
    GraphqlOperation,
    /// Its name, empty when it has none.
    GraphqlName,
    /// Names of the fields that it asks for.
    GraphqlRootFields,
    /// ISO code of the client's country.
    GeoipCountry,
    /// Code of the client's continent.
    GeoipContinent,
    /// Name of the agent's machine.
    Hostname,
    /// Seconds since the epoch, with milliseconds.
    Msec,
    /// `2026-01-02T03:04:05+00:00`.
    TimeIso8601,
    /// `02/Jan/2026:03:04:05 +0000`.
    TimeLocal,
    /// `traceparent` of `opentelemetry`.
    OpentelemetryTraceparent,
    /// Trace of `opentelemetry`.
    OpentelemetryTraceId,
    /// Span of `opentelemetry`.
    OpentelemetrySpanId,
    /// The same as a `traceparent` of `zipkin`.
    ZipkinTraceparent,
    /// Trace of `zipkin`.
    ZipkinTraceId,
    /// Span of `zipkin`.
    ZipkinSpanId,
    /// Id of the request.
    RequestId,
    /// What kind of request it is.
    RequestType,
    /// Seconds since the request began.
    RequestTime,
    /// Id of the route.
    RouteId,
    /// Name of the route.
    RouteName,
    /// Id of the service.
    ServiceId,
    /// Name of the service.
    ServiceName,
    /// Path pattern that matched.
    MatchedUri,
    /// Host pattern that matched.
    MatchedHost,
    /// Name of the consumer.
    ConsumerName,
    /// Id of the consumer's group.
    ConsumerGroupId,
    /// Address of the node.
    BalancerIp,
    /// Port of the node.
    BalancerPort,
    /// Address and port of the node.
    UpstreamAddr,
    /// Status of the node's answer.
    UpstreamStatus,
    /// Seconds spent with nodes.
    UpstreamResponseTime,
    /// Seconds spent on connecting to the node.
    UpstreamConnectTime,
    /// Seconds until the head of the node's answer came.
    UpstreamHeaderTime,
    /// Host of the node as configured.
    UpstreamUnresolvedHost,
    /// Path and query that the node is asked for.
    UpstreamUri,
    /// Status of the answer.
    Status,
    /// Bytes sent to the client.
    BytesSent,
    /// Bytes of body sent to the client.
    BodyBytesSent,
    /// Body of the answer, where a plugin collects it.
    RespBody,
    /// Counters of AI plugins.
    Llm,
    /// Client id of MQTT, which streams have.
    MqttClientId,
}

/// Every fixed name.
const NAMES: [(&str, Known); 93] = [
    ("uri", Known::Uri),
    ("document_uri", Known::Uri),
    ("request_uri", Known::RequestUri),
    ("real_request_uri", Known::RealRequestUri),
    ("args", Known::Args),
    ("query_string", Known::Args),
    ("is_args", Known::IsArgs),
    ("host", Known::Host),
    ("server_name", Known::Host),
    ("scheme", Known::Scheme),
    ("https", Known::Https),
    ("request_method", Known::Method),
    ("method", Known::Method),
    ("remote_addr", Known::RemoteAddr),
    ("client_ip", Known::RemoteAddr),
    ("remote_port", Known::RemotePort),
    ("realip_remote_addr", Known::PeerAddr),
    ("realip_remote_port", Known::PeerPort),
    ("proxy_protocol_addr", Known::ProxyAddr),
    ("proxy_protocol_port", Known::ProxyPort),
    ("proxy_protocol_server_addr", Known::ProxyServerAddr),
    ("proxy_protocol_server_port", Known::ProxyServerPort),
    ("server_addr", Known::ServerAddr),
    ("server_port", Known::ServerPort),
    ("server_protocol", Known::Protocol),
    ("content_type", Known::ContentType),
    ("content_length", Known::ContentLength),
    ("request", Known::RequestLine),
    ("remote_user", Known::RemoteUser),
    ("request_body", Known::RequestBody),
    ("request_length", Known::RequestLength),
    ("graphql_operation", Known::GraphqlOperation),
    ("graphql_name", Known::GraphqlName),
    ("graphql_root_fields", Known::GraphqlRootFields),
    ("geoip_country", Known::GeoipCountry),
    ("geoip_continent", Known::GeoipContinent),
    ("hostname", Known::Hostname),
    ("msec", Known::Msec),
    ("time_iso8601", Known::TimeIso8601),
    ("time_local", Known::TimeLocal),
    ("apisix_request_id", Known::RequestId),
    ("request_id", Known::RequestId),
    (
        "opentelemetry_context_traceparent",
        Known::OpentelemetryTraceparent,
    ),
    ("opentelemetry_trace_id", Known::OpentelemetryTraceId),
    ("opentelemetry_span_id", Known::OpentelemetrySpanId),
    ("zipkin_context_traceparent", Known::ZipkinTraceparent),
    ("zipkin_trace_id", Known::ZipkinTraceId),
    ("zipkin_span_id", Known::ZipkinSpanId),
    ("request_type", Known::RequestType),
    ("request_time", Known::RequestTime),
    ("route_id", Known::RouteId),
    ("route_name", Known::RouteName),
    ("service_id", Known::ServiceId),
    ("service_name", Known::ServiceName),
    ("matched_uri", Known::MatchedUri),
    ("matched_host", Known::MatchedHost),
    ("consumer_name", Known::ConsumerName),
    ("consumer_group_id", Known::ConsumerGroupId),
    ("balancer_ip", Known::BalancerIp),
    ("balancer_port", Known::BalancerPort),
    ("upstream_addr", Known::UpstreamAddr),
    ("upstream_status", Known::UpstreamStatus),
    ("upstream_response_time", Known::UpstreamResponseTime),
    ("apisix_upstream_response_time", Known::UpstreamResponseTime),
    ("upstream_connect_time", Known::UpstreamConnectTime),
    ("upstream_header_time", Known::UpstreamHeaderTime),
    ("upstream_unresolved_host", Known::UpstreamUnresolvedHost),
    ("upstream_uri", Known::UpstreamUri),
    ("status", Known::Status),
    ("bytes_sent", Known::BytesSent),
    ("body_bytes_sent", Known::BodyBytesSent),
    ("resp_body", Known::RespBody),
    ("request_llm_model", Known::Llm),
    ("llm_model", Known::Llm),
    ("llm_raw_usage", Known::Llm),
    ("llm_summary", Known::Llm),
    ("llm_request", Known::Llm),
    ("llm_request_body", Known::Llm),
    ("llm_request_done", Known::Llm),
    ("llm_response_text", Known::Llm),
    ("llm_content_risk_level", Known::Llm),
    ("llm_time_to_first_token", Known::Llm),
    ("llm_prompt_tokens", Known::Llm),
    ("llm_completion_tokens", Known::Llm),
    ("llm_total_tokens", Known::Llm),
    ("llm_cached_tokens", Known::Llm),
    ("llm_cache_creation_tokens", Known::Llm),
    ("llm_reasoning_tokens", Known::Llm),
    ("llm_stream", Known::Llm),
    ("llm_has_tool_calls", Known::Llm),
    ("llm_tool_calls", Known::Llm),
    ("llm_end_user_id", Known::Llm),
    ("mqtt_client_id", Known::MqttClientId),
];

impl Known {
    /// The variable of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, known)| *known)
    }

    /// Every fixed name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether the body of the request has to be read for it.
    #[must_use]
    pub const fn is_of_body(self) -> bool {
        matches!(self, Known::RequestBody) || self.is_of_graphql()
    }

    /// Whether it is read from a GraphQL query.
    #[must_use]
    pub const fn is_of_graphql(self) -> bool {
        matches!(
            self,
            Known::GraphqlOperation | Known::GraphqlName | Known::GraphqlRootFields
        )
    }
}
