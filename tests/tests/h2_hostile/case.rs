//! One case: what is sent, and what must come of it.

use std::time::{Duration, Instant};

use super::client::{PATIENCE, Raw, Target};
use super::frames::{ACK, Frame, GOAWAY, HEADERS, PING, RST_STREAM, WHOLE, frame, ping};
use super::hpack::block;
use super::recorder::{Record, Recorder};

/// What must come of a case.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// The connection ends with an error.
    Connection,
    /// The stream is reset, or the connection ends with an error (RFC 9113 section 5.4.2).
    Stream,
    /// The connection ends with `ENHANCE_YOUR_CALM`.
    Calm,
    /// The request is answered with one of these statuses, and goes nowhere.
    Refused(&'static [u16]),
    /// Either of the two above: what is malformed may be told apart or not (section 8.1.1).
    Malformed,
    /// The node gets a request with this line, with these fields and none that begin with those.
    Forwarded(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    ),
    /// Nothing; the connection serves the next request.
    Ignored,
    /// The connection ends without an error, or goes on.
    Left,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// After the introduction, unless it is `raw`.
    pub(crate) bytes: Vec<u8>,
    /// The stream that it is about.
    pub(crate) stream: u32,
    /// Whether `bytes` are all that is sent.
    pub(crate) raw: bool,
    /// Either of these.
    pub(crate) expect: Vec<Expect>,
    /// Whether a request may have reached the node before the fault.
    pub(crate) late: bool,
}

pub(crate) fn case(name: &'static str, bytes: Vec<u8>, expect: Expect) -> Case {
    Case {
        name,
        bytes,
        stream: 1,
        raw: false,
        expect: vec![expect],
        late: false,
    }
}

impl Case {
    pub(crate) fn on(self, stream: u32) -> Self {
        Self { stream, ..self }
    }

    pub(crate) fn raw(self) -> Self {
        Self { raw: true, ..self }
    }

    pub(crate) fn or(mut self, expect: Expect) -> Self {
        self.expect.push(expect);
        self
    }

    pub(crate) fn tolerate(self) -> Self {
        Self { late: true, ..self }
    }
}

/// What came of a case.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    GoneAway(u32),
    Closed,
    Reset(u32),
    Status(u16),
    /// Nothing, and the next request was answered.
    Served,
    /// Nothing, not even that.
    Silent,
}

/// A request that everybody understands.
pub(crate) fn good(stream: u32) -> Vec<u8> {
    let fields: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/ok"),
        (b":authority", b"t.test"),
    ];
    frame(HEADERS, WHOLE, stream, block(&fields))
}

/// Runs a case; the text says what is wrong.
pub(crate) async fn run(case: &Case, target: &Target, node: &Recorder) -> Result<(), String> {
    let mut raw = if case.raw {
        Raw::connect(target).await
    } else {
        Raw::introduced(target).await
    };
    // A server that closes early may not take all of it.
    let _ = raw.bytes.send(&case.bytes).await;
    let seen = observe(&mut raw, case).await;
    let mut forwarded = node.take("/hostile")?;
    if case.late {
        // What was sent before the fault may still be on its way to the node.
        let deadline = Instant::now() + PATIENCE;
        while forwarded.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
            forwarded = node.take("/hostile")?;
        }
    }
    let met = case
        .expect
        .iter()
        .any(|expect| is_met(expect, &seen, &forwarded));
    if !met {
        return Err(format!(
            "expected {:?}, saw {seen:?}, and the node got {forwarded:?}",
            case.expect
        ));
    }
    if matches!(seen, Seen::Status(200)) || case.late || forwarded.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "refused ({seen:?}), but the node got {forwarded:?}"
        ))
    }
}

fn is_met(expect: &Expect, seen: &Seen, forwarded: &[Record]) -> bool {
    match (expect, seen) {
        (Expect::Forwarded(line, with, without), Seen::Status(200)) => {
            let [record] = forwarded else {
                return false;
            };
            let fields = &record.fields;
            record.line == format!("{line} HTTP/1.1")
                && with
                    .iter()
                    .all(|field| fields.iter().any(|known| known == field))
                && !without
                    .iter()
                    .any(|name| fields.iter().any(|known| known.starts_with(name)))
        }
        (Expect::Ignored, Seen::Served)
        | (Expect::Left, Seen::Served | Seen::GoneAway(0) | Seen::Closed)
        | (Expect::Calm, Seen::GoneAway(11))
        | (
            Expect::Connection | Expect::Stream | Expect::Malformed,
            Seen::GoneAway(1..) | Seen::Closed,
        )
        | (Expect::Stream | Expect::Malformed, Seen::Reset(1..))
        | (Expect::Malformed, Seen::Status(400)) => true,
        (Expect::Refused(statuses), Seen::Status(status)) => statuses.contains(status),
        _ => false,
    }
}

async fn observe(raw: &mut Raw, case: &Case) -> Seen {
    if matches!(case.expect[0], Expect::Ignored | Expect::Left) {
        // If the case does nothing, this is answered, after what the case does.
        let _ = raw.bytes.send(&ping()).await;
        let acknowledged = |frame: &Frame| {
            frame.kind == PING && frame.flags & ACK != 0 && frame.payload == b"barrier!"
        };
        if let Some(seen) = until(raw, case.stream, acknowledged).await {
            return seen;
        }
        let _ = raw.bytes.send(&good(1001)).await;
        let answered = |frame: &Frame| frame.kind == HEADERS && frame.stream == 1001;
        return until(raw, case.stream, answered)
            .await
            .unwrap_or(Seen::Served);
    }
    until(raw, case.stream, |_| false)
        .await
        .unwrap_or(Seen::Served)
}

/// Reads up to something that matters, or to what `ends` tells, which is `None`.
async fn until(raw: &mut Raw, stream: u32, ends: impl Fn(&Frame) -> bool) -> Option<Seen> {
    loop {
        let frame = match tokio::time::timeout(PATIENCE, raw.frames.next()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Some(Seen::Closed),
            Err(_) => return Some(Seen::Silent),
        };
        match frame.kind {
            GOAWAY => return Some(Seen::GoneAway(frame.code())),
            RST_STREAM if frame.stream == stream => return Some(Seen::Reset(frame.code())),
            HEADERS if frame.stream == stream => return Some(Seen::Status(frame.status())),
            _ if ends(&frame) => return None,
            _ => {}
        }
    }
}
