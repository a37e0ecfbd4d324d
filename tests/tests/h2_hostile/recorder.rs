//! A back end that reads HTTP/1.1 by the letter, and notes what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes of the answer to `/large`.
const LARGE: usize = 1 << 20;

/// A request that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) line: String,
    pub(crate) fields: Vec<String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Notes {
    requests: Vec<Record>,
    faults: Vec<String>,
}

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    notes: Arc<Mutex<Notes>>,
    _stop: DropGuard,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Mutex::new(Notes::default()));
        let stop = CancellationToken::new();
        let noting = Arc::clone(&notes);
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noting)));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            address,
            notes,
            _stop: stop.drop_guard(),
        }
    }

    /// What came since the last look, of the requests whose target begins with `target`.
    ///
    /// # Errors
    /// Something came that is no HTTP/1.1.
    pub(crate) fn take(&self, target: &str) -> Result<Vec<Record>, String> {
        let mut notes = self.notes.lock().unwrap();
        let faults = std::mem::take(&mut notes.faults);
        let requests = std::mem::take(&mut notes.requests);
        if !faults.is_empty() {
            return Err(format!("the node was sent {faults:?}"));
        }
        let asked = |record: &Record| {
            let mut words = record.line.split(' ');
            words.nth(1).is_some_and(|asked| asked.starts_with(target))
        };
        Ok(requests.into_iter().filter(asked).collect())
    }
}

async fn serve(stream: TcpStream, notes: Arc<Mutex<Notes>>) {
    let mut stream = BufReader::new(stream);
    loop {
        match read(&mut stream).await {
            Ok(Some(record)) => {
                let head_only = record.line.starts_with("HEAD ");
                let size = if record.line.contains(" /large ") {
                    LARGE
                } else {
                    2
                };
                // Only what may be asked for is worth remembering.
                if record.line.contains("hostile") {
                    notes.lock().unwrap().requests.push(record);
                }
                let body = if head_only {
                    String::new()
                } else {
                    "x".repeat(size)
                };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(fault) => {
                notes.lock().unwrap().faults.push(fault);
                return;
            }
        }
    }
}

/// The next request; `None` when the connection ends before it is whole.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Record>, String> {
    let Some(line) = text_line(stream).await? else {
        return Ok(None);
    };
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err(format!("request line {line:?}"));
    };
    let is_target = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    if !method.bytes().all(is_token) || method.is_empty() || !is_target {
        return Err(format!("request line {line:?}"));
    }
    let mut fields = Vec::new();
    loop {
        let Some(field) = text_line(stream).await? else {
            return Ok(None);
        };
        if field.is_empty() {
            break;
        }
        check_field(&field)?;
        fields.push(field);
    }
    let body = body(stream, &fields).await?;
    Ok(body.map(|body| Record { line, fields, body }))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_field(field: &str) -> Result<(), String> {
    let fault = || format!("field {field:?}");
    let (name, value) = field
        .split_once(": ")
        .or_else(|| field.strip_suffix(':').map(|name| (name, "")))
        .ok_or_else(fault)?;
    let is_good = !name.is_empty()
        && name.bytes().all(is_token)
        && value.trim_matches([' ', '\t']) == value
        && value
            .chars()
            .all(|character| character == '\t' || !character.is_control());
    if is_good { Ok(()) } else { Err(fault()) }
}

/// A line without its end, which is CR LF and nothing else.
async fn text_line(stream: &mut BufReader<TcpStream>) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let read = stream.read_until(b'\n', &mut line).await;
    if read.is_err() || line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let text = text
        .strip_suffix("\r\n")
        .ok_or_else(|| format!("line {text:?}"))?;
    if text.contains(['\r', '\0']) {
        return Err(format!("line {text:?}"));
    }
    Ok(Some(text.to_owned()))
}

/// The body by the one framing that there is; `None` when it is cut off.
async fn body(
    stream: &mut BufReader<TcpStream>,
    fields: &[String],
) -> Result<Option<Vec<u8>>, String> {
    let all = |name: &str| -> Vec<String> {
        let named = fields.iter().filter_map(|field| field.split_once(": "));
        let named = named.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.to_owned()).collect()
    };
    if all("host").len() != 1 {
        return Err(format!("hosts in {fields:?}"));
    }
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Ok(Some(Vec::new())),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let mut body = vec![0; length.parse().map_err(|_| format!("length {length}"))?];
            Ok(stream.read_exact(&mut body).await.ok().map(|_| body))
        }
        ([], [coding]) if coding == "chunked" => chunks(stream).await,
        framing => Err(format!("framing {framing:?}")),
    }
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(size) = text_line(stream).await? else {
            return Ok(None);
        };
        let length =
            usize::from_str_radix(&size, 16).map_err(|_| format!("chunk size {size:?}"))?;
        if length == 0 {
            break;
        }
        let start = body.len();
        body.resize(start + length, 0);
        let whole = stream.read_exact(&mut body[start..]).await.is_ok();
        if !whole {
            return Ok(None);
        }
        match text_line(stream).await? {
            Some(end) if end.is_empty() => {}
            Some(end) => return Err(format!("chunk end {end:?}")),
            None => return Ok(None),
        }
    }
    loop {
        match text_line(stream).await? {
            None => return Ok(None),
            Some(end) if end.is_empty() => return Ok(Some(body)),
            Some(trailer) => check_field(&trailer)?,
        }
    }
}
