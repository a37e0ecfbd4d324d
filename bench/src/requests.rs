//! Requests for the generated routes.

use http::{HeaderMap, Method, Version};
use weir_plugin_api::{RequestBody, RequestHead, Scheme};

use crate::routes;

/// Requests that are looked up in turns.
const REQUESTS: usize = 4096;

/// Requests for routes all over the set, each with its route.
pub(crate) fn heads(size: usize) -> Vec<RequestHead> {
    (0..REQUESTS)
        .map(|request| {
            // A fixed stride that visits all parts of the set.
            let number = request * 7919 % size;
            let path = match number % 4 {
                1 => format!("/api/v1/service-{number}/orders/17"),
                2 => format!("/files/{number}/a/b/raw"),
                _ => routes::pattern(number),
            };
            let host = routes::host(number).unwrap_or_else(|| "other.example.test".to_owned());
            RequestHead {
                method: Method::GET,
                version: Version::HTTP_11,
                scheme: Scheme::Http,
                raw_target: path.clone(),
                path,
                routed_path: None,
                query: Some("version=v2".to_owned()),
                authority: host.clone(),
                host,
                headers: HeaderMap::new(),
                peer: ([127, 0, 0, 1], 40_000).into(),
                relay: None,
                local: ([127, 0, 0, 1], 9080).into(),
                client_ip: [127, 0, 0, 1].into(),
                client_port: 40_000,
                body: RequestBody::default(),
            }
        })
        .collect()
}
