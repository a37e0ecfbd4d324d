//! Asks responders, in time before what they said ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use weir_plugin_api::outside::{HttpCall, Outside};

use super::subject::Subject;
use super::{Refused, now};
use crate::runtime::Runtime;
use crate::tls::chains::Chain;
use crate::tls::offer::Offer;
use crate::worker::published::Published;

/// Responders that are asked at once.
const AT_ONCE: usize = 8;
/// From the question to the whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds until the next question after one that failed, and least between two.
const PAUSE: u64 = 60;
/// The same as long as there is nothing to staple.
const PAUSE_WITHOUT: u64 = 10;
/// Longest time without looking, in seconds.
const LOOK: u64 = 60;
/// Largest response, in bytes.
const LARGEST: usize = 64 * 1024;

/// Keeps staples fresh for whatever is published, for as long as somebody publishes.
pub async fn keep(published: Weak<Published>) {
    let Some(mut newest) = published.upgrade().map(|published| published.subscribe()) else {
        return;
    };
    loop {
        newest.mark_unchanged();
        let runtime = published.upgrade().and_then(|one| one.runtime());
        let next = match runtime {
            Some(runtime) => look(&runtime).await,
            None => LOOK,
        };
        tokio::select! {
            changed = newest.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(Duration::from_secs(next)) => {}
        }
    }
}

/// Asks for what is due; how many seconds to wait then.
async fn look(runtime: &Runtime) -> u64 {
    let outside = runtime.outside();
    let offers: Vec<Arc<Offer>> = runtime.certificates.stapled().cloned().collect();
    let chains = offers.iter().flat_map(|offer| offer.chains());
    let subjects = chains.filter_map(|chain| Some((chain, chain.subject.as_ref()?)));
    let subjects: Vec<_> = subjects.collect();
    let begun = now();
    let due = subjects.iter().filter(|(chain, _)| chain.due() <= begun);
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |(chain, subject)| renew(chain, subject, &*outside))
        .await;
    let now = now();
    let mut next = LOOK;
    for (chain, _) in subjects {
        if chain.until().is_some_and(|until| until <= now) {
            chain.staple(None);
        }
        let ends = chain.until().unwrap_or(u64::MAX);
        next = next.min(chain.due().min(ends).saturating_sub(now).max(1));
    }
    next
}

async fn renew(chain: &Chain, subject: &Subject, outside: &dyn Outside) {
    let asked = ask(subject, outside).await;
    let now = now();
    match asked.and_then(|response| subject.read(response, now)) {
        Ok(status) => {
            // Half of what is left of its life is time enough for further tries.
            let half = status.until.saturating_sub(now) / 2;
            chain.postpone(now.saturating_add(half.min(subject.cache_ttl).max(PAUSE)));
            chain.staple(Some(status));
        }
        Err(problem) => {
            let serial = &subject.id.serial_number;
            tracing::warn!(%serial, "failed to validate ocsp response: {problem}");
            let pause = chain.until().map_or(PAUSE_WITHOUT, |_| PAUSE);
            chain.postpone(now.saturating_add(pause));
            // What was said before holds on, unless this is a word of the responder against it.
            if problem == Refused::Revoked {
                chain.staple(None);
            }
        }
    }
}

async fn ask(subject: &Subject, outside: &dyn Outside) -> Result<Vec<u8>, Refused> {
    let uri = subject.responder.clone();
    let uri = uri.ok_or("the certificate names no OCSP responder")?;
    let question = subject.question().map_err(|error| error.to_string())?;
    let mut call = HttpCall::new(Method::POST, uri);
    let kind = HeaderValue::from_static("application/ocsp-request");
    call.headers.insert(CONTENT_TYPE, kind);
    call.body = Bytes::from(question);
    call.timeout = PATIENCE;
    call.keepalive = false;
    call.max_answer = LARGEST;
    let answer = outside.http(call).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("the OCSP responder answered {}", answer.status).into());
    }
    Ok(answer.body.to_vec())
}
