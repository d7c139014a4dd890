//! Writes over a durable version: those of one transaction, and those that wait for the disk. Kept as few rows beside
//! the big maps, so that a transaction changes no index: the writer folds whole groups into the next durable version.

use crate::state::{IndexKey, State, index_keys};
use crate::table::{ErasedRow, Schema};
use crate::{Prefix, Revision, Table};
use imbl::OrdMap;
use std::sync::Arc;

/// A row as a transaction leaves it. Its index keys are computed once, for reads, claims and the fold alike.
pub(crate) struct Write {
    pub(crate) table: usize,
    pub(crate) path: Arc<str>,
    /// `None` if deleted.
    pub(crate) row: Option<ErasedRow>,
    pub(crate) keys: Vec<IndexKey>,
}

impl Write {
    pub(crate) fn new(
        schema: &Schema,
        table: usize,
        path: Arc<str>,
        row: Option<ErasedRow>,
    ) -> Write {
        Write {
            keys: index_keys(schema, table, row.as_ref()),
            table,
            path,
            row,
        }
    }
}

/// The last write of each row, by table. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Overlay(Vec<OrdMap<Arc<str>, Arc<Write>>>);

impl Overlay {
    pub(crate) fn new(schema: &Schema) -> Overlay {
        Overlay(vec![OrdMap::new(); schema.tables().len()])
    }

    pub(crate) fn get(&self, table: usize, path: &str) -> Option<&Write> {
        self.0[table].get(path).map(Arc::as_ref)
    }

    pub(crate) fn put(&mut self, write: Arc<Write>) {
        self.0[write.table].insert(write.path.clone(), write);
    }

    /// Every write, ordered by table and path.
    pub(crate) fn writes(&self) -> impl Iterator<Item = &Arc<Write>> {
        self.0.iter().flat_map(OrdMap::values)
    }

    fn table(&self, table: usize) -> impl Iterator<Item = &Write> {
        self.0[table].values().map(Arc::as_ref)
    }
}

/// The newest validated rows: a durable version and what was committed since.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) base: Arc<State>,
    pub(crate) revision: Revision,
    pub(crate) pending: Overlay,
}

impl View {
    pub(crate) fn new(base: Arc<State>) -> View {
        View {
            revision: base.revision,
            pending: Overlay::new(&base.schema),
            base,
        }
    }

    pub(crate) fn row(&self, table: usize, path: &str) -> Option<&ErasedRow> {
        match self.pending.get(table, path) {
            Some(write) => write.row.as_ref(),
            None => self.base.row(table, path),
        }
    }

    /// The rows under a prefix with `own` writes over them, in no order.
    pub(crate) fn scan<'a, T: Table>(
        &'a self,
        own: &'a Overlay,
        prefix: &'a impl Prefix<T::Key>,
    ) -> impl Iterator<Item = &'a ErasedRow> {
        let table = self.base.schema.position::<T>();
        let path = prefix.path();
        let kept = self.base.under(table, path.clone());
        self.merge(own, table, kept, move |write| write.path.starts_with(&path))
    }

    /// The rows under an index key with `own` writes over them, in no order.
    pub(crate) fn lookup<'a>(
        &'a self,
        own: &'a Overlay,
        table: usize,
        key: IndexKey,
    ) -> impl Iterator<Item = &'a ErasedRow> {
        let kept = self.base.indexed(table, key);
        self.merge(own, table, kept, move |write| write.keys.contains(&key))
    }

    fn merge<'a>(
        &'a self,
        own: &'a Overlay,
        table: usize,
        kept: impl Iterator<Item = &'a ErasedRow>,
        wanted: impl Fn(&Write) -> bool,
    ) -> impl Iterator<Item = &'a ErasedRow> {
        let pending = self.pending.table(table);
        let pending = pending.filter(move |write| own.get(table, &write.path).is_none());
        let written = own
            .table(table)
            .chain(pending)
            .filter(move |write| wanted(write));
        let kept = kept.filter(move |row| {
            own.get(table, row.path()).is_none() && self.pending.get(table, row.path()).is_none()
        });
        kept.chain(written.filter_map(|write| write.row.as_ref()))
    }
}
