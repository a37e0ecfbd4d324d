//! Which clients cost more than they use: budgets for everything in HTTP/2 that makes work for us
//! without being a request or a part of one.
//!
//! The guard sees the bytes of both directions before and after the h2 crate does, and time as an
//! argument. Each budget is a bucket of tokens. It begins with `burst` tokens and gains `per_second`
//! up to that; useful work earns more, up to `saved`. What is sent takes a token. A client that has
//! none left is told GOAWAY `ENHANCE_YOUR_CALM` and disconnected.
//!
//! The numbers follow from what well-behaved clients were seen to do, with room above it:
//!
//! | budget | takes a token | earns | why that much |
//! |---|---|---|---|
//! | `resets` | RST_STREAM (CVE-2023-44487) | 1 for each answer that we complete | a proxy in front of many users cancels as often as they do, but rarely more than it lets finish; 200 at once is a page that is left |
//! | `faults` | a stream that we reset because the client broke a rule (CVE-2025-8671), or opened too many | 1 for 10 answers | a correct client causes none; 100 is the streams that some clients open before they have read how many they may, and 10 s of a faulty one |
//! | `continuations` | CONTINUATION (CVE-2024-27316) | 4 for each answer | a head of 32 KiB takes two; one block has at most 64 and four times the bytes of a head |
//! | `settings` | SETTINGS, also ACK, 1 and 1 for every ten values; GOAWAY (CVE-2019-9515) | nothing | sent once, then when a client tunes its window |
//! | `pings` | PING (CVE-2019-9512) | 1 for each DATA frame of ours | clients that measure the bandwidth send one for what they read; keep-alives come once in seconds |
//! | `priorities` | PRIORITY (CVE-2019-9513) | 2 for each answer | older browsers send some for every page, and one for each of its requests |
//! | `window_updates` | WINDOW_UPDATE (CVE-2019-9517) | 4 for each answer, 1 for each KiB and for each DATA frame of ours | the simplest clients send two for each frame that they read; a careful one for every 4 KiB |
//! | `empty_data` | DATA without data that does not end a stream (CVE-2019-9518) | 1 for 4 frames with data | nobody needs them; some libraries flush with them |
//! | `unknown` | a frame of an extension, 1 and 1 for each KiB | 4 for each answer | browsers send `PRIORITY_UPDATE` with each request, and frames that mean nothing so that servers keep ignoring them |
//! | `tiny_windows` | a window of the client's that lets less than 256 bytes out while more is there (CVE-2019-9511) | 1 for each 16 KiB | it happens where a window ends, once for each window |
//!
//! What the h2 crate closes by itself for the same cause is counted as `library`.

use super::frames::{END_HEADERS, END_STREAM, Frame, Frames, kind};

/// One token, in the unit that buckets count.
const TOKEN: u64 = 1_000;
/// CONTINUATION frames of one header block.
const BLOCK_FRAMES: u32 = 64;
/// Compressed bytes of one header block, as a multiple of what a head may have. More than once, so
/// that a head that is somewhat too large can be answered.
const BLOCK_BYTES: u64 = 4;
/// Codes of RST_STREAM that do not blame the client: `NO_ERROR`, `INTERNAL_ERROR`, `CANCEL`.
const BLAMELESS: [u32; 3] = [0, 2, 8];
/// The code `ENHANCE_YOUR_CALM`.
const CALM: u32 = 11;

/// Makes the type and its names.
macro_rules! budgets {
    ($($variant:ident = $name:literal, burst $burst:literal, per_second $rate:literal, saved $saved:literal;)*) => {
        /// What a client has used up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Budget {
            $(#[doc = $name] $variant,)*
        }

        impl Budget {
            /// All, in the order of the metrics.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Name in logs and metrics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn bucket(self) -> Bucket {
                match self {
                    $(Self::$variant => Bucket {
                        level: $burst * TOKEN,
                        burst: $burst * TOKEN,
                        per_second: $rate,
                        saved: $saved * TOKEN,
                    },)*
                }
            }
        }
    };
}

budgets! {
    Resets = "resets", burst 200, per_second 20, saved 2_000;
    Faults = "faults", burst 100, per_second 5, saved 400;
    Continuations = "continuations", burst 256, per_second 10, saved 1_000;
    Settings = "settings", burst 50, per_second 2, saved 50;
    Pings = "pings", burst 100, per_second 10, saved 1_000;
    Priorities = "priorities", burst 200, per_second 10, saved 1_000;
    WindowUpdates = "window_updates", burst 1_000, per_second 50, saved 10_000;
    EmptyData = "empty_data", burst 100, per_second 5, saved 400;
    Unknown = "unknown", burst 200, per_second 10, saved 1_000;
    TinyWindows = "tiny_windows", burst 200, per_second 10, saved 1_000;
    Library = "library", burst 0, per_second 0, saved 0;
}

/// Tokens, in thousandths.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    burst: u64,
    /// Tokens in a second are thousandths in a millisecond.
    per_second: u64,
    saved: u64,
}

impl Bucket {
    fn pass_time(&mut self, milliseconds: u64) {
        if self.level < self.burst {
            let gained = self.per_second.saturating_mul(milliseconds);
            self.level = self.level.saturating_add(gained).min(self.burst);
        }
    }

    fn earn(&mut self, thousandths: u64) {
        if self.level < self.saved {
            self.level = (self.level + thousandths).min(self.saved);
        }
    }

    fn take(&mut self, tokens: u64) -> bool {
        let left = self.level.checked_sub(tokens * TOKEN);
        self.level = left.unwrap_or_default();
        left.is_some()
    }
}

/// A header block that is not complete.
#[derive(Debug, Clone, Copy)]
struct Block {
    frames: u32,
    bytes: u64,
}

/// The budgets of one connection.
#[derive(Debug)]
pub struct Guard {
    received: Frames,
    sent: Frames,
    buckets: Vec<Bucket>,
    block: Option<Block>,
    block_bytes: u64,
    /// Whether the frame that comes is DATA.
    data: bool,
    /// Bytes of all DATA frames.
    data_received: u64,
    /// Since when a frame other than DATA, or a header block, is not complete.
    waiting: Option<u64>,
    /// Time of the last bytes, in milliseconds.
    now: u64,
    over: Option<Budget>,
    /// Whether we have sent GOAWAY with an error.
    accusing: bool,
}

impl Guard {
    /// Watches a connection whose frames begin `preface` bytes on in the direction to us. A head
    /// may have `header_bytes`.
    #[must_use]
    pub fn new(preface: usize, header_bytes: usize) -> Self {
        Self {
            received: Frames::after(preface),
            sent: Frames::after(0),
            buckets: Budget::ALL.iter().map(|budget| budget.bucket()).collect(),
            block: None,
            block_bytes: (header_bytes as u64).saturating_mul(BLOCK_BYTES),
            data: false,
            data_received: 0,
            waiting: None,
            now: 0,
            over: None,
            accusing: false,
        }
    }

    /// The budget that is used up, if one is; the first one stays.
    #[must_use]
    pub fn over(&self) -> Option<Budget> {
        self.over
    }

    /// Whether we have told the client that it is at fault, and close.
    #[must_use]
    pub fn is_accusing(&self) -> bool {
        self.accusing
    }

    /// Bytes of DATA that have come, or are about to: a frame counts whole once it begins.
    #[must_use]
    pub fn data_received(&self) -> u64 {
        self.data_received
    }

    /// Since when, in milliseconds, the client owes the rest of a header block or of a frame that is
    /// not DATA.
    #[must_use]
    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting
    }

    /// Looks at bytes from the client. `now` is in milliseconds since the connection began.
    pub fn received(&mut self, mut bytes: &[u8], now: u64) {
        self.pass_time(now);
        let mut moved = false;
        while let Some((frame, rest)) = self.received.next(bytes) {
            bytes = rest;
            moved |= self.block.is_none();
            self.judge(&frame);
        }
        let open = self.block.is_some() || !(self.data || self.received.is_between());
        self.waiting = match self.waiting {
            _ if !open => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
    }

    /// Looks at bytes to the client.
    pub fn sent(&mut self, mut bytes: &[u8]) {
        while let Some((frame, rest)) = self.sent.next(bytes) {
            bytes = rest;
            self.credit(&frame);
        }
    }

    /// The client's window let only a few bytes of more out.
    pub fn tiny_window(&mut self) {
        self.take(Budget::TinyWindows, 1);
    }

    fn pass_time(&mut self, now: u64) {
        let passed = now.saturating_sub(self.now);
        if passed > 0 {
            self.now = now;
            for bucket in &mut self.buckets {
                bucket.pass_time(passed);
            }
        }
    }

    fn judge(&mut self, frame: &Frame) {
        self.data = frame.kind == kind::DATA;
        let length = u64::from(frame.length);
        if self.data {
            self.data_received = self.data_received.saturating_add(length);
        }
        match frame.kind {
            kind::DATA if frame.useful() > 0 => self.earn(Budget::EmptyData, TOKEN / 4),
            kind::DATA if frame.has(END_STREAM) => {}
            kind::DATA => self.take(Budget::EmptyData, 1),
            kind::HEADERS => self.extend_block(
                frame,
                Block {
                    frames: 0,
                    bytes: 0,
                },
            ),
            kind::CONTINUATION => {
                self.take(Budget::Continuations, 1);
                if let Some(block) = self.block {
                    self.extend_block(frame, block);
                }
            }
            kind::RST_STREAM => self.take(Budget::Resets, 1),
            kind::SETTINGS => self.take(Budget::Settings, 1 + length / 60),
            kind::GOAWAY => self.take(Budget::Settings, 1),
            kind::PING => self.take(Budget::Pings, 1),
            kind::PRIORITY => self.take(Budget::Priorities, 1),
            kind::WINDOW_UPDATE => self.take(Budget::WindowUpdates, 1),
            // An error of the connection, found by the h2 crate.
            kind::PUSH_PROMISE => {}
            _ => self.take(Budget::Unknown, 1 + length / 1024),
        }
    }

    fn extend_block(&mut self, frame: &Frame, before: Block) {
        let block = Block {
            frames: before.frames + 1,
            bytes: before.bytes + u64::from(frame.length),
        };
        if block.frames > BLOCK_FRAMES || block.bytes > self.block_bytes {
            self.exhaust(Budget::Continuations);
        }
        self.block = (!frame.has(END_HEADERS)).then_some(block);
    }

    fn credit(&mut self, frame: &Frame) {
        match frame.kind {
            kind::DATA if frame.length > 0 => {
                let length = u64::from(frame.length);
                self.earn(Budget::Pings, TOKEN);
                self.earn(Budget::WindowUpdates, TOKEN + TOKEN * length / 1024);
                self.earn(Budget::TinyWindows, TOKEN * length / (16 * 1024));
            }
            kind::RST_STREAM if !BLAMELESS.contains(&frame.code()) => self.take(Budget::Faults, 1),
            kind::GOAWAY => {
                self.accusing |= frame.goaway_code() != 0;
                if frame.goaway_code() == CALM {
                    self.exhaust(Budget::Library);
                }
            }
            _ => {}
        }
        if matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(END_STREAM) {
            self.earn(Budget::Resets, TOKEN);
            self.earn(Budget::Faults, TOKEN / 10);
            self.earn(Budget::Continuations, 4 * TOKEN);
            self.earn(Budget::Priorities, 2 * TOKEN);
            self.earn(Budget::WindowUpdates, 4 * TOKEN);
            self.earn(Budget::Unknown, 4 * TOKEN);
        }
    }

    fn earn(&mut self, budget: Budget, thousandths: u64) {
        if let Some(bucket) = self.buckets.get_mut(budget as usize) {
            bucket.earn(thousandths);
        }
    }

    fn take(&mut self, budget: Budget, tokens: u64) {
        let bucket = self.buckets.get_mut(budget as usize);
        if !bucket.is_some_and(|bucket| bucket.take(tokens)) {
            self.exhaust(budget);
        }
    }

    fn exhaust(&mut self, budget: Budget) {
        self.over.get_or_insert(budget);
    }
}

#[cfg(test)]
mod tests;
