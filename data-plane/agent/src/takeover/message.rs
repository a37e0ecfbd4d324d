//! What is said during a takeover. Fields are only added; unknown ones are ignored.

use serde::{Deserialize, Serialize};
use weir_model::Revision;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Message {
    /// The new process introduces itself.
    Hello(Hello),
    /// The running process gives what follows as descriptors.
    Offer(Offer),
    /// The new process has a configuration and could serve now.
    Ready,
    /// The running process writes no more to the data directory.
    Released,
    /// The new process accepts connections.
    Serving,
    /// The running process accepts none any more.
    Taken,
    /// Either side: nothing comes of it.
    Refuse {
        /// Why, for the log of the other side.
        reason: String,
    },
}

/// Who wants to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Oldest version of the protocol that it speaks.
    pub(super) oldest: u32,
    /// Newest version of the protocol that it speaks.
    pub(super) newest: u32,
    /// Its process id.
    pub(super) pid: u32,
    /// Release that it is of.
    pub(super) release: String,
    /// Name of the agent.
    pub(super) name: String,
}

/// What the running process gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// Version of the protocol that is spoken from here on.
    pub(super) version: u32,
    /// Its process id.
    pub(super) pid: u32,
    /// Release that it is of.
    pub(super) release: String,
    /// Cluster of its configuration; empty while it has none.
    pub(super) cluster_id: String,
    /// Revision that it serves; 0 while it has none.
    pub(super) revision: Revision,
    /// Sockets that follow, after the lock: those that listen, and from version 2 on those for UDP.
    pub(super) sockets: usize,
}

/// The version that both sides speak: the newest one.
///
/// # Errors
/// A text that says what is spoken.
pub(super) fn common_version(hello: &Hello, spoken: (u32, u32)) -> Result<u32, String> {
    let version = hello.newest.min(spoken.1);
    if version >= hello.oldest && version >= spoken.0 {
        return Ok(version);
    }
    Err(format!(
        "protocol of takeovers: the running process speaks versions {} to {}, release {} speaks {} to {}",
        spoken.0, spoken.1, hello.release, hello.oldest, hello.newest
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(oldest: u32, newest: u32) -> Hello {
        Hello {
            oldest,
            newest,
            pid: 1,
            release: "9.9.9".to_owned(),
            name: "a".to_owned(),
        }
    }

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        assert_eq!(common_version(&hello(1, 1), (1, 1)), Ok(1));
        assert_eq!(common_version(&hello(1, 2), (1, 1)), Ok(1));
        assert_eq!(common_version(&hello(1, 2), (2, 3)), Ok(2));
        assert!(common_version(&hello(3, 4), (1, 2)).is_err());
        let error = common_version(&hello(1, 1), (2, 3)).unwrap_err();
        assert!(error.contains("speaks versions 2 to 3, release 9.9.9 speaks 1 to 1"));
    }

    /// Frozen: a release must understand the one before and after it.
    #[test]
    fn messages_of_version_1_are_read_for_ever() {
        let read = |text: &str| serde_json::from_str::<Message>(text).unwrap();
        let hello = r#"{"type":"hello","oldest":1,"newest":2,"pid":7,"release":"0.1.0","name":"a","later":1}"#;
        let expected = Hello {
            oldest: 1,
            newest: 2,
            pid: 7,
            release: "0.1.0".to_owned(),
            name: "a".to_owned(),
        };
        assert_eq!(read(hello), Message::Hello(expected));
        let offer = r#"{"type":"offer","version":1,"pid":7,"release":"0.1.0","cluster_id":"c","revision":5,"sockets":3}"#;
        let expected = Offer {
            version: 1,
            pid: 7,
            release: "0.1.0".to_owned(),
            cluster_id: "c".to_owned(),
            revision: 5,
            sockets: 3,
        };
        assert_eq!(read(offer), Message::Offer(expected));
        for (text, message) in [
            (r#"{"type":"ready"}"#, Message::Ready),
            (r#"{"type":"released"}"#, Message::Released),
            (r#"{"type":"serving"}"#, Message::Serving),
            (r#"{"type":"taken"}"#, Message::Taken),
        ] {
            assert_eq!(read(text), message);
            assert_eq!(serde_json::to_string(&message).unwrap(), text);
        }
        let reason = "no".to_owned();
        let refuse = r#"{"type":"refuse","reason":"no"}"#;
        assert_eq!(read(refuse), Message::Refuse { reason });
    }
}
