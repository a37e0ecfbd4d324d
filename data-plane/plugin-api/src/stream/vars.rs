//! Variables of a stream: those of nginx' stream module, and those of routes.

use std::borrow::Cow;
use std::time::Duration;

use weir_model::field::variable::{Known, Source, Var, Variable, Variables};

use super::StreamContext;
use crate::tried::{Tried, seconds};
use crate::vars::{Text, borrowed, filled, owned, time};

impl Variables for StreamContext {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        match variable.source() {
            Source::Known(known) => self::known(self, *known).map(Var::Text),
            Source::Unknown => {
                let known = of_streams(variable.name())?;
                self::known(self, known).map(Var::Text)
            }
            _ => None,
        }
    }
}

/// What nginx' stream module calls otherwise than its HTTP module.
fn of_streams(name: &str) -> Option<Known> {
    match name {
        "protocol" => Some(Known::Protocol),
        "bytes_received" => Some(Known::RequestLength),
        "session_time" => Some(Known::RequestTime),
        _ => None,
    }
}

fn known(context: &StreamContext, known: Known) -> Text<'_> {
    let (head, record) = (&context.head, &context.record);
    let route = context.route.as_deref();
    let seconds = |time: Duration| owned(seconds(time));
    match known {
        Known::RemoteAddr => owned(head.client_ip()),
        Known::RemotePort => owned(head.client.port()),
        Known::PeerAddr => {
            let peer = head.relay.map_or(head.client, |relay| relay.address);
            owned(peer.ip().to_canonical())
        }
        Known::PeerPort => owned(head.relay.map_or(head.client, |relay| relay.address).port()),
        Known::ProxyAddr => head.relay.and_then(|_| owned(head.client_ip())),
        Known::ProxyPort => head.relay.and_then(|_| owned(head.client.port())),
        Known::ProxyServerAddr => head.relay.and_then(|relay| owned(relay.destination.ip())),
        Known::ProxyServerPort => head.relay.and_then(|relay| owned(relay.destination.port())),
        Known::ServerAddr => owned(head.local.ip().to_canonical()),
        Known::ServerPort => owned(head.local.port()),
        Known::Host => head.server_name.as_deref().and_then(filled),
        Known::Protocol => borrowed(match head.transport {
            super::Transport::Udp => "UDP",
            super::Transport::Tcp | super::Transport::Tls => "TCP",
        }),
        Known::GeoipCountry => {
            let place = context.host.location(head.client_ip())?;
            place.country.map(Into::into)
        }
        Known::GeoipContinent => {
            let place = context.host.location(head.client_ip())?;
            place.continent.map(Into::into)
        }
        Known::MqttClientId => filled(&context.mqtt_client_id),
        Known::Hostname => borrowed(context.host.hostname()),
        Known::Msec => owned(time::msec(context.host.unix_ms())),
        Known::TimeIso8601 => owned(time::iso8601(context.host.unix_ms() / 1000)),
        Known::TimeLocal => owned(time::local(context.host.unix_ms() / 1000)),
        Known::RouteId => filled(&route?.id),
        Known::RouteName => filled(&route?.name),
        Known::ServiceId => filled(&route?.service_id),
        Known::ServiceName => filled(&route?.service_name),
        Known::RequestId => filled(&record.id),
        Known::BalancerIp => owned(record.node.as_ref()?.ip()?),
        Known::BalancerPort => owned(record.node.as_ref()?.port()?),
        Known::UpstreamAddr => {
            Tried::addresses(&record.tries, record.node.as_ref()).map(Cow::Owned)
        }
        Known::UpstreamConnectTime => {
            record.node.as_ref()?;
            let all = Tried::connect_times(&record.tries).map(Cow::Owned);
            all.or_else(|| seconds(record.connect))
        }
        Known::UpstreamUnresolvedHost => filled(&record.node_host),
        Known::RequestTime => seconds(record.total),
        Known::Status => Some(record.status)
            .filter(|status| *status != 0)
            .and_then(owned),
        Known::BytesSent => owned(record.sent),
        Known::RequestLength => owned(record.received),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Relay;
    use crate::stream::{StreamHead, Transport};
    use crate::testkit::FakeHost;

    #[test]
    fn a_stream_knows_who_speaks_and_no_more() {
        let head = StreamHead {
            client: "192.0.2.1:5000".parse().unwrap(),
            local: "10.0.0.1:9100".parse().unwrap(),
            relay: Some(Relay {
                address: "10.9.9.9:77".parse().unwrap(),
                destination: "198.51.100.1:443".parse().unwrap(),
            }),
            transport: Transport::Tls,
            server_name: Some("db.test".into()),
        };
        let context = StreamContext::new(head, FakeHost::shared());
        for (name, value) in [
            ("remote_addr", Some("192.0.2.1")),
            ("remote_port", Some("5000")),
            ("realip_remote_addr", Some("10.9.9.9")),
            ("proxy_protocol_server_port", Some("443")),
            ("server_addr", Some("10.0.0.1")),
            ("server_port", Some("9100")),
            ("host", Some("db.test")),
            ("server_protocol", Some("TCP")),
            ("protocol", Some("TCP")),
            ("bytes_received", Some("0")),
            ("session_time", Some("0.000")),
            ("uri", None),
            ("http_x", None),
            ("route_id", None),
        ] {
            let found = context.get(&Variable::parse(name)).map(Var::into_text);
            assert_eq!(found.as_deref(), value, "{name}");
        }
    }
}
