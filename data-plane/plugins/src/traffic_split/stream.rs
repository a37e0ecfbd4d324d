//! `traffic-split` on streams: where each connection or UDP session goes, to its end.

use http::StatusCode;
use weir_plugin_api::{CompileContext, StreamContext, StreamPlugin, StreamPluginDef, StreamStep};

use super::config::Config;
use super::rule::CompiledRule;

/// Definition of `traffic-split` on streams.
pub struct SplitStreams;

impl StreamPluginDef for SplitStreams {
    const NAME: &'static str = "traffic-split";
    const PRIORITY: i32 = 966;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let state = format!("stream\u{0}{}", context.state_key(Self::NAME));
        Ok(Compiled {
            rules: CompiledRule::all(&config, &state, context)?,
        })
    }
}

/// `traffic-split` on streams, ready to run.
pub struct Compiled {
    rules: Box<[CompiledRule]>,
}

impl StreamPlugin for Compiled {
    fn preread(&self, context: &mut StreamContext) -> StreamStep {
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(context)) else {
            return StreamStep::Continue;
        };
        if let Some(missing) = rule.missing(&*context.host) {
            tracing::warn!(
                upstream_id = &**missing,
                "stream closed: traffic-split names an upstream that does not exist"
            );
            return StreamStep::Refuse(StatusCode::INTERNAL_SERVER_ERROR.as_u16());
        }
        context.upstream = rule.choose();
        StreamStep::Continue
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_plugin_api::UpstreamChoice;
    use weir_plugin_api::testkit::{self, FakeHost};

    use super::*;

    fn plugin(mut config: Value) -> Compiled {
        let schema: Value = serde_json::from_str(SplitStreams::SCHEMA).unwrap();
        weir_model::schema::check(&schema, &mut config).unwrap();
        let config = serde_json::from_value(config).unwrap();
        SplitStreams::compile(config, &CompileContext::dry()).unwrap()
    }

    /// What is chosen for a client at this address: an id, or nothing.
    fn chosen(plugin: &Compiled, client: &str, host: FakeHost) -> (StreamStep, String) {
        let head = testkit::stream(client, "127.0.0.1:9100");
        let mut context = StreamContext::new(head, std::sync::Arc::new(host));
        let step = plugin.preread(&mut context);
        let id = match context.upstream {
            Some(UpstreamChoice::Id(id)) => id.to_string(),
            Some(UpstreamChoice::Inline(_)) => "inline".to_owned(),
            None => String::new(),
        };
        (step, id)
    }

    #[test]
    fn streams_that_match_are_shared_out_by_weight() {
        let plugin = plugin(json!({"rules": [{
            "match": [{"vars": [["remote_addr", "ipmatch", ["10.0.0.0/8"]]]}],
            "weighted_upstreams": [
                {"upstream": {"nodes": {"127.0.0.1:1": 1}}, "weight": 1}, {"weight": 3}
            ]
        }]}));
        let mut seen: Vec<String> = (0..4)
            .map(|_| chosen(&plugin, "10.0.0.1:7", FakeHost::default()).1)
            .collect();
        seen.sort();
        assert_eq!(seen, ["", "", "", "inline"]);
        for _ in 0..4 {
            let other = chosen(&plugin, "192.0.2.1:7", FakeHost::default());
            assert_eq!(other, (StreamStep::Continue, String::new()));
        }
    }
}
