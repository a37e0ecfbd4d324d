//! Consul: blocking queries on the health of one service, and on a folder of the key-value store.
//!
//! Both go by the rules that Consul documents for blocking queries: an index that goes backwards
//! starts over, an index of 0 is not blocked on, and answers that come too quickly are paced.

mod access;
mod catalog;
mod client;
mod kv;
mod parse;
mod query;

pub(crate) use catalog::Consul;
pub(crate) use kv::ConsulKv;
