//! What plugins share that ask an HTTP service about requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, Uri};
use serde::{Deserialize, Serialize};
use weir_plugin_api::Host;
use weir_plugin_api::outside::HttpCall;

use crate::header_edit::header_name;

/// Milliseconds between two complaints about one service.
const COMPLAINT_EVERY: u64 = 1000;

/// Fields that belong to one connection or frame one message. What frames a client's request must
/// never frame a call about it, nor the answer to the call the request to the node.
pub(crate) const OF_ONE_CONNECTION: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a field belongs to one connection.
pub(crate) fn is_of_connection(name: &HeaderName) -> bool {
    OF_ONE_CONNECTION.contains(name)
}

/// An absolute URL from a configuration.
///
/// # Errors
/// It is none.
pub(crate) fn url(field: &str, text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|place| !place.host().is_empty())
    });
    uri.ok_or_else(|| {
        format!("{field}: expected a URL such as http://127.0.0.1:8080, got {text:?}")
    })
}

/// Names of fields from a configuration.
///
/// # Errors
/// One is no name, or that of a field that only the gateway sets.
pub(crate) fn header_names(field: &str, names: &[String]) -> Result<Vec<HeaderName>, String> {
    let read = |(position, name): (usize, &String)| {
        let place = format!("{field}[{position}]");
        let name = header_name(&place, name)?;
        if is_of_connection(&name) || name == HOST {
            return Err(format!("{place}: {name} is set by the gateway itself"));
        }
        Ok(name)
    };
    names.iter().enumerate().map(read).collect()
}

/// How a service is asked: a part of the configurations of those that ask one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceOptions {
    /// Milliseconds that a call may take, from the connection to the end of the answer.
    #[serde(default = "timeout")]
    pub timeout: u64,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Whether connections are kept.
    #[serde(default = "yes")]
    pub keepalive: bool,
    /// Milliseconds for which an idle connection is kept.
    #[serde(default = "keepalive_timeout")]
    pub keepalive_timeout: u64,
    /// Idle connections that are kept.
    #[serde(default = "keepalive_pool")]
    pub keepalive_pool: usize,
}

impl ServiceOptions {
    /// Lets a call be made in this way.
    pub(crate) fn apply(&self, call: &mut HttpCall) {
        call.timeout = Duration::from_millis(self.timeout);
        call.verify = self.ssl_verify;
        call.keepalive = self.keepalive;
        call.idle = Duration::from_millis(self.keepalive_timeout);
        call.max_idle = self.keepalive_pool;
    }
}

const fn timeout() -> u64 {
    3000
}

const fn yes() -> bool {
    true
}

const fn keepalive_timeout() -> u64 {
    60_000
}

const fn keepalive_pool() -> usize {
    5
}

/// Tells of a failing service, once in a while.
#[derive(Default)]
pub(crate) struct Complaint {
    /// When it was told last, in milliseconds of the host's clock; 0 is never.
    told: AtomicU64,
}

impl Complaint {
    /// Whether it is time to tell again.
    pub(crate) fn is_due(&self, host: &dyn Host) -> bool {
        let now = host.unix_ms();
        let told = self.told.load(Ordering::Relaxed);
        now >= told.saturating_add(COMPLAINT_EVERY)
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_names_are_read() {
        assert!(url("uri", "http://127.0.0.1:1/a?b=c").is_ok());
        assert!(url("uri", "https://a.test").is_ok());
        for wrong in ["", "/a", "a.test", "ftp://a.test", "http://"] {
            assert!(url("uri", wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            header_names("names", &["x-a".into(), "Content-Length".into()]),
            Err("names[1]: content-length is set by the gateway itself".into())
        );
        assert!(header_names("names", &["a b".into()]).is_err());
    }
}
