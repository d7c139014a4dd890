//! The store: typed tables with transactions, snapshots and watches over an ordered, durable log. It holds the
//! intent of the whole cloud; everything else is derived from it. The whole state is in memory as immutable
//! versions, so reads never wait; writes are checked by what they read, group-committed, and answered once durable.
//! It must never show a row that could still be lost, nor lose one it has shown.

mod commit;
mod disk;
mod error;
mod key;
mod overlay;
mod snapshot;
mod state;
mod store;
mod table;
mod tx;
mod watch;
mod writer;

pub use error::{Exists, StoreError, TransactError};
pub use key::{Key, Prefix, Segment};
pub use snapshot::Snapshot;
pub use state::Scan;
pub use store::{Committed, Options, Store};
pub use table::{Row, Schema, Table};
pub use tx::Tx;
pub use watch::{Change, ChangeSet, HistoryLimit, Watch, WatchEvent};

use serde::{Deserialize, Serialize};

/// A point in the store's history: the number of transactions committed up to it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
