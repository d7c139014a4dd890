//! A consistent, durable view of the store at one revision.

use crate::state::{Scan, State};
use crate::{Prefix, Revision, Row, Table};
use std::sync::Arc;

/// Cheap to take, clone and keep: versions share what did not change between them. Shows durable commits only, so
/// what was read here survives a crash.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
}

impl Snapshot {
    /// The last commit this snapshot shows; 0 for a store never written to.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    pub fn get<T: Table>(&self, key: &T::Key) -> Option<Arc<Row<T>>> {
        self.state.get(key)
    }

    /// The rows under `prefix` (`()` for all, a parent's key for its children), ordered by path.
    pub fn scan<T: Table>(&self, prefix: impl Prefix<T::Key>) -> Scan<'_, T> {
        self.state.scan::<T>(prefix)
    }

    /// The rows the table's [`Table::index`] put under `key`, ordered by path.
    ///
    /// # Panics
    /// If the table declares no such index.
    pub fn lookup<T: Table>(
        &self,
        index: &str,
        key: &str,
    ) -> impl Iterator<Item = Arc<Row<T>>> + use<'_, T> {
        self.state.lookup(index, key)
    }

    /// How many rows the table has. O(1).
    #[expect(
        clippy::len_without_is_empty,
        reason = "a snapshot is no container of one table's rows"
    )]
    pub fn len<T: Table>(&self) -> usize {
        self.state.len::<T>()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot@{}", self.revision())
    }
}
