//! Bodies in files. Each is written beside and renamed when it is whole, checked when it is read, and
//! removed with the last entry that names it. What an earlier process left is removed at the start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use weir_plugin_api::Outside;
use weir_plugin_api::outside::{CacheDisk, CallError, off_worker};

/// The folder of a zone; the files of this process lie in a folder of their own in it.
pub(super) struct Store {
    folder: PathBuf,
    /// Characters of the folders inside each other, as nginx makes them of the end of the name.
    levels: Vec<usize>,
    outside: Arc<dyn Outside>,
    next: AtomicU64,
}

/// A body in a file.
pub(super) struct File {
    path: PathBuf,
    size: u64,
    checksum: u32,
    outside: Arc<dyn Outside>,
}

impl File {
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        // It is done whether or not anybody waits.
        drop(self.outside.blocking(Box::new(move || {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "cached file cannot be removed");
            }
            Box::new(())
        })));
    }
}

impl Store {
    /// The files of a zone below `base`; `run` is different for each process and start.
    pub(super) fn new(disk: &CacheDisk, run: &str, outside: Arc<dyn Outside>) -> Self {
        let base = disk.folder.as_path();
        let folder = base.join(format!("run-{run}"));
        let (base, own) = (base.to_path_buf(), folder.clone());
        drop(outside.blocking(Box::new(move || {
            clean(&base, &own);
            Box::new(())
        })));
        Self {
            folder,
            levels: disk.levels.clone(),
            outside,
            next: AtomicU64::new(0),
        }
    }

    /// Writes a body.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) async fn write(&self, body: Bytes) -> Result<File, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:016x}");
        let mut folder = self.folder.clone();
        let mut rest = name.as_str();
        for characters in &self.levels {
            let (front, level) = rest.split_at(rest.len().saturating_sub(*characters));
            folder.push(level);
            rest = front;
        }
        let path = folder.join(&name);
        // Made at once, so that whatever was written is removed if anything goes wrong.
        let file = File {
            path: path.clone(),
            size: body.len() as u64,
            checksum: checksum(&body),
            outside: Arc::clone(&self.outside),
        };
        let written = off_worker(&*self.outside, move || write(&folder, &path, &body)).await;
        match written {
            Ok(Ok(())) => Ok(file),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub(super) async fn read(&self, file: Arc<File>) -> Result<Bytes, String> {
        let read = off_worker(&*self.outside, move || {
            let body = fs::read(&file.path)?;
            if body.len() as u64 != file.size || checksum(&body) != file.checksum {
                return Err(io::Error::other("the file is not what was written"));
            }
            Ok(Bytes::from(body))
        });
        let read: Result<io::Result<Bytes>, CallError> = read.await;
        match read {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.folder);
        drop(self.outside.blocking(Box::new(move || {
            // Files that are still read are open; on this system they can be.
            let _ = fs::remove_dir_all(folder);
            Box::new(())
        })));
    }
}

fn write(folder: &Path, path: &Path, body: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("part");
    let written = fs::write(&beside, body).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Removes what other processes left. One that still runs finds its files gone, which is a miss.
fn clean(base: &Path, own: &Path) {
    let Ok(folders) = fs::read_dir(base) else {
        return;
    };
    for folder in folders.flatten() {
        let path = folder.path();
        let ours = folder.file_name().to_string_lossy().starts_with("run-");
        if ours
            && path != own
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "old cached files cannot be removed");
        }
    }
}

fn checksum(body: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(body);
    sum.sum()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use weir_plugin_api::outside::Unreachable;

    use super::*;

    fn store(base: &Path, run: &str) -> Store {
        let disk = CacheDisk {
            folder: base.to_path_buf(),
            size: 1 << 20,
            levels: vec![1, 2],
        };
        Store::new(&disk, run, Arc::new(Unreachable))
    }

    fn write(store: &Store, body: &'static str) -> Arc<File> {
        let body = Bytes::from_static(body.as_bytes());
        Arc::new(store.write(body).now_or_never().unwrap().unwrap())
    }

    fn read(store: &Store, file: &Arc<File>) -> Result<Bytes, String> {
        store.read(Arc::clone(file)).now_or_never().unwrap()
    }

    #[test]
    fn what_was_written_is_read_until_nobody_names_it() {
        let base = tempfile::tempdir().unwrap();
        let store = store(base.path(), "1");
        let (one, other) = (write(&store, "one"), write(&store, "other"));
        assert_eq!(read(&store, &one).unwrap(), "one");
        assert_eq!(read(&store, &other).unwrap(), "other");
        assert_eq!(other.size(), 5);
        let path = one.path.clone();
        assert!(path.ends_with("0/00/0000000000000000"), "{path:?}");
        assert!(path.exists() && !path.with_extension("part").exists());
        drop(one);
        assert!(!path.exists());
        let folder = store.folder.clone();
        drop((other, store));
        assert!(!folder.exists());
    }

    #[test]
    fn a_file_that_changed_or_is_gone_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let store = store(base.path(), "1");
        let file = write(&store, "hello");
        for other in ["hellO", "hell", "hello!", ""] {
            fs::write(&file.path, other).unwrap();
            assert!(read(&store, &file).is_err(), "{other}");
        }
        fs::remove_file(&file.path).unwrap();
        assert!(read(&store, &file).is_err());
    }

    #[test]
    fn what_an_earlier_process_left_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("run-0/00");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("1.part"), "x").unwrap();
        fs::write(base.path().join("other"), "not ours").unwrap();
        let store = store(base.path(), "1");
        assert!(!left.exists());
        assert!(base.path().join("other").exists());
        assert_eq!(read(&store, &write(&store, "a")).unwrap(), "a");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let blocked = base.path().join("file");
        fs::write(&blocked, "x").unwrap();
        let store = store(&blocked, "1");
        let outcome = store
            .write(Bytes::from_static(b"a"))
            .now_or_never()
            .unwrap();
        assert!(outcome.is_err());
    }
}
