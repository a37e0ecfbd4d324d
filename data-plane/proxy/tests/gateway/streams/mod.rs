//! Streams: TCP, TLS and UDP through the gateway.

mod bed;
mod choosing;
mod lasting;
mod limits;
mod mqtt;
mod relayed;
mod tcp;
mod tls;
mod udp;
