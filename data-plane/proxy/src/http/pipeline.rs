//! What happens to one request, in the order of objects.md section 6.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use http::request::Parts;
use http::{Response, StatusCode};
use weir_plugin_api::{Context, Response as OwnResponse, ResponseHead};

use super::connection::Client;
use super::forward;
use super::intake::Intake;
use super::proxying::Proxying;
use super::request::{self, ClientBody, Received};
use super::response::{self, NodeBody, ResponseBody};
use super::transaction::Transaction;
use crate::error::Reason;
use crate::respond;
use crate::runtime::{Runtime, nobody};
use crate::worker::Worker;

/// Serves one request up to the head of its answer; the rest happens in the answer's body.
pub async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    parts: Parts,
    body: ClientBody,
) -> Response<ResponseBody> {
    let ambiguous = client.take_ambiguity().then_some(Reason::BadRequest);
    let busy = client.begin_request();
    let runtime = worker.runtime();
    let settings = &worker.settings;
    let rules = request::Rules {
        uri_length: settings.limits.uri_length,
        header_count: settings.limits.header_count,
        paths: settings.paths,
        bodies: settings.limits.bodies,
    };
    let Received {
        mut head,
        sent,
        refused,
    } = request::head(parts, &client.peer, rules);
    forward::observe(
        &mut head,
        &settings.real_ip,
        settings.trusted_addresses.as_deref(),
    );
    let refused = refused.or(ambiguous);
    let long_field = request::has_long_field(&head.headers, settings.limits.header_field);
    let refused = refused.or_else(|| long_field.then_some(Reason::HeadTooLarge));
    let refused = refused.or_else(|| refuse(&client, runtime.as_deref(), &head));
    let host = match &runtime {
        Some(runtime) => runtime.host(),
        None => nobody(),
    };
    let mut context = Context::new(head, host);
    context.target.uri = sent;
    let mut transaction = Box::new(Transaction::begin(worker, runtime, context, busy));
    let outcome = match refused {
        Some(reason) => Outcome::Failed(reason),
        None => admitted(&mut transaction, body)
            .await
            .unwrap_or_else(Outcome::Failed),
    };
    match outcome {
        Outcome::Own(answer) => response::own(transaction, *answer),
        Outcome::Failed(reason) => {
            transaction.failed(reason);
            response::own(transaction, respond::failure(reason))
        }
        Outcome::FailedAs(reason, status) => {
            transaction.failed(reason);
            response::own(transaction, respond::failure_as(reason, status))
        }
        Outcome::Node(head, body) => response::from_node(transaction, *head, body),
    }
}

/// How the part before the answer ended.
pub enum Outcome {
    /// A plugin answered.
    Own(Box<OwnResponse>),
    /// The gateway answers, for a reason.
    Failed(Reason),
    /// The gateway answers, for a reason but with the status of another.
    FailedAs(Reason, StatusCode),
    /// A node answered.
    Node(Box<ResponseHead>, Box<NodeBody>),
}

/// Reasons that need no route.
fn refuse(
    client: &Client,
    runtime: Option<&Runtime>,
    head: &weir_plugin_api::RequestHead,
) -> Option<Reason> {
    let Some(runtime) = runtime else {
        return Some(Reason::NotReady);
    };
    let session = client.tls.as_ref()?;
    let admitted = session.admits(&runtime.certificates, &head.host, &head.path);
    (!admitted).then_some(Reason::CertificateRefused)
}

/// Runs a request once it is let in. A panic ends the request and nothing else.
async fn admitted(transaction: &mut Transaction, body: ClientBody) -> Result<Outcome, Reason> {
    let place = transaction.worker.admit().await?;
    transaction.place = Some(place);
    // What is left half done belongs to the request, for which nothing runs any more.
    let run = AssertUnwindSafe(run(transaction, body))
        .catch_unwind()
        .await;
    run.unwrap_or_else(|_| Err(transaction.panicked()))
}

async fn run(transaction: &mut Transaction, body: ClientBody) -> Result<Outcome, Reason> {
    let runtime = transaction.runtime.clone().ok_or(Reason::NotReady)?;
    let worker = Rc::clone(&transaction.worker);
    let share = Rc::clone(&transaction.share);
    let mut intake = Intake::new(body, worker, share, &mut transaction.context.request);
    let entered = loop {
        let entered = runtime.enter(&mut transaction.context, &mut transaction.chain);
        // Each round knows more of the body than the one before; after at most three all is known.
        if !intake.fill(&mut transaction.context.request).await? {
            break entered;
        }
    };
    // Where the service or the plugins of a route are missing, nothing runs in their place.
    if let Ok(route) = &entered
        && let Err(reason @ (Reason::ServiceMissing | Reason::PluginsMissing)) =
            runtime.upstream(route)
    {
        return Err(reason);
    }
    // Global rules see also what no route takes, and may answer it.
    let context = &mut transaction.context;
    if let Some(answer) = transaction.chain.early(context, &mut intake).await? {
        return Ok(Outcome::Own(answer));
    }
    // Plugins may have a say in it.
    intake.limit(transaction.context.max_body)?;
    let route = entered?;
    let upstream = match &transaction.context.target.upstream {
        Some(choice) => runtime.chosen(choice)?,
        None => Arc::clone(runtime.upstream(&route)?),
    };
    let upstream = Arc::clone(runtime.usable(&upstream));
    // Its fallbacks, if it has any, have none either.
    if upstream.nodes().is_empty() {
        return Err(Reason::NoNodes);
    }
    if upstream.reads_body() {
        transaction.context.request.body.want();
        intake.fill(&mut transaction.context.request).await?;
    }
    let body = intake.into_body(&transaction.context.request);
    let outcome = Proxying::new(transaction, &upstream, route.timeout.as_deref())
        .run(body)
        .await;
    Ok(outcome)
}
