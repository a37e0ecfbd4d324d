//! Limits towards clients: what one message, one connection, one address and all of them together
//! may take. `docs/limits.md` holds this table for operators.

use std::time::Duration;

use weir_plugin_api::BodyLimits;

/// A bound of the process that can be derived from what the machine gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cap {
    /// Derived at the start; each field says from what.
    #[default]
    Derived,
    /// No bound.
    Off,
    /// So many, at least 1.
    At(u64),
}

impl Cap {
    /// The bound, where `derived` is what the machine suggests.
    #[must_use]
    pub fn resolve(self, derived: Option<u64>) -> Option<u64> {
        match self {
            Self::Derived => derived,
            Self::Off => None,
            Self::At(bound) => Some(bound),
        }
    }
}

/// Limits towards clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head; at least 8192. Above: 431.
    pub header_bytes: usize,
    /// Fields of a request head. Above: 431.
    pub header_count: usize,
    /// Bytes of one field, name and value. Above: 431.
    pub header_field: usize,
    /// Bytes of a request target. Above: 414.
    pub uri_length: usize,
    /// Bytes of all trailers of a request. Above: 431, or the end of the connection.
    pub trailer_bytes: usize,
    /// Trailers of a request. Above: as for their bytes.
    pub trailer_count: usize,
    /// Bytes of the extensions of one chunk (RFC 9112 section 7.1.1). Above: 400.
    pub chunk_extension: usize,
    /// From the accept, or the first byte after idleness, to the end of a request head. In total,
    /// whatever comes in between.
    pub header: Duration,
    /// From the accept, or the end of the PROXY header, to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// While the client does not take what is written.
    pub send: Duration,
    /// Between two pieces of a request body. Above: 408.
    pub body: Duration,
    /// Bytes per second that a request body must bring, on average since its beginning; 0 is no
    /// bound. Time while nobody reads the body does not count. Below: 408.
    pub body_rate: u64,
    /// From the beginning of a body to the first look at `body_rate`.
    pub body_rate_grace: Duration,
    /// Requests open at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes of a request body. Above: 413. `None` is no limit.
    pub body_bytes: Option<u64>,
    /// How much of a request body variables look at.
    pub bodies: BodyLimits,
    /// Bytes of request bodies that are held for variables, over all requests. Above: 503.
    pub body_memory: usize,
    /// Client connections of the process. Derived: four in five of the file descriptors that the
    /// process may have. Above: 503 in cleartext, else closed.
    pub connections: Cap,
    /// Client connections of one address (IPv6: of one /64). Derived: a quarter of `connections`.
    /// Above: as for `connections`. Not counted for addresses whose word about the client is
    /// taken.
    pub connections_per_address: Cap,
    /// Requests in flight in the process. Derived: as many as `connections`. Above: they wait, or
    /// 503 with `Retry-After`.
    pub requests: Cap,
    /// Requests that wait, in the process, to be let in, for a moment. Above: 503 at once.
    pub pending: usize,
    /// Bytes that the process may take. Derived: four fifths of the smaller of the control group's
    /// limit and the machine's memory. Near it, memory is given back, then requests are refused.
    pub memory: Cap,
    /// Whether fewer requests are let in when the worker cannot keep up.
    pub adaptive: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            header_bytes: 64 * 1024,
            header_count: 100,
            header_field: 8 * 1024,
            uri_length: 8 * 1024,
            trailer_bytes: 8 * 1024,
            trailer_count: 32,
            chunk_extension: 256,
            header: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            idle: minute,
            send: minute,
            body: minute,
            body_rate: 240,
            body_rate_grace: Duration::from_secs(5),
            http2_streams: 128,
            body_bytes: None,
            bodies: BodyLimits::default(),
            body_memory: 256 << 20,
            connections: Cap::Derived,
            connections_per_address: Cap::Derived,
            requests: Cap::Derived,
            pending: 256,
            memory: Cap::Derived,
            adaptive: true,
        }
    }
}
