//! What changed, in order: change sets, the bounded history of them, and watchers that follow it. A slow watcher
//! costs nothing: it holds a position, never a queue, and starts over from a snapshot when history left it behind.

use crate::snapshot::Snapshot;
use crate::store::Shared;
use crate::table::{ErasedRow, typed};
use crate::{Revision, Row, Table};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything one transaction changed.
#[derive(Debug)]
pub struct ChangeSet {
    pub revision: Revision,
    /// Each row at most once, ordered by table (as in the schema) and path.
    pub changes: Vec<Change>,
}

/// One row created, replaced or deleted.
pub struct Change {
    table: &'static str,
    before: Option<ErasedRow>,
    after: Option<ErasedRow>,
}

impl Change {
    pub(crate) fn new(
        table: &'static str,
        before: Option<ErasedRow>,
        after: Option<ErasedRow>,
    ) -> Change {
        Change {
            table,
            before,
            after,
        }
    }

    /// [`Table::NAME`] of the row's table.
    pub fn table(&self) -> &'static str {
        self.table
    }

    pub fn is<T: Table>(&self) -> bool {
        self.table == T::NAME
    }

    /// The row's key as text, without the table's name.
    pub fn path(&self) -> &str {
        self.after
            .as_ref()
            .or(self.before.as_ref())
            .expect("invariant: a change has a row before or after")
            .path()
    }

    /// The row before the change; `None` if it was created or is of another table.
    pub fn before<T: Table>(&self) -> Option<Arc<Row<T>>> {
        self.before.as_ref().and_then(typed)
    }

    /// The row after the change; `None` if it was deleted or is of another table.
    pub fn after<T: Table>(&self) -> Option<Arc<Row<T>>> {
        self.after.as_ref().and_then(typed)
    }

    pub(crate) fn stamp(&self, revision: Revision) {
        if let Some(row) = &self.after {
            row.stamp(revision);
        }
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match (&self.before, &self.after) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "update",
        };
        write!(f, "{verb} {}/{}", self.table, self.path())
    }
}

/// How much of the past is kept for watchers that are behind.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimit {
    pub change_sets: usize,
    /// Measured as the JSON of the new rows.
    pub bytes: usize,
}

/// The last change sets, without gaps up to the durable revision.
pub(crate) struct History {
    limit: HistoryLimit,
    sets: VecDeque<(Arc<ChangeSet>, usize)>,
    bytes: usize,
}

impl History {
    pub(crate) fn new(limit: HistoryLimit) -> History {
        History {
            limit,
            sets: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, changes: Arc<ChangeSet>, bytes: usize) {
        self.sets.push_back((changes, bytes));
        self.bytes += bytes;
        while self.sets.len() > self.limit.change_sets || self.bytes > self.limit.bytes {
            let Some((_, bytes)) = self.sets.pop_front() else {
                break;
            };
            self.bytes -= bytes;
        }
    }

    fn get(&self, revision: Revision) -> Option<Arc<ChangeSet>> {
        let first = self.sets.front()?.0.revision;
        let position = usize::try_from(revision.0.checked_sub(first.0)?).ok()?;
        self.sets.get(position).map(|(set, _)| set.clone())
    }
}

/// How far the store is, as watchers wait for it.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) durable: Revision,
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub enum WatchEvent {
    /// The next revision.
    Changes(Arc<ChangeSet>),
    /// What follows the watcher's position is no longer kept: here is everything; changes after it will follow.
    Reset(Snapshot),
}

/// Follows the store from a revision. Dropping it ends it.
pub struct Watch {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    seen: Revision,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, seen: Revision) -> Watch {
        Watch {
            progress: shared.progress.subscribe(),
            shared,
            seen,
        }
    }

    /// The revision of the last event.
    pub fn seen(&self) -> Revision {
        self.seen
    }

    /// The next event; `None` once the store is closed and everything was delivered. Cancel safe.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            let progress = *self.progress.borrow_and_update();
            if progress.durable != self.seen {
                return Some(self.advance());
            }
            if progress.closed || self.progress.changed().await.is_err() {
                return None;
            }
        }
    }

    fn advance(&mut self) -> WatchEvent {
        let next = Revision(self.seen.0.saturating_add(1));
        let kept = self.shared.history.lock().get(next);
        match kept {
            Some(changes) => {
                self.seen = next;
                WatchEvent::Changes(changes)
            }
            None => {
                let snapshot = self.shared.snapshot();
                self.seen = snapshot.revision();
                WatchEvent::Reset(snapshot)
            }
        }
    }
}
