//! Hostile messages: a corpus of requests as data, a back end that records what a second strict
//! reader makes of the bytes that reach it, and the judgement.
//!
//! ```text
//!  corpus (YAML) ─▶ wire: one connection per case ─▶ the built agent ─▶ recorder (weir-reader)
//!                      │                                                    │
//!                      └────────────▶ judge: safe, clean, strict ◀──────────┘
//! ```
//!
//! *Safe*: the node saw the requests that the canonical reading has, and no other. *Clean*: besides,
//! the connection was closed after a refusal, the log says why, nothing was left hanging, and the
//! next client was served. *Strict*: besides, it ended in the very way that the rules prefer.

pub mod corpus;
pub mod judge;
pub mod paths;
pub mod recorder;
pub mod responses;
pub mod table;
pub mod text;
pub mod wire;
