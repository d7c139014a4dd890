//! What can go wrong, each with the value at fault and what to do. A failed operation has changed nothing.

use crate::Revision;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error(
        "store {dir} is in use by process {pid}; stop that process or choose another data directory"
    )]
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
        "{path} has store format {found}, this version reads up to {supported}; start the newer version it was written by"
    )]
    NewerFormat {
        path: PathBuf,
        found: u32,
        supported: u32,
    },
    #[error(
        "{path} holds {table}/{key}, but this version has no table {table:?}; start the version it was written by"
    )]
    UnknownTable {
        path: PathBuf,
        table: String,
        key: String,
    },
    #[error("{path} holds {table}/{key}, which is not readable: {problem}")]
    Decode {
        path: PathBuf,
        table: &'static str,
        key: String,
        problem: String,
    },
    #[error("row {table}/{key} has no JSON form: {problem}")]
    Encode {
        table: &'static str,
        key: String,
        problem: String,
    },
    #[error(
        "the transaction conflicted with others {attempts} times, last at revision {revision}; try again"
    )]
    Busy { attempts: u32, revision: Revision },
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, cause: io::Error) -> StoreError {
        StoreError::Io {
            action,
            path: path.to_owned(),
            cause: Arc::new(cause),
        }
    }
}

/// Why [`crate::Tx::insert`] refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}/{key} exists")]
pub struct Exists {
    pub table: &'static str,
    pub key: String,
}

/// Why a transaction did not commit.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The closure's own answer, based on durable rows.
    #[error("{0}")]
    Refused(E),
    #[error(transparent)]
    Store(#[from] StoreError),
}
