//! The specification: YAML files that say what the gateway does, and what runs them.
//!
//! A file under `tests/spec` is about one topic. Each of its cases writes a configuration, sends
//! requests and says what must come back and what the back ends must have seen. `tests/README.md`
//! tells how to write one; the types in [`document`], [`exchange`], [`expected`] and [`behaviour`]
//! are the format, and refuse what they do not know.
//!
//! ```text
//!  file ─▶ document ─▶ run ─┬─ stage: control node and agent, borrowed from a pool
//!                           ├─ node: back ends in this process, which record what they saw
//!                           ├─ call: one client, h1, h2, h2c, TLS or raw bytes
//!                           └─ expected: compares, collects every difference ─▶ report
//! ```

mod answering;
pub mod behaviour;
pub mod body;
mod call;
pub mod certificates;
mod configure;
pub mod document;
pub mod exchange;
pub mod expected;
pub mod matching;
mod names;
mod node;
mod nodes;
mod perform;
mod raw;
mod report;
mod run;
mod seen;
mod sending;
mod stage;
pub mod tls;

pub use document::{Case, load};
pub use run::run;
pub use stage::close;
