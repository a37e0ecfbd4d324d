//! The request's body: bounded, then JSON.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::Value;

use super::error::Error;

/// APISIX's limit.
const LARGEST: u64 = 1_572_864;
/// Up to here a body that is not wanted is still taken in (and dropped), so that the client reads
/// the answer in place of a reset connection, and may use the connection again.
const DRAINED: u64 = 16 * LARGEST;
/// Time for a body to come in.
const ARRIVAL: Duration = Duration::from_secs(60);
/// Time for what is left of a body that is not wanted.
const DRAINING: Duration = Duration::from_secs(5);

/// Reads the body; GET, DELETE and HEAD have none that matters.
pub(super) async fn read(parts: &Parts, body: &mut Body) -> Result<Bytes, Error> {
    tokio::time::timeout(ARRIVAL, collect(parts, body))
        .await
        .unwrap_or_else(|_| {
            let seconds = ARRIVAL.as_secs();
            Err(Error::Invalid(format!(
                "invalid request body: it did not arrive whole within {seconds} s"
            )))
        })
}

async fn collect(parts: &Parts, body: &mut Body) -> Result<Bytes, Error> {
    if !matches!(parts.method, Method::PUT | Method::POST | Method::PATCH) {
        return Ok(Bytes::new());
    }
    let declared = declared_length(&parts.headers);
    let mut size = 0_u64;
    let mut kept = BytesMut::new();
    while size <= DRAINED && declared.is_none_or(|declared| declared <= DRAINED) {
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame =
            frame.map_err(|error| Error::Invalid(format!("invalid request body: {error}")))?;
        if let Ok(data) = frame.into_data() {
            size = size.saturating_add(data.len() as u64);
            if size <= LARGEST {
                kept.extend_from_slice(&data);
            }
        }
    }
    let size = declared.unwrap_or(0).max(size);
    if size > LARGEST {
        return Err(Error::Invalid(format!(
            "invalid request body: request size {size} is greater than the maximum size {LARGEST} allowed"
        )));
    }
    Ok(kept.freeze())
}

/// Takes in what nobody read, if that is not too much or too slow; else the connection is closed
/// after the answer.
pub(super) async fn drain(body: &mut Body) {
    if body.size_hint().lower() > DRAINED {
        return;
    }
    // What has not come by now is left to the server, which closes the connection.
    let _ = tokio::time::timeout(DRAINING, take_in(body)).await;
}

async fn take_in(body: &mut Body) {
    let mut size = 0_u64;
    while size <= DRAINED
        && let Some(Ok(frame)) = body.frame().await
    {
        size = size.saturating_add(frame.data_ref().map_or(1, |data| data.len() as u64));
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The JSON in a body; `None` when it is empty.
pub(super) fn parse(body: Bytes) -> Result<Option<Value>, Error> {
    if body.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Error::Body {
            message: error.to_string(),
            sent: String::from_utf8_lossy(&body).into_owned(),
        }),
    }
}
