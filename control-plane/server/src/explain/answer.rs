//! From an explanation to the wire.

use std::sync::Arc;

use weir_model::{Key, Kind, Revision};
use weir_proto::control::{
    ExplainResponse, ExplainedNode, ExplainedPlugin, ExplainedRoute, ExplainedUpstream, Field,
    NearMiss, OutgoingRequest,
};
use weir_proxy::runtime::explain::{Explanation, Outgoing, PluginLine, State, Taken};

use super::question::Asked;

pub(super) fn of(explanation: &Explanation, asked: &Asked, revision: Revision) -> ExplainResponse {
    let misses = explanation.misses.iter().take(asked.misses);
    let more = explanation.misses.len().saturating_sub(asked.misses);
    ExplainResponse {
        revision,
        router_mode: asked.mode_name.to_owned(),
        reason: explanation
            .reason
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        status: explanation
            .reason
            .map_or(0, |reason| u32::from(reason.status().as_u16())),
        route: explanation.taken.as_ref().map(route),
        misses: misses
            .map(|miss| NearMiss {
                key: Some((&miss.key).into()),
                uri: miss.uri.clone(),
                condition: miss.condition.clone(),
                expected: miss.expected.clone(),
                actual: miss.actual.clone(),
            })
            .collect(),
        more_misses: more as u64,
        plugins: explanation.plugins.iter().map(plugin).collect(),
        consumer: explanation.consumer.clone().unwrap_or_default(),
        upstream: explanation.upstream.as_ref().map(|upstream| {
            let config = &upstream.config;
            let nodes = upstream.nodes().iter().map(|node| ExplainedNode {
                host: node.host.to_string(),
                port: node.port.into(),
                weight: node.weight,
                priority: node.priority,
            });
            ExplainedUpstream {
                key: Some((&upstream.key).into()),
                r#type: config.balancer.name().to_owned(),
                scheme: config.scheme.name().to_owned(),
                pass_host: config.pass_host.name().to_owned(),
                nodes: nodes.collect(),
            }
        }),
        outgoing: explanation.outgoing.as_ref().map(outgoing),
        notes: explanation.notes.clone(),
    }
}

fn route(taken: &Taken) -> ExplainedRoute {
    let info = &taken.route.info;
    let captures = taken.captures.iter().map(|(name, value)| Field {
        name: name.to_string(),
        value: value.clone(),
    });
    ExplainedRoute {
        key: Some((&Key::new(Kind::Route, Arc::clone(&info.id))).into()),
        name: info.name.to_string(),
        uri: taken.uri.to_string(),
        host: taken.host.to_string(),
        priority: taken.route.priority,
        captures: captures.collect(),
        service: taken.service.as_ref().map(Into::into),
        plugin_config: taken.plugin_config.as_ref().map(Into::into),
    }
}

fn plugin(line: &PluginLine) -> ExplainedPlugin {
    let (runs, note) = match &line.state {
        State::Runs => (true, String::new()),
        State::Filtered => (false, "_meta.filter does not hold".to_owned()),
        State::Answers(status) => (true, format!("answers {status}, the request ends there")),
        State::Disabled => (false, "_meta.disable".to_owned()),
        State::Overridden(owner) => (false, format!("overridden by {owner}")),
        State::Repeated => (false, "runs once, from the route".to_owned()),
    };
    ExplainedPlugin {
        name: line.name.to_owned(),
        priority: line.priority.unwrap_or_default(),
        owner: Some((&line.owner).into()),
        runs,
        note,
    }
}

fn outgoing(outgoing: &Outgoing) -> OutgoingRequest {
    let headers = outgoing.headers.iter().map(|(name, value)| Field {
        name: name.clone(),
        value: value.clone(),
    });
    OutgoingRequest {
        method: outgoing.method.clone(),
        uri: outgoing.uri.clone(),
        host: outgoing.host.clone(),
        headers: headers.collect(),
    }
}
