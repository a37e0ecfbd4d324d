//! Request bodies that are too large for memory, kept on disk for another try.
//!
//! Workers never touch a file: a task of the background runtime owns it, and does one order after
//! the other on a thread that may block. The file has no name from the start, so nothing stays
//! behind whatever happens to the process.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::replay::Lost;

/// Bytes that are read back at once.
const READ: usize = 64 * 1024;

/// Where bodies are kept. Cheap to clone; shared by the workers.
#[derive(Debug, Clone)]
pub struct Spills {
    background: Handle,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    /// Bytes that all bodies together may take.
    total: u64,
    used: AtomicU64,
    /// Whether the last file failed: the log tells only of changes.
    failing: AtomicBool,
}

/// One body on disk. At most one order is under way; the next piece waits for it, so a slow disk
/// slows the client down.
#[derive(Debug)]
pub struct Spill {
    orders: mpsc::Sender<Order>,
    place: Arc<Place>,
    under_way: Option<UnderWay>,
    /// Bytes handed to the file.
    written: u64,
    /// Bytes handed out since the last rewind.
    read: u64,
    failed: bool,
}

#[derive(Debug)]
enum Order {
    Write(Bytes, oneshot::Sender<io::Result<()>>),
    Read(u64, oneshot::Sender<io::Result<Bytes>>),
}

#[derive(Debug)]
enum UnderWay {
    Write(oneshot::Receiver<io::Result<()>>),
    Read(u64, oneshot::Receiver<io::Result<Bytes>>),
}

impl Spills {
    /// Bodies go into nameless files in `folder`, `total` bytes at most.
    #[must_use]
    pub fn new(background: Handle, folder: PathBuf, total: u64) -> Self {
        Self {
            background,
            place: Arc::new(Place {
                folder,
                total,
                used: AtomicU64::new(0),
                failing: AtomicBool::new(false),
            }),
        }
    }

    /// A body begins to be kept. The file is made with its first piece.
    #[must_use]
    pub fn begin(&self) -> Spill {
        let (sender, orders) = mpsc::channel(1);
        // The task ends with the sender.
        self.background
            .spawn(serve(Arc::clone(&self.place), orders));
        Spill {
            orders: sender,
            place: Arc::clone(&self.place),
            under_way: None,
            written: 0,
            read: 0,
            failed: false,
        }
    }

    /// Bytes on disk now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.place.used.load(Ordering::Relaxed)
    }
}

impl Spill {
    /// Ready when a piece can be taken; `false` when the disk failed.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let ended = match &mut self.under_way {
            None => return Poll::Ready(!self.failed),
            Some(UnderWay::Write(written)) => ready!(poll(written, cx)).map(|_| ()),
            Some(UnderWay::Read(_, read)) => ready!(poll(read, cx)).map(|_| ()),
        };
        self.under_way = None;
        self.failed |= ended.is_err();
        Poll::Ready(!self.failed)
    }

    /// Takes a piece that was handed out elsewhere, after [`Spill::poll_ready`].
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub fn keep(&mut self, piece: Bytes) -> Result<(), Lost> {
        let size = piece.len() as u64;
        let before = self.place.used.fetch_add(size, Ordering::Relaxed);
        self.written += size;
        self.read = self.written;
        if before.saturating_add(size) > self.place.total {
            return Err(Lost::Space);
        }
        let (answer, written) = oneshot::channel();
        let order = Order::Write(piece, answer);
        self.orders.try_send(order).map_err(|_| Lost::Disk)?;
        self.under_way = Some(UnderWay::Write(written));
        Ok(())
    }

    /// Bytes taken.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.written
    }

    /// Starts reading from the beginning.
    pub fn rewind(&mut self) {
        self.read = 0;
    }

    /// Whether everything was handed out.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.read == self.written
    }

    /// The next piece from disk; only while there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            match &mut self.under_way {
                Some(UnderWay::Read(at, read)) if *at == self.read => {
                    let piece = ready!(poll(read, cx));
                    self.under_way = None;
                    self.failed |= piece.is_err();
                    self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    return Poll::Ready(piece);
                }
                // A write, or a read from before the last rewind: its turn comes first.
                Some(_) => {
                    ready!(self.poll_ready(cx));
                }
                None if self.failed => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                None => {
                    let (answer, read) = oneshot::channel();
                    let sent = self.orders.try_send(Order::Read(self.read, answer));
                    self.failed = sent.is_err();
                    self.under_way = Some(UnderWay::Read(self.read, read));
                }
            }
        }
    }

    /// Waits until everything taken so far is on disk; `false` when it is not.
    pub async fn settle(&mut self) -> bool {
        poll_fn(|cx| self.poll_ready(cx)).await
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        self.place.used.fetch_sub(self.written, Ordering::Relaxed);
    }
}

fn poll<T>(
    answer: &mut oneshot::Receiver<io::Result<T>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    let answer = ready!(Pin::new(answer).poll(cx));
    // The task is gone when the runtime ends.
    Poll::Ready(answer.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())))
}

/// Follows the orders of one body, until its owner is gone.
async fn serve(place: Arc<Place>, mut orders: mpsc::Receiver<Order>) {
    let mut file: Option<Arc<File>> = None;
    let mut end = 0;
    while let Some(order) = orders.recv().await {
        // Nobody waits for an answer when the request is over.
        match order {
            Order::Write(piece, answer) => {
                let size = piece.len() as u64;
                let written = write(Arc::clone(&place), file.take(), piece, end).await;
                place.note(written.as_ref().err());
                end += size;
                let _ = answer.send(written.map(|kept| file = Some(kept)));
            }
            Order::Read(at, answer) => {
                let _ = answer.send(read(file.clone(), at).await);
            }
        }
    }
}

impl Place {
    /// Tells the log when the disk begins to fail, and when it no longer does.
    fn note(&self, error: Option<&io::Error>) {
        let before = self.failing.swap(error.is_some(), Ordering::Relaxed);
        let folder = self.folder.display();
        match error {
            Some(error) if !before => tracing::error!(
                %error, %folder,
                "request bodies cannot be kept on disk; requests with large ones are not retried"
            ),
            None if before => tracing::info!(%folder, "request bodies are kept on disk again"),
            _ => {}
        }
    }
}

async fn write(
    place: Arc<Place>,
    file: Option<Arc<File>>,
    piece: Bytes,
    at: u64,
) -> io::Result<Arc<File>> {
    blocking(move || {
        let file = match file {
            Some(file) => file,
            None => Arc::new(tempfile::tempfile_in(&place.folder)?),
        };
        file.write_all_at(&piece, at)?;
        Ok(file)
    })
    .await
}

async fn read(file: Option<Arc<File>>, at: u64) -> io::Result<Bytes> {
    let file = file.ok_or(io::ErrorKind::NotFound)?;
    blocking(move || {
        let mut piece = BytesMut::zeroed(READ);
        let size = file.read_at(&mut piece, at)?;
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(size);
        Ok(piece.freeze())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}
