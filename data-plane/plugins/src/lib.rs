#![doc = include_str!("../README.md")]

pub mod acl;
mod amount;
pub mod api_breaker;
pub mod attach_consumer_label;
mod authentication;
pub mod authz_casbin;
pub mod aws_lambda;
pub mod aws_signature;
pub mod azure_functions;
pub mod basic_auth;
pub mod batch_requests;
pub mod body_transformer;
mod break_answer;
pub mod brotli;
pub mod catalog;
pub mod circuit_breaker;
pub mod clickhouse_logger;
pub mod client_control;
mod compression;
mod conditions;
pub mod consumer_restriction;
pub mod cors;
pub mod csrf;
pub mod data_mask;
pub mod datadog;
pub mod decompress_request;
pub mod degraphql;
pub mod echo;
pub mod elasticsearch_logger;
mod embedded_schema;
mod encoding;
pub mod error_log_logger;
pub mod error_page;
pub mod exit_transformer;
#[cfg(test)]
mod fake_service;
pub mod fault_injection;
pub mod file_logger;
mod form;
pub mod forward_auth;
pub mod function_call;
pub mod geo_restriction;
pub mod google_cloud_logging;
pub mod grpc_transcode;
pub mod grpc_web;
pub mod gzip;
mod header_edit;
pub mod hmac_auth;
pub mod http_logger;
pub mod ip_restriction;
mod json;
pub mod jwe_decrypt;
mod jwt;
pub mod jwt_auth;
pub mod kafka_logger;
pub mod key_auth;
pub mod ldap_auth;
pub mod limit_conn;
pub mod limit_count;
pub mod limit_req;
pub mod logging;
pub mod loki_logger;
mod lua;
pub mod mocking;
pub mod mqtt_proxy;
pub mod multi_auth;
pub mod node_status;
pub mod oas_validator;
mod onward;
pub mod opa;
pub mod openfunction;
pub mod openid_connect;
pub mod opentelemetry;
pub mod openwhisk;
pub mod prometheus;
pub mod proto;
pub mod proxy_cache;
pub mod proxy_control;
pub mod proxy_mirror;
pub mod proxy_rewrite;
pub mod public_api;
pub mod real_ip;
pub mod redirect;
pub mod redis;
pub mod referer_restriction;
mod refusal;
pub mod request_id;
mod request_json;
pub mod request_rewrite;
pub mod request_validation;
pub mod response_rewrite;
pub mod server_info;
pub mod serverless_post_function;
pub mod serverless_pre_function;
pub mod service_account;
mod service_call;
mod spans;
pub mod splunk_hec_logging;
mod substitution;
pub mod syslog;
mod table;
pub mod tcp_logger;
mod template;
#[cfg(test)]
mod tests;
pub mod traffic_label;
pub mod traffic_split;
mod turns;
pub mod ua_restriction;
pub mod udp_logger;
mod unconfigured;
pub mod upstream_auth;
pub mod uri_blocker;
pub mod workflow;
pub mod zipkin;
pub mod zstd;

use weir_plugin_api::{Entry, StreamEntry};

pub use catalog::Builtin;

/// Every plugin of this build, by falling priority. A new plugin adds one line here and one above.
pub static BUILTIN: &[Entry] = &TABLE;

/// The table itself; it holds parsed schemas, so that it needs a place of its own.
static TABLE: [Entry; 82] = [
    Entry::of::<real_ip::RealIp>(),
    Entry::of::<exit_transformer::ExitTransformer>(),
    Entry::of::<client_control::ClientControl>(),
    Entry::of::<proxy_control::ProxyControl>(),
    Entry::of::<request_id::RequestId>(),
    Entry::of::<zipkin::Zipkin>(),
    Entry::of::<opentelemetry::Opentelemetry>(),
    Entry::of::<fault_injection::FaultInjection>(),
    Entry::of::<mocking::Mocking>(),
    Entry::of::<serverless_pre_function::ServerlessPreFunction>(),
    Entry::of::<batch_requests::BatchRequests>(),
    Entry::of::<cors::Cors>(),
    Entry::of::<ip_restriction::IpRestriction>(),
    Entry::of::<ua_restriction::UaRestriction>(),
    Entry::of::<geo_restriction::GeoRestriction>(),
    Entry::of::<referer_restriction::RefererRestriction>(),
    Entry::of::<csrf::Csrf>(),
    Entry::of::<uri_blocker::UriBlocker>(),
    Entry::of::<request_validation::RequestValidation>(),
    Entry::of::<multi_auth::MultiAuth>(),
    Entry::of::<openid_connect::OpenidConnect>(),
    Entry::of::<authz_casbin::AuthzCasbin>(),
    Entry::of::<ldap_auth::LdapAuth>(),
    Entry::of::<hmac_auth::HmacAuth>(),
    Entry::of::<basic_auth::BasicAuth>(),
    Entry::of::<jwt_auth::JwtAuth>(),
    Entry::of::<jwe_decrypt::JweDecrypt>(),
    Entry::of::<key_auth::KeyAuth>(),
    Entry::of::<acl::Acl>(),
    Entry::of::<consumer_restriction::ConsumerRestriction>(),
    Entry::of::<attach_consumer_label::AttachConsumerLabel>(),
    Entry::of::<forward_auth::ForwardAuth>(),
    Entry::of::<opa::Opa>(),
    Entry::of::<data_mask::DataMask>(),
    Entry::of::<error_log_logger::ErrorLogLogger>(),
    Entry::of::<decompress_request::DecompressRequest>(),
    Entry::of::<proxy_cache::ProxyCache>(),
    Entry::of::<body_transformer::BodyTransformer>(),
    Entry::of::<request_rewrite::RequestRewrite>(),
    Entry::of::<proxy_mirror::ProxyMirror>(),
    Entry::of::<proxy_rewrite::ProxyRewrite>(),
    Entry::of::<upstream_auth::UpstreamAuth>(),
    Entry::of::<workflow::Workflow>(),
    Entry::of::<api_breaker::ApiBreaker>(),
    Entry::of::<circuit_breaker::CircuitBreaker>(),
    Entry::of::<limit_conn::LimitConn>(),
    Entry::of::<limit_count::LimitCount>(),
    Entry::of::<limit_req::LimitReq>(),
    Entry::of::<node_status::NodeStatus>(),
    Entry::of::<zstd::Zstd>(),
    Entry::of::<brotli::Brotli>(),
    Entry::of::<gzip::Gzip>(),
    Entry::of::<server_info::ServerInfo>(),
    Entry::of::<traffic_label::TrafficLabel>(),
    Entry::of::<traffic_split::TrafficSplit>(),
    Entry::of::<redirect::Redirect>(),
    Entry::of::<response_rewrite::ResponseRewrite>(),
    Entry::of::<oas_validator::OasValidator>(),
    Entry::of::<degraphql::Degraphql>(),
    Entry::of::<grpc_transcode::GrpcTranscode>(),
    Entry::of::<grpc_web::GrpcWeb>(),
    Entry::of::<public_api::PublicApi>(),
    Entry::of::<prometheus::Prometheus>(),
    Entry::of::<datadog::Datadog>(),
    Entry::of::<error_page::ErrorPage>(),
    Entry::of::<loki_logger::LokiLogger>(),
    Entry::of::<elasticsearch_logger::ElasticsearchLogger>(),
    Entry::of::<echo::Echo>(),
    Entry::of::<http_logger::HttpLogger>(),
    Entry::of::<splunk_hec_logging::SplunkHecLogging>(),
    Entry::of::<google_cloud_logging::GoogleCloudLogging>(),
    Entry::of::<tcp_logger::TcpLogger>(),
    Entry::of::<kafka_logger::KafkaLogger>(),
    Entry::of::<syslog::Syslog>(),
    Entry::of::<udp_logger::UdpLogger>(),
    Entry::of::<file_logger::FileLogger>(),
    Entry::of::<clickhouse_logger::ClickhouseLogger>(),
    Entry::of::<aws_lambda::AwsLambda>(),
    Entry::of::<azure_functions::AzureFunctions>(),
    Entry::of::<openwhisk::OpenWhisk>(),
    Entry::of::<openfunction::OpenFunction>(),
    Entry::of::<serverless_post_function::ServerlessPostFunction>(),
];

/// Every plugin of this build that runs on streams, by falling priority.
pub static ON_STREAMS: &[StreamEntry] = &STREAM_TABLE;

static STREAM_TABLE: [StreamEntry; 6] = [
    StreamEntry::of::<ip_restriction::IpRestriction>(),
    StreamEntry::of::<limit_conn::stream::LimitStreams>(),
    StreamEntry::of::<mqtt_proxy::MqttProxy>(),
    StreamEntry::of::<traffic_split::stream::SplitStreams>(),
    StreamEntry::of::<prometheus::stream::CountStreams>(),
    StreamEntry::of::<syslog::stream::LogStreams>(),
];
