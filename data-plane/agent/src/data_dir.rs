//! The data directory of an agent, which one process uses at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Makes the directory when it is missing and locks it. `None` when another process has the lock,
/// which is let go when its last descriptor closes: also by a crash.
///
/// # Errors
/// What the file system said.
pub(crate) fn lock(dir: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(dir)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("agent.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap().unwrap();
        assert!(lock(dir.path()).unwrap().is_none());
        // As a takeover does: the descriptor that was passed on keeps the lock.
        let passed = first.try_clone().unwrap();
        drop(first);
        assert!(lock(dir.path()).unwrap().is_none());
        drop(passed);
        assert!(lock(dir.path()).unwrap().is_some());
    }
}
