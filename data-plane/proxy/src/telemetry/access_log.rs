//! The access log: JSON lines, formatted on the worker, written by a thread of its own.
//!
//! A worker collects lines and hands them over in batches; when the writer cannot follow, whole
//! batches are dropped and counted, and requests go on.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir_plugin_api::Context;
use weir_plugin_api::vars::civil;

use super::json::Line;
use super::tries::Tries;

/// Where the lines go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file, which is created.
    File(PathBuf),
}

/// Batches that may wait for the writer; more are dropped.
const WAITING: usize = 256;
/// A batch is handed over at this size, or at the worker's next heartbeat.
const BATCH: usize = 32 * 1024;

/// The writer thread. Dropping it waits until what was handed over is written.
pub struct Writer {
    sender: Option<SyncSender<Batch>>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

struct Batch {
    text: String,
    lines: u64,
}

impl Default for Batch {
    /// Empty, with room.
    fn default() -> Self {
        Self {
            text: String::with_capacity(BATCH),
            lines: 0,
        }
    }
}

impl Writer {
    /// Opens the log and starts the thread; `None` when the log is off.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread to be had.
    pub fn start(log: &AccessLog) -> io::Result<Option<Self>> {
        let out: Box<dyn Write + Send> = match log {
            AccessLog::Off => return Ok(None),
            AccessLog::Stdout => Box::new(io::stdout()),
            AccessLog::File(path) => {
                Box::new(OpenOptions::new().create(true).append(true).open(path)?)
            }
        };
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("weir-access-log".to_owned())
            .spawn(move || write_all(&receiver, out, &counter))?;
        Ok(Some(Self {
            sender: Some(sender),
            dropped,
            thread: Some(thread),
        }))
    }

    /// A worker's end.
    #[must_use]
    pub fn collector(&self) -> Option<Collector> {
        self.sender.clone().map(|sender| Collector {
            sender,
            dropped: Arc::clone(&self.dropped),
            batch: RefCell::default(),
        })
    }

    /// Lines lost so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender.take();
        if let Some(thread) = self.thread.take() {
            // The thread ends when the last collector is gone; it cannot panic.
            let _ = thread.join();
        }
    }
}

fn write_all(receiver: &Receiver<Batch>, mut out: Box<dyn Write + Send>, dropped: &AtomicU64) {
    let mut failing = false;
    while let Ok(batch) = receiver.recv() {
        let written = out
            .write_all(batch.text.as_bytes())
            .and_then(|()| out.flush());
        if let Err(error) = &written {
            dropped.fetch_add(batch.lines, Ordering::Relaxed);
            if !failing {
                tracing::error!(%error, "access log cannot be written");
            }
        }
        failing = written.is_err();
    }
}

/// Collects the lines of one worker.
pub struct Collector {
    sender: SyncSender<Batch>,
    dropped: Arc<AtomicU64>,
    batch: RefCell<Batch>,
}

impl Clone for Collector {
    /// For the same log; what was collected is handed over once, by the one that has it.
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            dropped: Arc::clone(&self.dropped),
            batch: RefCell::default(),
        }
    }
}

impl Collector {
    /// Adds the line of a finished request.
    pub fn add(&self, entry: &Entry<'_>, now: SystemTime) {
        self.add_line(|text| write_line(entry, now, text));
    }

    /// Adds a line that `write` appends.
    pub(crate) fn add_line(&self, write: impl FnOnce(&mut String)) {
        let mut batch = self.batch.borrow_mut();
        write(&mut batch.text);
        batch.lines += 1;
        let full = batch.text.len() >= BATCH;
        drop(batch);
        if full {
            self.flush();
        }
    }

    /// Hands over what was collected.
    pub fn flush(&self) {
        let mut batch = self.batch.borrow_mut();
        if batch.lines == 0 {
            return;
        }
        let full = std::mem::take(&mut *batch);
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) =
            self.sender.try_send(full)
        {
            self.dropped.fetch_add(lost.lines, Ordering::Relaxed);
        }
    }
}

impl Drop for Collector {
    /// What was open when the worker ended has its line, too.
    fn drop(&mut self) {
        self.flush();
    }
}

/// A finished request.
pub struct Entry<'a> {
    /// What plugins saw of it.
    pub context: &'a Context,
    /// Its tries.
    pub tries: &'a Tries,
    /// Why the last try, which failed, was not followed by another; else empty.
    pub not_retried: &'static str,
    /// The rule that a malformed request breaks; else empty.
    pub detail: &'static str,
    /// When it began.
    pub began: Instant,
}

/// One line. Fields without a value are left out; durations are milliseconds.
fn write_line(entry: &Entry<'_>, now: SystemTime, out: &mut String) {
    let Entry { context, tries, .. } = entry;
    let request = &context.request;
    let record = &context.record;
    let mut line = Line::begin(out);
    line.quoted("time", Timestamp(now));
    line.text("request_id", &record.request_id);
    line.quoted("client", request.client_ip);
    line.text("method", request.method.as_str());
    line.text("scheme", request.scheme.as_str());
    line.text("host", &request.host);
    line.text("uri", &request.raw_target);
    line.quoted("protocol", format_args!("{:?}", request.version));
    line.plain("status", record.status);
    line.plain("request_bytes", record.request_bytes);
    line.plain("response_bytes", record.response_bytes);
    line.plain("body_bytes", record.body_bytes);
    if let Some(route) = &context.route {
        line.some_text("route_id", &route.id);
        line.some_text("service_id", &route.service_id);
    }
    if let Some(consumer) = &context.consumer {
        line.some_text("consumer", &consumer.name);
    }
    if !tries.is_empty() {
        line.quoted("upstream_addr", tries);
    }
    if !record.upstream_statuses.is_empty() {
        line.quoted("upstream_status", Statuses(&record.upstream_statuses));
    }
    line.some_text("reason", record.reason);
    line.some_text("detail", entry.detail);
    line.some_text("not_retried", entry.not_retried);
    line.milliseconds("total_ms", record.total);
    if record.node.is_some() {
        line.milliseconds("upstream_ms", record.upstream);
        line.milliseconds("connect_ms", record.connect);
        line.milliseconds("first_byte_ms", record.first_byte);
    }
    if !tries.is_empty() {
        tries.write(&mut line, entry.began);
    }
    line.end();
}

/// `502, 200`: the statuses of all tries.
pub struct Statuses<'a>(pub &'a [u16]);

impl std::fmt::Display for Statuses<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, status) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{status}")?;
        }
        Ok(())
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = since.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = seconds % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            since.subsec_millis()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Timestamp(time).to_string(), expected);
        }
    }

    #[test]
    fn statuses_are_listed() {
        assert_eq!(Statuses(&[502, 200]).to_string(), "502, 200");
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let (sender, receiver) = sync_channel(1);
        let collector = Collector {
            sender,
            dropped: Arc::default(),
            batch: RefCell::new(Batch {
                text: String::new(),
                lines: 0,
            }),
        };
        for _ in 0..3 {
            collector.batch.borrow_mut().lines = 2;
            collector.flush();
        }
        assert_eq!(collector.dropped.load(Ordering::Relaxed), 4);
        drop(receiver);
    }
}
