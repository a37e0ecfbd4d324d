//! HTTP/1.1, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Client, within};

/// One connection, until it is told to end or the test is over; with `keep` false after one answer.
pub(super) async fn connection(client: &Client, keep: bool) -> Result<(), String> {
    let connect = TcpStream::connect(client.plan.address);
    let connected = within("connect", connect).await?;
    let mut stream = connected.map_err(|error| format!("connect: {error}"))?;
    let close = if keep { "" } else { "Connection: close\r\n" };
    let path = &client.plan.path;
    let request = format!("GET {path} HTTP/1.1\r\nHost: steady\r\n{close}\r\n");
    let mut count = 0;
    loop {
        let at = |error: String| format!("request {count} of its connection: {error}");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(|error| at(format!("write: {error}")))?;
        let answer = within("answer", answer(&mut stream)).await.map_err(at)?;
        let answer = answer.map_err(at)?;
        if answer.status != 200 {
            return Err(at(format!("status {}: {}", answer.status, answer.head)));
        }
        client.answered();
        count += 1;
        if answer.close {
            if keep {
                client.told();
            }
            return Ok(());
        }
        if !client.rest().await {
            return Ok(());
        }
        let mut byte = [0];
        // It was not told that the connection ends.
        match stream.try_read(&mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            other => return Err(format!("closed untold after {count} answers: {other:?}")),
        }
    }
}

struct Answer {
    status: u16,
    close: bool,
    head: String,
}

async fn answer(stream: &mut TcpStream) -> Result<Answer, String> {
    let mut read = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(&read).map_err(|error| error.to_string())?;
        if let httparse::Status::Complete(length) = parsed {
            let field = |name: &str| {
                let mut fields = head.headers.iter();
                let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
                field.map(|field| String::from_utf8_lossy(field.value).to_lowercase())
            };
            let whole = match field("content-length").map(|text| text.parse::<usize>()) {
                Some(Ok(body)) => read.len() >= length + body,
                Some(Err(error)) => return Err(format!("content-length: {error}")),
                None => read.ends_with(b"\r\n0\r\n\r\n"),
            };
            if whole {
                return Ok(Answer {
                    status: head.code.unwrap_or_default(),
                    close: field("connection").is_some_and(|value| value == "close"),
                    head: String::from_utf8_lossy(&read).into_owned(),
                });
            }
        }
        let length = stream.read_buf(&mut read).await;
        match length {
            Ok(0) => {
                let text = String::from_utf8_lossy(&read);
                return Err(format!("closed within an answer, after {text:?}"));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("read: {error}")),
        }
    }
}
