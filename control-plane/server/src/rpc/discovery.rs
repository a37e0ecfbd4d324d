//! `weir.discovery.v1.DiscoveryService`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tonic::{Request, Response, Status};
use weir_model::registry::Registry as Document;
use weir_proto::convert::endpoint::to_wire;
use weir_proto::discovery::discovery_service_client::DiscoveryServiceClient;
use weir_proto::discovery::discovery_service_server::DiscoveryService;
use weir_proto::discovery::{
    AcceptRequest, AcceptResponse, Failure, ListRequest, ListResponse, TestRequest, TestResponse,
};

use super::access::Caller;
use super::members;
use crate::{Shared, registry};

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
        let spec = json("registry", &request.registry)?;
        let as_written = Document::parse(&spec)
            .map_err(|problem| invalid(problem.inside("registry").to_string()))?;
        let upstream = json("upstream", &request.upstream)?;
        let lookup = weir_discovery::lookup(&as_written, &upstream)
            .map_err(|problem| invalid(problem.inside("upstream").to_string()))?;
        let limit = Duration::from_millis(request.timeout_ms).min(LONGEST_TEST);
        let managers = registry::managers(&self.shared.raft.stale());
        let document = match registry::document(&spec, &managers).await {
            Ok(document) => document,
            Err(error) => return Ok(Response::new(failed(&error))),
        };
        let asked = weir_discovery::ask_once(&document, &lookup, registry::ENVIRONMENT, limit);
        Ok(Response::new(match asked.await {
            Ok(seen) => TestResponse {
                endpoints: Some(to_wire(&lookup.key(), &seen.set)),
                index: seen.index,
                note: seen.note.unwrap_or_default(),
                failure: None,
            },
            Err(error) => failed(&error),
        }))
    }
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
