//! What compressing costs nginx.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bare;
use crate::cases::BODY;
use crate::measure::cpu;

/// Requests of each kind.
const REQUESTS: u64 = 400;
/// Passes, of which the fastest counts.
const PASSES: usize = 7;
const PORT: u16 = 18_089;

/// Ends nginx.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines of the table: what compressing the same body adds in nginx, at the same levels.
pub(crate) fn compare() -> String {
    let dir = std::env::temp_dir().join(format!("weir-bench-nginx-{}", std::process::id()));
    let text = measure(&dir).unwrap_or_else(|error| format!("nginx is not compared: {error}"));
    let _ = std::fs::remove_dir_all(&dir);
    text
}

fn measure(dir: &Path) -> std::io::Result<String> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("body.json"), bare::body(BODY))?;
    let location = |level: u32| {
        format!(
            "location /{level}/ {{ alias {}/; gzip_comp_level {level}; }}",
            dir.display()
        )
    };
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit;
         events {{ worker_connections 64; }}
         http {{
           access_log off; keepalive_requests 1000000; default_type application/json;
           client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
           gzip on; gzip_types *; gzip_min_length 20;
           server {{ listen 127.0.0.1:{PORT}; {} {} }}
         }}",
        location(1),
        location(6),
    );
    std::fs::write(dir.join("nginx.conf"), config)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let nginx = Command::new("nginx")
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .arg("-p")
        .arg(dir)
        .args(["-c", "nginx.conf"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let nginx = Running(nginx);
    let process = nginx.0.id().to_string();
    let mut stream = connect()?;
    let mut lines = Vec::new();
    for level in [1, 6] {
        let plain = fastest(&process, &mut stream, level, "identity")?;
        let coded = fastest(&process, &mut stream, level, "gzip")?;
        let name = format!("nginx: gzip {level}, 100 kB, beyond plain");
        lines.push(format!("{name:<36} {:>17}", coded.saturating_sub(plain)));
    }
    Ok(lines.join("\n"))
}

fn connect() -> std::io::Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(("127.0.0.1", PORT)) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Nanoseconds of CPU of the process for one request.
fn fastest(
    process: &str,
    stream: &mut TcpStream,
    level: u32,
    coding: &str,
) -> std::io::Result<u64> {
    let mut best = u64::MAX;
    for _ in 0..PASSES {
        let before = cpu(process);
        for _ in 0..REQUESTS {
            exchange(stream, level, coding)?;
        }
        best = best.min(cpu(process).saturating_sub(before) / REQUESTS);
    }
    Ok(best)
}

/// One request over the connection; the body is read to its end.
fn exchange(stream: &mut TcpStream, level: u32, coding: &str) -> std::io::Result<()> {
    let request =
        format!("GET /{level}/body.json HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 65_536];
    loop {
        let read = stream.read(&mut piece)?;
        answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if is_whole(&answer) {
            return Ok(());
        }
    }
}

/// Whether the answer has come to its end: by its length, or by the last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        Some(length) => answer.len() >= end + 4 + length,
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}
