//! The way of a request through the cache until it is answered or forwarded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use weir_plugin_api::{Context, Response, Step};

use super::config;
use super::control::Control;
use super::entry::{Body, Entry, Freshness};
use super::fetch::Fetch;
use super::flights::{Flight, Turn, Wait};
use super::freshness::Asked;
use super::{Compiled, State, Status};

/// How long a request waits for the answer to another one before it asks a node itself (as nginx).
const LOCK: Duration = Duration::from_secs(5);

/// Fields by which some frameworks take a request for another one. Answers to requests that carry
/// them would be given to those that do not.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
];

/// A request that the cache may answer.
pub(super) struct Request {
    pub(super) key: String,
    pub(super) asked: Asked,
    control: Control,
    /// What the client is told when a node is asked.
    pub(super) told: Status,
}

/// What comes next.
enum Next {
    Forward,
    Answer(Response),
    /// The body of an entry is read first; then the request may wait, or not.
    Read(Request, Arc<Entry>, Purpose, bool),
    Wait(Request, Wait),
}

/// What an entry is read for.
#[derive(Clone, Copy)]
enum Purpose {
    Serve(Status),
    /// To stand for an answer that cannot be had, or that has not changed.
    Keep,
}

impl Compiled {
    /// The access phase.
    pub(super) fn enter<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let method = context.request.method.clone();
        if method.as_str() == "PURGE" {
            return self.purge(context);
        }
        let known = |wanted: config::Method| self.methods.contains(&wanted);
        let answered = match method {
            Method::GET => known(config::Method::Get),
            Method::HEAD => known(config::Method::Head),
            Method::POST => known(config::Method::Post),
            _ => false,
        };
        if !answered {
            if self.rules.cache_control && !method.is_safe() {
                let key = self.keys.make(context, &Method::GET).0;
                *context.local_mut() = State::Changes(key);
            } else if let Some(status) = self.passed_over(&method) {
                *context.local_mut() = State::Told(status);
            }
            return Step::Continue;
        }
        let control = match self.rules.cache_control {
            true => Control::of(&context.request.headers),
            false => Control::default(),
        };
        let bypassed = control.no_store
            || control.no_cache
            || self.bypass.as_ref().is_some_and(|values| values.hold(context))
            || OVERRIDES.iter().any(|name| context.request.headers.contains_key(*name))
            // A body that the key does not know of.
            || (method != Method::POST && !context.request.body.is_empty());
        if bypassed {
            *context.local_mut() = State::Told(Status::Bypass);
            return Step::Continue;
        }
        let (key, personal) = self.keys.make(context, &method);
        let request = Request {
            key,
            asked: Asked {
                authorized: context.request.headers.contains_key(AUTHORIZATION),
                personal,
            },
            control,
            told: Status::Miss,
        };
        match self.look(context, request, true) {
            Next::Forward => Step::Continue,
            Next::Answer(response) => Step::respond(response),
            next => Step::Wait(Box::pin(self.finish(context, next))),
        }
    }

    /// What is told of a request with a method that is not answered from the cache, as in APISIX: its
    /// disk cache is nginx, which knows of GET and HEAD only.
    pub(super) fn passed_over(&self, method: &Method) -> Option<Status> {
        (!self.on_disk || method == Method::HEAD).then_some(Status::Miss)
    }

    /// Removes what is kept for a request; the method must be one that the route takes.
    fn purge(&self, context: &Context) -> Step<'static> {
        let mut found = false;
        for method in [Method::GET, Method::POST] {
            found |= self.zone.purge(&self.keys.make(context, &method).0);
        }
        let status = if found {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        Step::respond(Response::text(status, Bytes::new()))
    }

    async fn finish(&self, context: &mut Context, mut next: Next) -> Step<'static> {
        loop {
            next = match next {
                Next::Forward => return Step::Continue,
                Next::Answer(response) => return Step::respond(response),
                Next::Wait(request, wait) => {
                    wait.over(LOCK).await;
                    self.look(context, request, false)
                }
                Next::Read(request, entry, purpose, may_wait) => {
                    let (Some(store), Body::Disk(file)) = (&self.zone.store, &entry.body) else {
                        return Step::Continue;
                    };
                    match (store.read(Arc::clone(file)).await, purpose) {
                        (Ok(body), Purpose::Serve(status)) => {
                            Next::Answer(self.serve(context, &entry, body, status))
                        }
                        (Ok(body), Purpose::Keep) => {
                            self.forward(context, request, Some((entry, body)), may_wait)
                        }
                        (Err(error), _) => {
                            tracing::warn!(%error, "cached answer is lost");
                            self.zone.discard(&request.key, &entry);
                            self.look(context, request, false)
                        }
                    }
                }
            };
        }
    }

    /// Looks for an entry. A request that `may_wait` waits for another one that fetches the same.
    fn look(&self, context: &mut Context, mut request: Request, may_wait: bool) -> Next {
        let now = context.host.monotonic();
        let Some(entry) = self.zone.find(&request.key, &context.request.headers) else {
            request.told = Status::Miss;
            if request.control.only_if_cached {
                return unavailable(context, request.told);
            }
            return self.forward(context, request, None, may_wait);
        };
        // One that is fresh and yet not taken is too old for this client only.
        request.told = match entry.freshness(now) {
            Freshness::Fresh => Status::Stale,
            _ => Status::Expired,
        };
        if let Some(status) = self.usable(&request, &entry, now) {
            return self.read(context, request, entry, Purpose::Serve(status), may_wait);
        }
        if request.control.only_if_cached {
            return unavailable(context, request.told);
        }
        let kept = entry.serves_errors(now) || Fetch::can_ask(&entry);
        if kept {
            return self.read(context, request, entry, Purpose::Keep, may_wait);
        }
        self.forward(context, request, None, may_wait)
    }

    /// What the client is told of an entry that is served, if it is.
    fn usable(&self, request: &Request, entry: &Entry, now: Duration) -> Option<Status> {
        let control = &request.control;
        let (age, fresh) = (entry.age(now), entry.life.fresh);
        if control.max_age.is_some_and(|most| age > most) {
            return None;
        }
        if let Some(least) = control.min_fresh
            && age.saturating_add(least) > fresh
        {
            return None;
        }
        let stale = if self.on_disk {
            Status::Updating
        } else {
            Status::Stale
        };
        match entry.freshness(now) {
            Freshness::Fresh => Some(Status::Hit),
            Freshness::Revalidating if self.zone.flights.is_open(&request.key) => Some(stale),
            _ => {
                let allowed = control.max_stale.filter(|_| entry.life.stale_allowed)?;
                (age.saturating_sub(fresh) <= allowed).then_some(Status::Stale)
            }
        }
    }

    /// Serves or keeps an entry, when its body is at hand.
    fn read(
        &self,
        context: &mut Context,
        request: Request,
        entry: Arc<Entry>,
        purpose: Purpose,
        may_wait: bool,
    ) -> Next {
        let body = match &entry.body {
            Body::Memory(body) => body.clone(),
            // Nobody sees the body.
            Body::Disk(_) if context.request.method == Method::HEAD => Bytes::new(),
            Body::Disk(_) => return Next::Read(request, entry, purpose, may_wait),
        };
        match purpose {
            Purpose::Serve(status) => Next::Answer(self.serve(context, &entry, body, status)),
            Purpose::Keep => self.forward(context, request, Some((entry, body)), may_wait),
        }
    }

    /// Asks a node, or waits for somebody who does.
    fn forward(
        &self,
        context: &mut Context,
        request: Request,
        kept: Option<(Arc<Entry>, Bytes)>,
        may_wait: bool,
    ) -> Next {
        let now = context.host.monotonic();
        let head = context.request.method == Method::HEAD;
        let conditional = is_conditional(&context.request.headers);
        let mut flight: Option<Flight> = None;
        if !head && !conditional {
            match self.zone.flights.begin(&request.key, now) {
                Turn::Leads(first) => flight = Some(first),
                Turn::Waits(wait) if may_wait => return Next::Wait(request, wait),
                Turn::Waits(_) | Turn::Alone => {}
            }
        }
        let fetch = Fetch::begin(context, request, kept, flight, head || conditional);
        *context.local_mut() = State::Asked(Box::new(fetch));
        Next::Forward
    }
}

fn unavailable(context: &mut Context, told: Status) -> Next {
    *context.local_mut() = State::Told(told);
    Next::Answer(Response::text(StatusCode::GATEWAY_TIMEOUT, Bytes::new()))
}

/// Whether the node may answer with something else than the whole.
fn is_conditional(headers: &HeaderMap) -> bool {
    let names = [
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_MATCH,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
        RANGE,
    ];
    names.iter().any(|name| headers.contains_key(name))
}
