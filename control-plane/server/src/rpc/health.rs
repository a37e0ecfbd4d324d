//! `weir.health.v1.HealthService`, and the same question from the Admin API.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_model::Key;
use weir_proto::convert;
use weir_proto::health::health_service_client::HealthServiceClient;
use weir_proto::health::health_service_server::HealthService;
use weir_proto::health::{AgentHealth, GetRequest, GetResponse};

use super::access::Caller;
use super::{error, members};
use crate::Shared;
use crate::health::{Carrier, carrier, merge};

/// What agents see of their nodes, for operators.
pub(super) struct Health {
    shared: Arc<Shared>,
}

impl Health {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl HealthService for Health {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let request = request.into_inner();
        let key = request.key.ok_or(convert::Error::Missing("key"));
        let key = key
            .and_then(Key::try_from)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if request.local_only {
            return Ok(Response::new(local(&self.shared, &key)));
        }
        // Health is told also where no leader is to be had.
        let state = match self.shared.raft.read().await {
            Ok(state) => state,
            Err(_) => self.shared.raft.stale(),
        };
        let carrier = carrier(&state.set, &key);
        let carrier = carrier.ok_or_else(|| error::not_found(&key, state.set.revision))?;
        Ok(Response::new(gather(&self.shared, &caller, carrier).await))
    }
}

fn local(shared: &Shared, key: &Key) -> GetResponse {
    GetResponse {
        key: Some(key.into()),
        agents: shared.health.of(key, shared.config.node_id),
        connected_agents: shared.agents.connected() as u64,
        ..GetResponse::default()
    }
}

/// Asks this node and all other members what their agents say.
pub(crate) async fn gather(shared: &Shared, caller: &Caller, carrier: Carrier) -> GetResponse {
    let mut all = local(shared, &carrier.key);
    all.checked = carrier.checked;
    let message = GetRequest {
        key: Some((&carrier.key).into()),
        local_only: true,
    };
    let status = shared.raft.status();
    let answers = members::ask(&status, |channel| {
        let mut client =
            HealthServiceClient::new(channel).max_decoding_message_size(super::MAX_REQUEST);
        let request = members::in_name_of(caller, message.clone());
        async move { client.get(request).await.map(Response::into_inner) }
    });
    let mut agents: Vec<AgentHealth> = std::mem::take(&mut all.agents);
    for (node_id, answer) in answers.await {
        match answer {
            Some(answer) => {
                agents.extend(answer.agents);
                all.connected_agents += answer.connected_agents;
            }
            None => all.unreachable_nodes.push(node_id),
        }
    }
    all.agents = merge(agents);
    all
}
