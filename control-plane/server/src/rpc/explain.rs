//! Explaining a request: away from the threads that serve, since compiling a state takes time.

use std::sync::Arc;

use tonic::Status;
use weir_proto::control::{ExplainRequest, ExplainResponse};
use weir_store::State;

use super::error;
use crate::Shared;
use crate::explain::{KEPT, Subject};

/// Serves one Explain.
pub(super) async fn run(
    shared: &Arc<Shared>,
    state: Arc<State>,
    request: ExplainRequest,
) -> Result<ExplainResponse, Status> {
    let explainer = Arc::clone(&shared.explainer);
    let turn = explainer.turn.lock().await;
    let subject = Subject {
        set: state.set.clone(),
        endpoints: shared.discovery.table.endpoints(),
    };
    let revision = subject.set.revision;
    let asked = Arc::clone(&explainer);
    let work = tokio::task::spawn_blocking(move || asked.explain(&subject, &request));
    let answer = work
        .await
        .map_err(|_| Status::internal("the request could not be explained"))?;
    drop(turn);
    if explainer.wants_tidying() {
        tokio::spawn(tidy(Arc::clone(shared)));
    }
    answer.map_err(|problem| error::invalid(&[(None, problem)], revision))
}

/// Waits until the compiled state is no longer worth its memory, or the node ends.
async fn tidy(shared: Arc<Shared>) {
    let stop = shared.shutdown.clone();
    while stop
        .run_until_cancelled(tokio::time::sleep(KEPT))
        .await
        .is_some()
    {
        if shared.explainer.tidy() {
            return;
        }
    }
}
