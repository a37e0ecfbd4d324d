//! Runtime, router, upstreams and HTTP of the data plane
