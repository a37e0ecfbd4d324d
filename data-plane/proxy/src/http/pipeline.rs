//! What happens to one request, in the order of objects.md section 6.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::request::Parts;
use http::{Response, StatusCode, Version};
use weir_plugin_api::{Context, Gateway, Response as OwnResponse, ResponseHead};

use super::connection::Client;
use super::forward;
use super::inbound::Back;
use super::intake::Intake;
use super::proxying::Proxying;
use super::request::{self, ClientBody, Received};
use super::response::{self, NodeBody, ResponseBody};
use super::transaction::Transaction;
use super::upgrade;
use crate::chain::changed;
use crate::error::{Reason, Refusal};
use crate::respond;
use crate::runtime::{Runtime, nobody};
use crate::worker::Worker;

/// Serves one request up to the head of its answer; the rest happens in the answer's body. Interim
/// answers of nodes go `back`, where there is such a way.
pub async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    parts: Parts,
    body: ClientBody,
    back: Option<Back>,
) -> Response<ResponseBody> {
    let mut begun = begin(worker, &client, parts);
    begun.0.back = back;
    begun.0.context.gateway = Some(Rc::clone(&client) as Rc<dyn Gateway>);
    proceed(&client, begun, body).await
}

/// The same for a request inside another of this client, which can have none inside itself.
pub async fn serve_inner(
    worker: Rc<Worker>,
    client: Rc<Client>,
    parts: Parts,
    body: ClientBody,
) -> Response<ResponseBody> {
    let begun = begin(worker, &client, parts);
    proceed(&client, begun, body).await
}

async fn proceed(client: &Client, begun: Begun, body: ClientBody) -> Response<ResponseBody> {
    let (mut transaction, refused, upgrade) = begun;
    let longest = transaction.worker.settings.limits.header_field;
    let long_field = request::has_long_field(&transaction.context.request.headers, longest);
    let refused = refused.or_else(|| long_field.then_some(Reason::HeadTooLarge.into()));
    let refused = refused.or_else(|| {
        let runtime = transaction.runtime.as_deref();
        refuse_without_route(client, runtime, &transaction.context.request)
    });
    let outcome = match refused {
        Some(refusal) => Outcome::Refused(refusal),
        None => admitted(&mut transaction, body, upgrade)
            .await
            .unwrap_or_else(Outcome::Failed),
    };
    answer(transaction, outcome)
}

/// Answers a request that could not be read, so that it is logged and counted as any other.
/// `parts` are what was understood of it.
pub fn refuse(
    worker: Rc<Worker>,
    client: &Rc<Client>,
    parts: Parts,
    refusal: Refusal,
) -> Response<ResponseBody> {
    worker.metrics.malformed.add(1);
    let (transaction, ..) = begin(worker, client, parts);
    answer(transaction, Outcome::Refused(refusal))
}

/// Whether a WebSocket is asked for, and as it should be.
type Upgrade = Option<Result<(), &'static str>>;

/// A request, why it is refused, and whether a WebSocket is asked for.
type Begun = (Box<Transaction>, Option<Refusal>, Upgrade);

fn begin(worker: Rc<Worker>, client: &Rc<Client>, parts: Parts) -> Begun {
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
        upgrade,
    } = request::head(parts, &client.peer, rules);
    forward::observe(
        &mut head,
        &settings.real_ip,
        settings.trusted_addresses.as_deref(),
    );
    let host = match &runtime {
        Some(runtime) => runtime.host(),
        None => nobody(),
    };
    let mut context = Context::new(head, host);
    context.target.uri = sent;
    let transaction = Transaction::begin(worker, runtime, context, busy);
    (transaction, refused, upgrade)
}

fn answer(mut transaction: Box<Transaction>, outcome: Outcome) -> Response<ResponseBody> {
    match outcome {
        Outcome::Own(answer) => response::own(transaction, *answer),
        Outcome::Refused(refusal) => {
            transaction.refused(refusal);
            response::own(transaction, respond::failure(refusal.reason))
        }
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
    /// The request is refused, by some rule.
    Refused(Refusal),
    /// The gateway answers, for a reason.
    Failed(Reason),
    /// The gateway answers, for a reason but with the status of another.
    FailedAs(Reason, StatusCode),
    /// A node answered.
    Node(Box<ResponseHead>, Box<NodeBody>),
}

/// Reasons that need no route.
fn refuse_without_route(
    client: &Client,
    runtime: Option<&Runtime>,
    head: &weir_plugin_api::RequestHead,
) -> Option<Refusal> {
    let Some(runtime) = runtime else {
        return Some(Reason::NotReady.into());
    };
    let session = client.tls.as_ref()?;
    let admitted = session.admits(&runtime.certificates, &head.host, &head.path);
    (!admitted).then_some(Reason::CertificateRefused.into())
}

/// Runs a request once it is let in. A panic ends the request and nothing else.
async fn admitted(
    transaction: &mut Transaction,
    body: ClientBody,
    upgrade: Upgrade,
) -> Result<Outcome, Reason> {
    let place = transaction.worker.admit(transaction.started()).await?;
    transaction.place = Some(place);
    let ended = {
        // It is large, and made where it stays: what wraps futures moves them.
        let mut running = pin!(run(transaction, body, upgrade));
        poll_fn(|cx| {
            // What is left half done belongs to the request, for which nothing runs any more.
            let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
            match polled {
                Ok(polled) => polled.map(Some),
                Err(_) => Poll::Ready(None),
            }
        })
        .await
    };
    ended.unwrap_or_else(|| Err(transaction.panicked()))
}

async fn run(
    transaction: &mut Transaction,
    body: ClientBody,
    upgrade: Upgrade,
) -> Result<Outcome, Reason> {
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
    let route = match entered {
        // It is the one answer of the gateway's own that is made where plugins answer.
        Err(reason @ Reason::NoRoute) if !transaction.context.answer_changes.is_empty() => {
            transaction.failed(reason);
            let answer = Box::new(respond::failure(reason));
            let answer = changed(&mut transaction.context, answer);
            return Ok(Outcome::Own(answer));
        }
        entered => entered?,
    };
    // Nothing else can be made of it.
    if upgrade.is_some()
        && !route.enable_websocket
        && transaction.context.request.version == Version::HTTP_2
    {
        return Err(Reason::MethodRefused);
    }
    // Elsewhere the wish is dropped, and the node asked as if there had been none.
    if let Some(asked) = upgrade.filter(|_| route.enable_websocket) {
        if let Err(detail) = asked {
            let reason = Reason::BadRequest;
            return Ok(Outcome::Refused(Refusal { reason, detail }));
        }
        let (high, low) = (transaction.worker.random(), transaction.worker.random());
        let key = u128::from(high) << 64 | u128::from(low);
        upgrade::complete(&mut transaction.context.request.headers, key);
        transaction.upgrade = true;
    }
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
    let proxying = Proxying::new(transaction, &upstream, route.timeout.as_deref());
    let outcome = pin!(proxying.run(body)).await;
    Ok(outcome)
}
