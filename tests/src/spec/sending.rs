//! Sends the requests of one step.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::call::{Call, Caller, LIMIT, Target, send_raw};
use super::exchange::{At, Exchange};
use super::expected::Outcome;
use super::stage::Stage;
use crate::cluster::KEY;

/// Host of requests that say nothing else.
const HOST: &str = "gateway.test";

/// Sends all of them and reads the answers; with one client in their order.
pub(crate) async fn send(stage: &Stage, step: &Exchange) -> Vec<Outcome> {
    let target = target(stage, step);
    let times = step.times.unwrap_or(1);
    if let Some(raw) = &step.raw {
        let mut outcomes = Vec::new();
        for _ in 0..times {
            outcomes.push(send_raw(&target, raw.as_bytes()).await);
        }
        return outcomes;
    }
    let call = call(stage, step);
    let clients = step.clients.unwrap_or(1).min(times);
    // Whoever is free takes the next one: a client that waits long sends few.
    let next = AtomicUsize::new(0);
    let client = async || {
        let mut caller = Caller::new(target.clone());
        let mut outcomes = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times {
                return outcomes;
            }
            outcomes.push(caller.send(&call.numbered(number)).await);
        }
    };
    join_all((0..clients).map(|_| client())).await.concat()
}

fn target(stage: &Stage, step: &Exchange) -> Target {
    let (ip, port) = match step.at {
        At::Agent if step.relay.is_some() && step.over.is_tls() => (stage.agent.ip, 9444),
        At::Agent if step.relay.is_some() => (stage.agent.ip, 9081),
        At::Agent if step.over.is_tls() => (stage.agent.ip, 9443),
        At::Agent => (stage.agent.ip, 9080),
        At::Status => (stage.agent.ip, 9091),
        At::Admin => (stage.control().ip, 9180),
    };
    let host = step.host.as_deref().unwrap_or(HOST);
    let sni = step.sni.as_deref().unwrap_or(host);
    Target {
        address: (ip, port).into(),
        over: step.over,
        from: step.from,
        relay: step.relay.clone(),
        sni: sni.split(':').next().unwrap_or_default().to_owned(),
        limit: step
            .leaves
            .map_or(LIMIT, |seconds| Duration::from_secs_f64(seconds.0)),
    }
}

fn call(stage: &Stage, step: &Exchange) -> Call {
    let (method, path) = step.line();
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in &step.headers {
        headers.extend(
            values
                .all()
                .iter()
                .map(|value| (name.clone(), value.clone())),
        );
    }
    let (path, host) = match step.at {
        At::Agent => (path.to_owned(), HOST.to_owned()),
        At::Status => (path.to_owned(), stage.agent.ip.to_string()),
        At::Admin => {
            headers.push(("x-api-key".to_owned(), KEY.to_owned()));
            (
                format!("/apisix/admin/{path}"),
                stage.control().ip.to_string(),
            )
        }
    };
    let body = match (&step.body, &step.json) {
        (Some(body), _) => body.bytes(),
        (None, Some(json)) => json.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if step.json.is_some() && !has_type {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Call {
        method: method.to_owned(),
        path,
        host: step.host.clone().unwrap_or(host),
        headers,
        body: Bytes::from(body),
    }
}
