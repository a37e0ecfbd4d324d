//! `weir.discovery.v1.DiscoveryService`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use tonic::{Request, Response, Status};
use weir_model::endpoint::Lookup;
use weir_model::registry::Registry as Document;
use weir_model::upstream::Upstream;
use weir_proto::convert::endpoint::to_wire;
use weir_proto::discovery::discovery_service_client::DiscoveryServiceClient;
use weir_proto::discovery::discovery_service_server::DiscoveryService;
use weir_proto::discovery::{
    AcceptRequest, AcceptResponse, Failure, ListRequest, ListResponse, TestRequest, TestResponse,
};

use super::access::Caller;
use super::members;
use crate::Shared;

/// How long a registry is waited for at most.
const LONGEST_TEST: Duration = Duration::from_secs(60);

/// What registries say, for operators.
pub(super) struct Discovery {
    shared: Arc<Shared>,
}

impl Discovery {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl DiscoveryService for Discovery {
    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let request = request.into_inner();
        let node_id = self.shared.config.node_id;
        let records = self.shared.discovery.table.records().into_iter();
        let mut watched: Vec<_> = records
            .filter(|(_, record)| record.fits(&request.registry, &request.service))
            .map(|(key, record)| record.to_wire(node_id, &key, !request.without_endpoints))
            .collect();
        let mut unreachable_nodes = Vec::new();
        if !request.local_only {
            let message = ListRequest {
                local_only: true,
                ..request
            };
            let status = self.shared.raft.status();
            let answers = members::ask(&status, |channel| {
                let mut client = DiscoveryServiceClient::new(channel)
                    .max_decoding_message_size(super::MAX_REQUEST);
                let request = members::in_name_of(&caller, message.clone());
                async move { client.list(request).await.map(Response::into_inner) }
            });
            for (node_id, answer) in answers.await {
                match answer {
                    Some(answer) => watched.extend(answer.watched),
                    None => unreachable_nodes.push(node_id),
                }
            }
            watched.sort_by(|a, b| (&a.key, a.node_id).cmp(&(&b.key, b.node_id)));
        }
        Ok(Response::new(ListResponse {
            watched,
            unreachable_nodes,
        }))
    }

    async fn accept(
        &self,
        request: Request<AcceptRequest>,
    ) -> Result<Response<AcceptResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        caller.admin()?;
        let request = request.into_inner();
        let discovery = &self.shared.discovery;
        let taken = discovery.accept(&request.registry, &request.service);
        for key in &taken {
            tracing::info!(lookup = %key, "the operator takes what was held back");
        }
        let mut accepted: Vec<String> = taken.iter().map(ToString::to_string).collect();
        let mut unreachable_nodes = Vec::new();
        if !request.local_only {
            let message = AcceptRequest {
                local_only: true,
                ..request
            };
            let status = self.shared.raft.status();
            let answers = members::ask(&status, |channel| {
                let mut client = DiscoveryServiceClient::new(channel);
                let request = members::in_name_of(&caller, message.clone());
                async move { client.accept(request).await.map(Response::into_inner) }
            });
            for (node_id, answer) in answers.await {
                match answer {
                    Some(answer) => accepted.extend(answer.accepted),
                    None => unreachable_nodes.push(node_id),
                }
            }
            accepted.sort();
            accepted.dedup();
        }
        Ok(Response::new(AcceptResponse {
            accepted,
            unreachable_nodes,
        }))
    }

    async fn test(&self, request: Request<TestRequest>) -> Result<Response<TestResponse>, Status> {
        Caller::of(&request)?.admin()?;
        let request = request.into_inner();
        let document = Document::parse(&json("registry", &request.registry)?)
            .map_err(|problem| invalid(problem.inside("registry").to_string()))?;
        let lookup = lookup(&document, json("upstream", &request.upstream)?)?;
        let limit = Duration::from_millis(request.timeout_ms).min(LONGEST_TEST);
        let registry = match weir_discovery::build(&document, &|name| std::env::var(name).ok()) {
            Ok(registry) => registry,
            Err(error) => return Ok(Response::new(failed(&error))),
        };
        let (reporter, mut reports) = weir_discovery::reports();
        let asked = timeout(limit, async {
            tokio::select! {
                biased;
                seen = reports.next() => Ok(seen),
                Err(error) = registry.watch(&lookup, reporter) => Err(error),
            }
        });
        Ok(Response::new(match asked.await {
            Ok(Ok(seen)) => TestResponse {
                endpoints: Some(to_wire(&lookup.key(), &seen.set)),
                index: seen.index,
                note: seen.note.unwrap_or_default(),
                failure: None,
            },
            Ok(Err(error)) => failed(&error),
            Err(_) => TestResponse {
                failure: Some(Failure {
                    kind: weir_discovery::ErrorKind::Timeout.as_str().to_owned(),
                    message: format!("the registry did not answer within {limit:?}"),
                    ..Failure::default()
                }),
                ..TestResponse::default()
            },
        }))
    }
}

/// The lookup of an upstream document, which need not say the type again.
fn lookup(document: &Document, mut upstream: Value) -> Result<Lookup, Status> {
    let Value::Object(fields) = &mut upstream else {
        return Err(invalid("upstream: expected a document".to_owned()));
    };
    fields.insert("discovery_type".to_owned(), document.backend.kind().into());
    let upstream = Upstream::parse(&upstream);
    let upstream = upstream.map_err(|problem| invalid(problem.inside("upstream").to_string()))?;
    let lookup = upstream.lookup();
    lookup.ok_or_else(|| invalid("upstream.service_name: is missing".to_owned()))
}

fn failed(error: &weir_discovery::Error) -> TestResponse {
    TestResponse {
        failure: Some(Failure {
            kind: error.kind.as_str().to_owned(),
            message: error.to_string(),
            ..Failure::default()
        }),
        ..TestResponse::default()
    }
}

fn json(field: &str, bytes: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("{field}: expected JSON: {error}")))
}

fn invalid(message: String) -> Status {
    Status::invalid_argument(message)
}
