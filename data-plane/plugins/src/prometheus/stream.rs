//! `prometheus` on streams: which connections and UDP sessions are counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_plugin_api::{
    CompileContext, Host, StreamContext, StreamPlugin, StreamPluginDef, StreamStep,
};

use super::config::Config;
use super::family::{Listening, Registry, Series};

/// Labels of `stream_status`.
pub(super) const STATUS_LABELS: [&str; 3] = ["code", "listen_addr", "node"];

/// Definition of `prometheus` on streams.
pub struct CountStreams;

impl StreamPluginDef for CountStreams {
    const NAME: &'static str = "prometheus";
    const PRIORITY: i32 = 500;
    const SCHEMA: &'static str = include_str!("stream.schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            registry: Registry::of(context)?,
            prefer_name: config.prefer_name,
        })
    }
}

/// `prometheus` on streams, ready to run.
pub struct Compiled {
    registry: Arc<Registry>,
    prefer_name: bool,
}

/// One stream among those that are open, until it is dropped.
struct Open {
    listener: Arc<Series<Listening>>,
    host: Arc<dyn Host>,
}

impl Open {
    fn begin(listener: Arc<Series<Listening>>, host: Arc<dyn Host>) -> Self {
        let open = &listener.touch(host.monotonic()).open;
        open.fetch_add(1, Ordering::Relaxed);
        Self { listener, host }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let open = &self.listener.touch(self.host.monotonic()).open;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Compiled {
    fn listener(&self, context: &StreamContext) -> Option<Arc<Series<Listening>>> {
        let address = context.head.local.to_string();
        let now = context.host.monotonic();
        let registry = &self.registry;
        registry.accept(registry.listeners.get(&[&address], now))
    }
}

impl StreamPlugin for Compiled {
    fn preread(&self, context: &mut StreamContext) -> StreamStep {
        if let Some(listener) = self.listener(context) {
            let host = Arc::clone(&context.host);
            context.hold(Open::begin(listener, host));
        }
        StreamStep::Continue
    }

    fn log(&self, context: &StreamContext) {
        let now = context.host.monotonic();
        let (registry, record) = (&self.registry, &context.record);
        let route = context.route.as_deref().map_or("", |route| {
            if self.prefer_name && !route.name.is_empty() {
                &route.name
            } else {
                &route.id
            }
        });
        if let Some(series) = registry.accept(registry.streams.get(&[route], now)) {
            series.touch(now).fetch_add(1, Ordering::Relaxed);
        }
        let (code, address) = (record.status.to_string(), context.head.local.to_string());
        let node = record.node.as_ref().map(ToString::to_string);
        let labels = [&*code, &address, node.as_deref().unwrap_or_default()];
        if let Some(series) = registry.accept(registry.stream_status.get(&labels, now)) {
            series.touch(now).fetch_add(1, Ordering::Relaxed);
        }
        if let Some(series) = self.listener(context) {
            let bytes = &series.touch(now).bytes;
            bytes.ingress.fetch_add(record.received, Ordering::Relaxed);
            bytes.egress.fetch_add(record.sent, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_plugin_api::testkit::{self, FakeHost};
    use weir_plugin_api::{Living, RouteInfo};

    use super::super::{NodeFacts, render};
    use super::*;
    use crate::tests::on_route;

    fn plugin(living: &Living, prefer_name: bool) -> Compiled {
        let owner = weir_model::Key::new(weir_model::Kind::StreamRoute, "7");
        let config = Config { prefer_name };
        CountStreams::compile(config, &on_route(&owner, "a", living, None)).unwrap()
    }

    fn stream() -> StreamContext {
        let head = testkit::stream("10.0.0.1:5000", "10.0.0.9:9100");
        let mut context = StreamContext::new(head, FakeHost::shared());
        context.route = Some(Arc::new(RouteInfo {
            id: "7".into(),
            name: "redis".into(),
            ..RouteInfo::default()
        }));
        context
    }

    #[test]
    fn streams_are_counted_while_they_are_open_and_at_their_end() {
        let living = Living::default();
        let plugin = plugin(&living, false);
        let mut context = stream();
        let page = || render(&living, &NodeFacts::default());
        let open = "apisix_stream_active_connections{listen_addr=\"10.0.0.9:9100\"}";
        assert_eq!(plugin.preread(&mut context), StreamStep::Continue);
        assert!(page().contains(&format!("{open} 1\n")), "{}", page());
        context.record.status = 200;
        context.record.received = 10;
        context.record.sent = 20;
        context.record.node = "10.0.0.2:6379".parse().ok();
        plugin.log(&context);
        drop(context);
        let page = page();
        for line in [
            &format!("{open} 0\n")[..],
            "apisix_stream_connection_total{route=\"7\"} 1\n",
            "apisix_stream_status{code=\"200\",listen_addr=\"10.0.0.9:9100\",node=\"10.0.0.2:6379\"} 1\n",
            "apisix_stream_bandwidth{type=\"ingress\",side=\"downstream\",listen_addr=\"10.0.0.9:9100\"} 10\n",
            "apisix_stream_bandwidth{type=\"egress\",side=\"downstream\",listen_addr=\"10.0.0.9:9100\"} 20\n",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }

    #[test]
    fn a_route_may_go_by_its_name() {
        let living = Living::default();
        plugin(&living, true).log(&stream());
        let page = render(&living, &NodeFacts::default());
        let line = "apisix_stream_connection_total{route=\"redis\"} 1\n";
        assert!(page.contains(line), "{page}");
    }
}
