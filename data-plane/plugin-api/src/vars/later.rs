//! Variables that are known only later than the head.

use std::borrow::Cow;
use std::time::Duration;

use weir_model::field::variable::{Known, Source, Var, Variable};

use super::{Text, borrowed, filled, header, owned};
use crate::address::NodeAddress;
use crate::context::{Context, Record};
use crate::tried::{Tried, seconds};

pub(super) fn get<'c>(context: &'c Context, variable: &Variable) -> Option<Var<'c>> {
    let text = match variable.source() {
        Source::Known(known) => self::known(context, *known),
        Source::SentHeader(name) => header(&context.response.as_ref()?.headers, name),
        _ => None,
    };
    text.map(Var::Text)
}

fn known(context: &Context, known: Known) -> Text<'_> {
    let route = context.route.as_deref();
    let record = &context.record;
    match known {
        Known::RouteId => filled(&route?.id),
        Known::RouteName => filled(&route?.name),
        Known::ServiceId => filled(&route?.service_id),
        Known::ServiceName => filled(&route?.service_name),
        Known::MatchedUri => filled(&context.matched_uri),
        Known::MatchedHost => filled(&context.matched_host),
        Known::ConsumerName => borrowed(&context.consumer.as_ref()?.name),
        Known::ConsumerGroupId => {
            let group = &context.consumer.as_ref()?.group_id;
            group.as_deref().map(Cow::Borrowed)
        }
        Known::OpentelemetryTraceparent => owned(context.opentelemetry?.traceparent()),
        Known::OpentelemetryTraceId => owned(format!("{:032x}", context.opentelemetry?.trace_id)),
        Known::OpentelemetrySpanId => owned(format!("{:016x}", context.opentelemetry?.span_id)),
        Known::ZipkinTraceparent => owned(context.zipkin?.traceparent()),
        Known::ZipkinTraceId => owned(format!("{:032x}", context.zipkin?.trace_id)),
        Known::ZipkinSpanId => owned(format!("{:016x}", context.zipkin?.span_id)),
        Known::RequestId => filled(&record.request_id),
        Known::BalancerIp => owned(picked(record)?.ip()?),
        Known::BalancerPort => owned(picked(record)?.port()?),
        Known::UpstreamAddr => {
            Tried::addresses(&record.tries, record.node.as_ref()).map(Cow::Owned)
        }
        Known::UpstreamStatus => statuses(&record.upstream_statuses),
        Known::UpstreamResponseTime => times(record, Tried::totals, record.upstream),
        Known::UpstreamConnectTime => times(record, Tried::connect_times, record.connect),
        Known::UpstreamHeaderTime => times(record, Tried::header_times, record.first_byte),
        Known::UpstreamUnresolvedHost => filled(&record.node_host),
        Known::UpstreamUri => context.target.uri.as_deref().map(Cow::Borrowed),
        Known::RequestTime => owned(seconds(record.total)),
        Known::Status => status(context),
        Known::BytesSent => owned(record.response_bytes),
        Known::BodyBytesSent => owned(record.body_bytes),
        // Grows while the body goes by.
        Known::RequestLength if record.request_bytes > 0 => owned(record.request_bytes),
        _ => None,
    }
}

/// The node that was connected to, or will be when it is an address already.
fn picked(record: &Record) -> Option<NodeAddress> {
    let node = record.node.clone();
    node.or_else(|| record.node_authority.parse().ok())
}

fn status(context: &Context) -> Text<'_> {
    let head = context.response.as_ref().map(|head| head.status.as_u16());
    head.or_else(|| Some(context.record.status).filter(|status| *status != 0))
        .and_then(owned)
}

/// The statuses of all tries.
fn statuses<'a>(all: &[u16]) -> Text<'a> {
    match all {
        [] => None,
        [only] => owned(only),
        all => {
            let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
            Some(Cow::Owned(texts.join(", ")))
        }
    }
}

/// Times of all tries, or that of the only one.
fn times<'a>(record: &Record, all: fn(&[Tried]) -> Option<String>, only: Duration) -> Text<'a> {
    record.node.as_ref()?;
    all(&record.tries)
        .or_else(|| Some(seconds(only)))
        .map(Cow::Owned)
}
