//! YAML input: what of the language is taken, and how much.

use std::sync::Arc;

use serde::de::Error as _;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Options, from_multiple_with_options};

use super::node::Node;
use super::{Fault, Source};

/// Stack of the parsing thread: 64 levels of an unoptimised build fit many times.
const STACK: usize = 32 << 20;

/// All documents of a text that are not empty. Words like `yes` and `on` stay strings, and so do
/// numbers with leading zeros or underscores; a name that stands twice in a mapping is refused, and
/// so is input that unfolds to far more than was written.
pub(super) fn roots(file: &Arc<str>, text: &str) -> Result<Vec<Node>, Fault> {
    read(text).map_err(|error| Fault {
        source: Some(Source {
            file: Arc::clone(file),
            line: error
                .location()
                .and_then(|at| u32::try_from(at.line()).ok())
                .filter(|line| *line != 0),
        }),
        key: None,
        path: String::new(),
        message: format!(
            "not YAML: {}",
            one_line(&error.without_snippet().to_string())
        ),
    })
}

/// Parses on a thread of its own: the deserializer needs more stack for each level of nesting than
/// the caller may have left.
fn read(text: &str) -> Result<Vec<Node>, Error> {
    std::thread::scope(|scope| {
        let parsing = std::thread::Builder::new()
            .name("yaml".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || from_multiple_with_options(text, options()));
        match parsing {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(Error::custom("the parser gave up"))),
            Err(cause) => Err(Error::IOError { cause }),
        }
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            flow_nesting_limit: 64,
            max_documents: 200_000,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_recorded_anchor_events: 200_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
