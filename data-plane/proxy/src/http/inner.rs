//! Requests inside others: answered as if the client had sent them over the same connection, without
//! a connection.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use weir_plugin_api::{Context, Gateway, NoInnerAnswer};

use super::connection::Client;
use super::forward::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO, REAL_IP};
use super::hop;
use super::pipeline;
use super::request::ClientBody;

/// What tells who the client is: the word of the outer request counts, never that of an inner one.
const OBSERVED: [HeaderName; 6] = [
    header::FORWARDED,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
    FORWARDED_PORT,
    REAL_IP,
];

impl Gateway for Client {
    fn ask(
        self: Rc<Self>,
        outer: &Context,
        request: Request<Bytes>,
        max_answer: usize,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NoInnerAnswer>> {
        let (mut parts, bytes) = request.into_parts();
        hop::remove_all(&mut parts.headers);
        for name in [header::CONTENT_LENGTH, header::TE, header::EXPECT] {
            parts.headers.remove(name);
        }
        let told = &self.worker.settings.real_ip.header;
        for name in OBSERVED.iter().chain([told]) {
            take_over(&mut parts.headers, &outer.request.headers, name);
        }
        let mut body = ClientBody::empty();
        if !bytes.is_empty() {
            parts
                .headers
                .insert(header::CONTENT_LENGTH, bytes.len().into());
            body.replace(bytes);
            body.set_limit(self.worker.settings.limits.body_bytes);
        }
        async move {
            let worker = Rc::clone(&self.worker);
            let answer = pipeline::serve_inner(worker, self, parts, body).await;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, max_answer).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    NoInnerAnswer::TooLarge
                } else {
                    NoInnerAnswer::BrokenOff
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        }
        .boxed_local()
    }
}

/// Makes a header what it is in another head.
fn take_over(headers: &mut HeaderMap, from: &HeaderMap, name: &HeaderName) {
    headers.remove(name);
    for value in from.get_all(name) {
        headers.append(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_header_that_is_taken_over_has_the_values_of_the_other_head() {
        let mut inner = HeaderMap::new();
        inner.append(REAL_IP, HeaderValue::from_static("forged"));
        inner.append(REAL_IP, HeaderValue::from_static("twice"));
        inner.append(FORWARDED_FOR, HeaderValue::from_static("forged"));
        let mut outer = HeaderMap::new();
        outer.append(REAL_IP, HeaderValue::from_static("192.0.2.1"));
        for name in &OBSERVED {
            take_over(&mut inner, &outer, name);
        }
        assert_eq!(inner, outer);
    }
}
