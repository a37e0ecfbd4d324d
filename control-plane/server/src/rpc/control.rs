//! `weir.control.v1.ControlService`.

use std::sync::Arc;

use futures_util::stream;
use tonic::{Request, Response, Status};
use weir_model::{Key, Kind};
use weir_proto::control::control_service_server::ControlService;
use weir_proto::control::{
    ApplyRequest, ApplyResponse, Consistency, ExplainRequest, ExplainResponse, GetRequest,
    GetResponse, ListRequest, ListResponse, WatchRequest, WatchResponse,
};
use weir_proto::convert;
use weir_store::State;

use super::access::Caller;
use super::pages::{Filter, Pages, show};
use super::watch::Watch;
use super::{Answers, apply, error, explain};
use crate::Shared;

/// Reads and writes of operators.
pub(super) struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The state to read from.
    async fn state(&self, consistency: Consistency) -> Result<Arc<State>, Status> {
        match consistency {
            Consistency::Stale => Ok(self.shared.raft.stale()),
            Consistency::Unspecified | Consistency::Linearizable => self
                .shared
                .raft
                .read()
                .await
                .map_err(|error| error::of_read(&error)),
        }
    }
}

/// A message that does not say what it must.
pub(super) fn malformed(error: &convert::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Reads names of kinds; an empty name means all.
fn filter<'a>(kinds: impl IntoIterator<Item = &'a str>) -> Result<Filter, Status> {
    kinds
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(convert::resource::kind)
        .collect::<Result<Vec<Kind>, _>>()
        .map(Filter::new)
        .map_err(|error| malformed(&error))
}

#[tonic::async_trait]
impl ControlService for Control {
    type ListStream = Answers<ListResponse>;
    type WatchStream = Answers<WatchResponse>;

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let request = request.into_inner();
        if request.include_secrets {
            caller.admin()?;
        }
        let consistency = request.consistency();
        let key = request.key.ok_or(convert::Error::Missing("key"));
        let key = key
            .and_then(Key::try_from)
            .map_err(|error| malformed(&error))?;
        let state = self.state(consistency).await?;
        let revision = state.set.revision;
        let resource = state
            .set
            .get(&key)
            .ok_or_else(|| error::not_found(&key, revision))?;
        Ok(Response::new(GetResponse {
            resource: Some(show(resource, request.include_secrets)),
            revision,
        }))
    }

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let caller = Caller::of(&request)?.clone();
        let request = request.into_inner();
        if request.include_secrets {
            caller.admin()?;
        }
        let filter = filter([request.kind.as_str()])?;
        let state = self.state(request.consistency()).await?;
        let pages = Pages::new(state, filter, request.include_secrets);
        let (revision, total) = (pages.revision(), pages.total());
        let answers = pages.map(move |(resources, _)| {
            Ok(ListResponse {
                resources,
                revision,
                total,
            })
        });
        Ok(Response::new(Box::pin(stream::iter(answers))))
    }

    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        caller.admin()?;
        let request = request.into_inner();
        apply::run(&self.shared, &caller, request)
            .await
            .map(Response::new)
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        let request = request.into_inner();
        let state = self.state(request.consistency()).await?;
        explain::run(&self.shared, state, request)
            .await
            .map(Response::new)
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let filter = filter(request.kinds.iter().map(String::as_str))?;
        let from = match request.from_revision {
            // From now on: after everything that was acknowledged before. Without a leader nothing
            // new is acknowledged, so what this node has will do.
            0 => match self.shared.raft.read().await {
                Ok(state) => state.set.revision,
                Err(_) => self.shared.raft.stale().set.revision,
            },
            revision => revision,
        };
        let watch = Watch::new(
            self.shared.raft.watch(),
            self.shared.shutdown.clone(),
            filter,
            from,
        );
        let answers = stream::unfold(watch, |mut watch| async move {
            let answer = watch.next().await?;
            Some((Ok(answer), watch))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
