//! What can go wrong with a file, with its path and what to do. A failed operation has changed nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    #[error("{dir} is in use by process {pid}; stop that process or choose another data directory")]
    Locked { dir: PathBuf, pid: String },
    #[error("cannot {action} {path}: {cause}")]
    Io {
        action: &'static str,
        path: PathBuf,
        cause: Arc<io::Error>,
    },
    #[error(
        "cannot write {path}: {cause}; nothing was changed, reads go on, and writes succeed again once the cause is removed"
    )]
    Write {
        path: PathBuf,
        cause: Arc<io::Error>,
    },
    #[error(
        "{path} is damaged at byte {offset}: {problem}; restore the data directory from a backup"
    )]
    Corrupt {
        path: PathBuf,
        offset: u64,
        problem: String,
    },
    #[error(
        "{path} has format {found}, this version reads up to {supported}; start the newer version it was written by"
    )]
    NewerFormat {
        path: PathBuf,
        found: u32,
        supported: u32,
    },
}

impl JournalError {
    pub fn io(action: &'static str, path: &Path, cause: io::Error) -> JournalError {
        JournalError::Io {
            action,
            path: path.to_owned(),
            cause: Arc::new(cause),
        }
    }
}
