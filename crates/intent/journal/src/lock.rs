//! One process per data directory. The kernel drops the lock with the process, however it ends.

use crate::{JournalError, file};
use std::fs::{File, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Held until it is dropped.
pub struct Lock {
    file: File,
}

impl Lock {
    pub fn take(dir: &Path) -> Result<Lock, JournalError> {
        let path = dir.join("LOCK");
        let file = file::options()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| JournalError::io("open", &path, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&path).unwrap_or_default();
                return Err(JournalError::Locked {
                    dir: dir.to_owned(),
                    pid: pid.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(JournalError::io("lock", &path, cause)),
        }
        // Written in place at a fixed width: it works on a full disk, and the lock itself does not depend on it.
        let pid = format!("{:<10}\n", std::process::id());
        if let Err(error) = file.write_all_at(pid.as_bytes(), 0) {
            tracing::warn!(%error, path = %path.display(), "cannot note the pid in the lock file");
        }
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a child process that this one is just starting shares it until its exec.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "cannot unlock the data directory");
        }
    }
}
