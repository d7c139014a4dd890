//! What can go wrong, each with the value at fault and what to do. A failed operation has changed nothing.

use crate::Revision;
use journal::JournalError;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Disk(#[from] JournalError),
    #[error("cannot start the writer: {0}")]
    Writer(Arc<std::io::Error>),
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
