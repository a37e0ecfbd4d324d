//! The stream of a watch: one JSON document a line. Pure.

use bytes::{Buf as _, BytesMut};
use serde::Deserialize;
use serde_json::Value;

use super::objects::Object;
use crate::error::excerpt;
use crate::http::BODY_LIMIT;

/// One thing that a watch tells.
#[derive(Debug)]
pub(super) enum Event {
    /// An object as it is now.
    Put(Object),
    /// An object that is gone, as it was last.
    Gone(Object),
    /// Nothing before this version will be told any more.
    Bookmark(String),
    /// The version that the watch began at is forgotten.
    Expired,
    /// The server cannot go on.
    Failed(String),
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Value,
}

/// What the API says instead of an answer.
#[derive(Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

const GONE: u16 = 410;

impl Event {
    /// Reads one line; the error says what is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| format!("{error}: {}", excerpt(line));
        let Line { r#type, object } = serde_json::from_slice(line).map_err(wrong)?;
        let read = |object: Value| Object::parse(object).map_err(wrong);
        Ok(match r#type.as_str() {
            "ADDED" | "MODIFIED" => Self::Put(read(object)?),
            "DELETED" => Self::Gone(read(object)?),
            "BOOKMARK" => Self::Bookmark(read(object)?.metadata.resource_version),
            "ERROR" => {
                let status: Status = serde_json::from_value(object).map_err(wrong)?;
                if status.code == GONE {
                    Self::Expired
                } else {
                    Self::Failed(format!("code {}: {}", status.code, status.message))
                }
            }
            other => return Err(format!("unknown type {other:?}")),
        })
    }
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    read: BytesMut,
    /// How much of it is known to hold no end of a line.
    searched: usize,
}

/// A line is larger than is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.read.len() + bytes.len() > BODY_LIMIT {
            return Err(TooLong);
        }
        self.read.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line that is not empty.
    pub(super) fn next(&mut self) -> Option<BytesMut> {
        loop {
            let rest = self.read.get(self.searched..).unwrap_or_default();
            let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.read.len();
                return None;
            };
            let line = self.read.split_to(self.searched + at);
            self.read.advance(1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_broken(&self) -> bool {
        !self.read.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        lines.push(b"{\"a\":").unwrap();
        assert!(lines.next().is_none() && lines.is_broken());
        lines.push(b"1}\n\r\n\n{\"b\"").unwrap();
        assert_eq!(lines.next().unwrap().as_ref(), b"{\"a\":1}");
        assert!(lines.next().is_none() && lines.is_broken());
        lines.push(b":2}\n").unwrap();
        assert_eq!(lines.next().unwrap().as_ref(), b"{\"b\":2}");
        assert!(lines.next().is_none() && !lines.is_broken());
        assert_eq!(lines.push(&vec![b' '; BODY_LIMIT + 1]), Err(TooLong));
    }

    #[test]
    fn events_are_told_apart() {
        let event = |text: &str| Event::parse(text.as_bytes());
        let object = r#"{"metadata":{"name":"a","resourceVersion":"9"}}"#;
        for kind in ["ADDED", "MODIFIED"] {
            let line = format!(r#"{{"type":"{kind}","object":{object}}}"#);
            assert!(matches!(event(&line), Ok(Event::Put(o)) if o.metadata.name == "a"));
        }
        let line = format!(r#"{{"type":"DELETED","object":{object}}}"#);
        assert!(matches!(event(&line), Ok(Event::Gone(_))));
        let line = format!(r#"{{"type":"BOOKMARK","object":{object}}}"#);
        assert!(matches!(event(&line), Ok(Event::Bookmark(version)) if version == "9"));
        let gone = r#"{"type":"ERROR","object":{"code":410,"reason":"Expired"}}"#;
        assert!(matches!(event(gone), Ok(Event::Expired)));
        let broken = r#"{"type":"ERROR","object":{"code":500,"message":"etcd"}}"#;
        assert!(matches!(event(broken), Ok(Event::Failed(why)) if why == "code 500: etcd"));
        for bad in [
            "",
            "garbage",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"X","object":1}"#,
        ] {
            assert!(event(bad).is_err(), "{bad}");
        }
    }
}
