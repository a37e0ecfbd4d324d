//! HTTP/1.1 and the PROXY protocol by bytes: for back ends that break the rules, and for clients
//! that do.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::seen::{Connection, Seen};
use crate::client::Answer;

/// Reads until an empty line, a byte at a time: what follows is not touched.
async fn until_blank(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(bytes)
}

/// The head of a request; `None` at the end of the connection.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let bytes = until_blank(stream).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let fields = lines.filter_map(|line| line.split_once(": "));
    Some(Seen {
        node: String::new(),
        connection: Connection::default(),
        method: words.next()?,
        uri: words.next()?,
        version: words.next()?,
        headers: fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: Vec::new(),
    })
}

/// A PROXY protocol header: the line of version 1, or `v2 SOURCE DESTINATION`.
pub(crate) async fn proxy_header(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    if start == *b"\r\n\r\n\0\r\nQUIT\n" {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await.ok()?;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([fixed[2], fixed[3]]))];
        stream.read_exact(&mut rest).await.ok()?;
        let part = |from: usize| rest.get(from..from + 4).map(|ip| format!("{ip:?}"));
        let ip = |from| part(from).map(|text| text.replace(", ", ".").replace(['[', ']'], ""));
        return Some(format!("v2 {} {}", ip(0)?, ip(4)?));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Sends bytes and reads one answer, whose body ends by its length, its chunks or the connection.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
    limit: Duration,
) -> Result<Answer, String> {
    let whole = async {
        // A gateway that refuses may close before everything was sent.
        let _ = stream.write_all(bytes).await;
        let mut got = Vec::new();
        loop {
            if let Some(answer) = parse(&got, false)? {
                return Ok(answer);
            }
            match stream.read_buf(&mut got).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if got.is_empty() => return Err(error.to_string()),
                Err(_) => break,
            }
        }
        parse(&got, true)?.ok_or_else(|| {
            format!(
                "the connection was closed after `{}`",
                String::from_utf8_lossy(&got)
            )
        })
    };
    tokio::time::timeout(limit, whole)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// An answer, when it is there completely. `ended`: no more bytes will come.
fn parse(got: &[u8], ended: bool) -> Result<Option<Answer>, String> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(got).map_err(|error| error.to_string())? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length,
    };
    let mut headers = http::HeaderMap::new();
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        headers.append(
            name.map_err(|e| e.to_string())?,
            value.map_err(|e| e.to_string())?,
        );
    }
    let status = StatusCode::from_u16(head.code.unwrap_or(0)).map_err(|e| e.to_string())?;
    let rest = &got[length..];
    let declared = headers
        .get("content-length")
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let body = if headers.contains_key("transfer-encoding") {
        chunks(rest)
    } else if let Some(declared) = declared {
        rest.get(..declared).map(<[u8]>::to_vec)
    } else {
        (ended || status == 204).then(|| rest.to_vec())
    };
    let body = match body {
        Some(body) => body,
        None if ended => rest.to_vec(),
        None => return Ok(None),
    };
    Ok(Some(Answer {
        status,
        headers,
        body: Bytes::from(body),
    }))
}

/// The content of a chunked body that is complete.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let data = rest.get(line + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(data.get(..size)?);
        rest = data.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_by_length_by_chunks_or_by_the_end() {
        let body = |bytes: &[u8], ended| {
            let answer = parse(bytes, ended).expect("an answer");
            answer.map(|answer| answer.text())
        };
        let sized = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc";
        assert_eq!(body(sized, false).as_deref(), Some("ab"));
        assert_eq!(body(&sized[..39], false), None);
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(body(chunked, false).as_deref(), Some("abc"));
        let open = b"HTTP/1.1 200 OK\r\n\r\nab";
        assert_eq!(body(open, false), None);
        assert_eq!(body(open, true).as_deref(), Some("ab"));
        assert!(parse(b"nonsense\r\n\r\n", false).is_err());
    }
}
