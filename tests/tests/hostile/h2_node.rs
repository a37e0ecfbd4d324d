//! A node that speaks HTTP/2 against the rules, frame by frame.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_tests::hostile::wire::{Outcome, Stop, Way};

use super::setup::Bench;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals without names from a table (RFC 7541 section 6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn head(stream: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    let all: Vec<_> = [(":status", "200")].iter().chain(more).copied().collect();
    frame(HEADERS, END_HEADERS | flags, stream, &fields(&all))
}

/// What the client may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// 502, or an answer that is broken off.
    No,
    /// The answer `ab` with 200, and nothing of the rest.
    Ab,
    /// Either.
    Any,
}

type Frames = fn(u32) -> Vec<u8>;

/// What the node says on the stream of the request.
const CASES: &[(&str, Want, Frames)] = &[
    ("good", Want::Ab, |s| {
        [head(s, 0, &[]), frame(DATA, END_STREAM, s, b"ab")].concat()
    }),
    ("no status", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[("x-a", "1")]))
    }),
    ("status twice", Want::No, |s| {
        head(s, END_STREAM, &[(":status", "200")])
    }),
    ("status of letters", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "abc")]))
    }),
    ("status of four digits", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "2000")]))
    }),
    ("status zero", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "000")]))
    }),
    ("empty status", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "")]))
    }),
    ("switching", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "101")]))
    }),
    ("interim that ends the stream", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[(":status", "103")]))
    }),
    ("interim answers without end", Want::No, |s| {
        frame(
            HEADERS,
            4,
            s,
            &fields(&[(":status", "103"), ("link", "</a>")]),
        )
        .repeat(500)
    }),
    // The h2 crate leaves out pseudo headers that belong elsewhere.
    ("pseudo header of requests", Want::Any, |s| {
        head(s, END_STREAM, &[(":path", "/")])
    }),
    ("unknown pseudo header", Want::No, |s| {
        head(s, END_STREAM, &[(":x", "1")])
    }),
    ("pseudo header behind fields", Want::No, |s| {
        frame(HEADERS, 5, s, &fields(&[("x-a", "1"), (":status", "200")]))
    }),
    ("upper case name", Want::No, |s| {
        head(s, END_STREAM, &[("X-Upper", "1")])
    }),
    ("empty name", Want::No, |s| {
        head(s, END_STREAM, &[("", "1")])
    }),
    ("blank in a name", Want::No, |s| {
        head(s, END_STREAM, &[("x a", "1")])
    }),
    ("colon in a name", Want::No, |s| {
        head(s, END_STREAM, &[("x-a: 1", "1")])
    }),
    ("line end in a name", Want::No, |s| {
        head(s, END_STREAM, &[("x-a\r\nx-injected", "1")])
    }),
    ("line end in a value", Want::No, |s| {
        head(s, END_STREAM, &[("x-a", "1\r\nx-injected: 1")])
    }),
    ("line feed in a value", Want::No, |s| {
        head(s, END_STREAM, &[("x-a", "1\nx-injected: 1")])
    }),
    ("answer in a value", Want::No, |s| {
        head(
            s,
            END_STREAM,
            &[("x-a", "1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")],
        )
    }),
    ("NUL in a value", Want::No, |s| {
        head(s, END_STREAM, &[("x-a", "a\0b")])
    }),
    ("connection", Want::Any, |s| {
        head(s, END_STREAM, &[("connection", "close")])
    }),
    ("transfer-encoding", Want::Any, |s| {
        head(s, END_STREAM, &[("transfer-encoding", "chunked")])
    }),
    ("upgrade", Want::Any, |s| {
        head(s, END_STREAM, &[("upgrade", "h2c")])
    }),
    ("more than the length", Want::No, |s| {
        [
            head(s, 0, &[("content-length", "1")]),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("less than the length", Want::No, |s| {
        [
            head(s, 0, &[("content-length", "9")]),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("a length and no body", Want::No, |s| {
        head(s, END_STREAM, &[("content-length", "9")])
    }),
    ("two lengths", Want::No, |s| {
        [
            head(s, 0, &[("content-length", "2"), ("content-length", "3")]),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("length that is no number", Want::No, |s| {
        [
            head(s, 0, &[("content-length", "+2")]),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("data before the head", Want::No, |s| {
        frame(DATA, 0, s, b"ab")
    }),
    ("data behind the end", Want::Any, |s| {
        [
            head(s, 0, &[]),
            frame(DATA, END_STREAM, s, b"ab"),
            frame(DATA, END_STREAM, s, b"evil"),
        ]
        .concat()
    }),
    ("a second head behind the end", Want::Any, |s| {
        [
            head(s, 0, &[]),
            frame(DATA, END_STREAM, s, b"ab"),
            head(s, END_STREAM, &[("x-injected", "1")]),
        ]
        .concat()
    }),
    ("trailers that do not end", Want::No, |s| {
        [head(s, 0, &[]), frame(DATA, 0, s, b"ab"), head(s, 0, &[])].concat()
    }),
    ("trailers with a status", Want::Any, |s| {
        [
            head(s, 0, &[]),
            frame(DATA, 0, s, b"ab"),
            head(s, END_STREAM, &[]),
        ]
        .concat()
    }),
    ("head on stream zero", Want::No, |_| {
        head(0, END_STREAM, &[])
    }),
    ("head on a stream that nobody opened", Want::No, |s| {
        head(s + 100, END_STREAM, &[])
    }),
    ("head on an even stream", Want::No, |_| {
        head(2, END_STREAM, &[])
    }),
    ("push", Want::No, |s| {
        let promised = [
            &2u32.to_be_bytes()[..],
            &fields(&[(":method", "GET"), (":path", "/")]),
        ];
        frame(PUSH_PROMISE, END_HEADERS, s, &promised.concat())
    }),
    ("continuation alone", Want::No, |s| {
        frame(CONTINUATION, END_HEADERS, s, &fields(&[("x-a", "1")]))
    }),
    ("a frame inside of a head", Want::No, |s| {
        [
            frame(HEADERS, 0, s, &fields(&[(":status", "200")])),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("continuations without end", Want::No, |s| {
        let more = frame(CONTINUATION, 0, s, &fields(&[("x-a", "1234567890")]));
        [
            frame(HEADERS, 0, s, &fields(&[(":status", "200")])),
            more.repeat(20_000),
        ]
        .concat()
    }),
    ("a head that is too large", Want::No, |s| {
        let many: Vec<_> = std::iter::repeat_n(("x-a", "12345678901234567890"), 600).collect();
        let part = fields(&many);
        let mut frames = frame(HEADERS, 0, s, &fields(&[(":status", "200")]));
        for _ in 0..20 {
            frames.extend(frame(CONTINUATION, 0, s, &part));
        }
        frames.extend(frame(CONTINUATION, END_HEADERS, s, &[]));
        frames
    }),
    ("a frame that is too large", Want::No, |s| {
        frame(DATA, 0, s, &[0; 20_000])
    }),
    ("padding longer than the frame", Want::No, |s| {
        [
            head(s, 0, &[]),
            frame(DATA, PADDED | END_STREAM, s, &[200, b'a']),
        ]
        .concat()
    }),
    ("an index that no table has", Want::No, |s| {
        frame(HEADERS, 5, s, &[0xff, 0xff, 0xff, 0x7f])
    }),
    ("index zero", Want::No, |s| frame(HEADERS, 5, s, &[0x80])),
    ("a table that is too large", Want::No, |s| {
        frame(HEADERS, 5, s, &[0x3f, 0xff, 0xff, 0x7f, 0x88])
    }),
    ("a literal that is cut", Want::No, |s| {
        frame(HEADERS, 5, s, &[0, 5, b'x'])
    }),
    ("Huffman that is cut", Want::No, |s| {
        frame(HEADERS, 5, s, &[0x88, 0, 0x81, 0xff, 0x81, 0xff])
    }),
    ("an integer without end", Want::No, |s| {
        frame(HEADERS, 5, s, &[0xff; 64])
    }),
    ("settings of a wrong size", Want::No, |_| {
        frame(SETTINGS, 0, 0, &[0; 5])
    }),
    ("settings on a stream", Want::No, |s| {
        frame(SETTINGS, 0, s, &[])
    }),
    ("settings with a window that is too large", Want::No, |_| {
        frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])
    }),
    ("settings with frames that are too small", Want::No, |_| {
        frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])
    }),
    ("an acknowledgement with content", Want::No, |_| {
        frame(SETTINGS, 1, 0, &[0; 6])
    }),
    ("a window of zero more", Want::No, |s| {
        frame(WINDOW_UPDATE, 0, s, &[0; 4])
    }),
    ("a window that wraps", Want::No, |_| {
        frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])
    }),
    ("a ping of a wrong size", Want::No, |_| {
        frame(PING, 0, 0, &[0; 7])
    }),
    ("a reset", Want::No, |s| {
        frame(RST_STREAM, 0, s, &[0, 0, 0, 1])
    }),
    ("a reset behind the head", Want::No, |s| {
        [head(s, 0, &[]), frame(RST_STREAM, 0, s, &[0, 0, 0, 2])].concat()
    }),
    ("a reset of a wrong size", Want::No, |s| {
        frame(RST_STREAM, 0, s, &[0; 3])
    }),
    ("goodbye before any request", Want::No, |_| {
        frame(GOAWAY, 0, 0, &[0; 8])
    }),
    ("an unknown frame, and then an answer", Want::Ab, |s| {
        [
            frame(0xfa, 0xff, s, b"x"),
            head(s, 0, &[]),
            frame(DATA, END_STREAM, s, b"ab"),
        ]
        .concat()
    }),
    ("an answer of HTTP/1.1", Want::No, |_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab".to_vec()
    }),
];

/// What the node says to the next request: the frames of a case, or a good answer with this body.
#[derive(Debug, Clone)]
enum Next {
    Case(usize),
    Body(String),
}

type Script = Arc<Mutex<Next>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_breaks_http2_harms_its_own_request_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script: Script = Arc::new(Mutex::new(Next::Case(0)));
    let shared = Arc::clone(&script);
    let accept = async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    };
    let accepting = tokio::spawn(accept);
    let mut bench = start(address).await;
    let mut wrong = Vec::new();
    for (number, (id, want, _)) in CASES.iter().enumerate() {
        *script.lock().unwrap() = Next::Case(number);
        let outcome = ask(&bench).await;
        if !is_good(*want, &outcome) {
            wrong.push(format!("{id}: {want:?}: {outcome:?}"));
        }
        let body = format!("next after {number}");
        *script.lock().unwrap() = Next::Body(body.clone());
        let next = ask(&bench).await;
        if !matches!(next.answers.as_slice(), [one] if one.body == body.as_bytes()) {
            wrong.push(format!("{id}: the next client got {:?}", next.answers));
        }
    }
    bench.lives();
    accepting.abort();
    println!("{} hostile sequences of frames of a node", CASES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_good(want: Want, outcome: &Outcome) -> bool {
    let seen: Vec<_> = outcome
        .answers
        .iter()
        .map(|answer| (answer.head.status, answer.body.as_slice()))
        .collect();
    let injected = outcome
        .answers
        .iter()
        .any(|answer| answer.head.fields.joined("x-injected").is_some());
    let refused = matches!(seen.as_slice(), [(502..=504, _)])
        || (seen.is_empty() && outcome.torn > 0 && outcome.closed);
    let passed = match seen.as_slice() {
        [(200, b"ab")] => true,
        [(200, b"")] => want == Want::Any,
        _ => false,
    };
    let as_wanted = match want {
        Want::No => refused,
        Want::Ab => passed,
        Want::Any => refused || passed,
    };
    as_wanted && !injected && !outcome.hung && outcome.fault.is_none()
}

async fn start(node: SocketAddr) -> Bench {
    let bench = Bench::start().await;
    let upstream = json!({
        "http_version": "2", "nodes": {node.to_string(): 1}, "retries": 0,
        "timeout": {"connect": 1, "send": 1, "read": 1},
    });
    let route = json!({"uri": "/*", "upstream": upstream});
    bench.put("routes/case", route).await;
    bench
}

async fn ask(bench: &Bench) -> Outcome {
    let send = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let how = (Way::Plain, "GET");
    bench
        .call(Ipv4Addr::LOCALHOST, how, send, Stop::After(1))
        .await
}

/// One connection: HTTP/2 as far as it takes to be asked, then what the script says.
async fn serve(stream: TcpStream, script: Script) -> Option<()> {
    let (mut input, mut output) = stream.into_split();
    let mut preface = [0; 24];
    input.read_exact(&mut preface).await.ok()?;
    output.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    loop {
        let mut header = [0; 9];
        input.read_exact(&mut header).await.ok()?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let (kind, flags) = (header[3], header[4]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        input.read_exact(&mut payload).await.ok()?;
        let says = match kind {
            SETTINGS if flags & 1 == 0 => frame(SETTINGS, 1, 0, &[]),
            HEADERS => match script.lock().unwrap().clone() {
                Next::Case(number) => CASES[number].2(stream),
                Next::Body(body) => {
                    let body = frame(DATA, END_STREAM, stream, body.as_bytes());
                    [head(stream, 0, &[]), body].concat()
                }
            },
            _ => continue,
        };
        output.write_all(&says).await.ok()?;
    }
}
