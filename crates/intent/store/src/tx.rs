//! A transaction: reads and writes on a private working version, with a record of everything it relied on. What it
//! relied on is kept as *claims*: hashes of a key, a range or an index key. A commit publishes the claims its writes
//! touch; a transaction is valid if nothing it claimed was touched since its base. A hash collision costs a retry,
//! never correctness.

use crate::overlay::{Overlay, View, Write};
use crate::state::{IndexKey, index_keys, index_position_of};
use crate::table::{ErasedRow, typed};
use crate::watch::Change;
use crate::{Exists, Key, Prefix, Revision, Row, StoreError, Table};
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// See [`crate::Store::transact`]. Reads see the transaction's own writes.
pub struct Tx {
    base: View,
    own: Overlay,
    hasher: RandomState,
    reads: RefCell<Vec<Claim>>,
}

/// Something a transaction can rely on or touch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim(u64);

#[derive(Hash)]
enum Subject<'a> {
    Row(usize, &'a str),
    /// Every row under a prefix, present or not.
    Range(usize, &'a str),
    Index(usize, IndexKey),
}

/// A transaction ready to commit; everything costly is already done.
pub(crate) struct Prepared {
    pub(crate) base: Revision,
    pub(crate) writes: Vec<Arc<Write>>,
    pub(crate) reads: Vec<Claim>,
    pub(crate) touched: Vec<Claim>,
    pub(crate) changes: Vec<Change>,
    /// The JSON array of `[path, value]` (written) and `[path]` (deleted), as it goes to disk.
    pub(crate) json: Vec<u8>,
}

impl Tx {
    pub(crate) fn new(base: View, hasher: RandomState) -> Tx {
        Tx {
            own: Overlay::new(&base.base.schema),
            base,
            hasher,
            reads: RefCell::default(),
        }
    }

    /// The revision the transaction reads from: the last one committed before it began.
    pub fn snapshot_revision(&self) -> Revision {
        self.base.revision
    }

    pub fn get<T: Table>(&self, key: &T::Key) -> Option<Arc<Row<T>>> {
        let path = key.encode();
        self.rely(Subject::Row(self.table::<T>(), &path));
        self.row(self.table::<T>(), &path).and_then(typed)
    }

    fn row(&self, table: usize, path: &str) -> Option<&ErasedRow> {
        match self.own.get(table, path) {
            Some(write) => write.row.as_ref(),
            None => self.base.row(table, path),
        }
    }

    /// The rows under `prefix`, ordered by path. Any change to them, and any new row among them, is a conflict.
    pub fn scan<T: Table>(&self, prefix: impl Prefix<T::Key>) -> std::vec::IntoIter<Arc<Row<T>>> {
        self.rely(Subject::Range(self.table::<T>(), &prefix.path()));
        in_order(self.base.scan::<T>(&self.own, &prefix))
    }

    /// Whether any row is under `prefix`. Conflicts like [`Tx::scan`].
    pub fn exists_any<T: Table>(&self, prefix: impl Prefix<T::Key>) -> bool {
        self.rely(Subject::Range(self.table::<T>(), &prefix.path()));
        self.base.scan::<T>(&self.own, &prefix).next().is_some()
    }

    /// The rows under an index key, ordered by path. A change to one of them, and any row that joins or leaves
    /// them, is a conflict.
    ///
    /// # Panics
    /// If the table declares no such index.
    pub fn lookup<T: Table>(&self, index: &str, key: &str) -> std::vec::IntoIter<Arc<Row<T>>> {
        let table = self.table::<T>();
        let schema = &self.base.base.schema;
        let key = (index_position_of::<T>(schema, index), schema.hash_key(key));
        self.rely(Subject::Index(table, key));
        in_order(self.base.lookup(&self.own, table, key))
    }

    /// Adds a row whose key must be free.
    pub fn insert<T: Table>(
        &mut self,
        key: T::Key,
        value: T::Value,
    ) -> Result<Arc<Row<T>>, Exists> {
        let path = key.encode();
        if self.row(self.table::<T>(), &path).is_some() {
            self.rely(Subject::Row(self.table::<T>(), &path));
            return Err(Exists {
                table: T::NAME,
                key: path,
            });
        }
        Ok(self.put(key, value))
    }

    /// Adds or replaces a row.
    pub fn put<T: Table>(&mut self, key: T::Key, value: T::Value) -> Arc<Row<T>> {
        let path: Arc<str> = key.encode().into();
        let row = Arc::new(Row::new(path.clone(), key, value, Revision(0)));
        self.write(self.table::<T>(), path, Some(row.clone()));
        row
    }

    /// Removes a row and returns it; `None` if there is none.
    pub fn delete<T: Table>(&mut self, key: &T::Key) -> Option<Arc<Row<T>>> {
        let old = self.get::<T>(key)?;
        self.write(self.table::<T>(), key.encode().into(), None);
        Some(old)
    }

    fn write(&mut self, table: usize, path: Arc<str>, row: Option<ErasedRow>) {
        // A write relies on what it replaces, so the `before` of a change is always exact.
        self.rely(Subject::Row(table, &path));
        let write = Write::new(&self.base.base.schema, table, path, row);
        self.own.put(Arc::new(write));
    }

    fn table<T: Table>(&self) -> usize {
        self.base.base.schema.position::<T>()
    }

    fn rely(&self, subject: Subject<'_>) {
        self.reads.borrow_mut().push(self.claim(subject));
    }

    fn claim(&self, subject: Subject<'_>) -> Claim {
        Claim(self.hasher.hash_one(subject))
    }

    /// `None` if the transaction changes nothing.
    pub(crate) fn prepare(self) -> Result<Option<Prepared>, StoreError> {
        let schema = &self.base.base.schema;
        let mut touched = Vec::new();
        let mut changes = Vec::new();
        let mut writes = Vec::new();
        let mut json = vec![b'['];
        for write in self.own.writes() {
            let (table, path) = (write.table, &write.path);
            let before = self.base.row(table, path).cloned();
            if before.is_none() && write.row.is_none() {
                continue;
            }
            self.touch_row(table, path, &mut touched);
            let left = index_keys(schema, table, before.as_ref());
            self.touch_keys(table, &left, &mut touched);
            self.touch_keys(table, &write.keys, &mut touched);
            let name = schema.tables()[table].name;
            write_change(&mut json, name, path, write.row.as_ref())?;
            changes.push(Change::new(name, before, write.row.clone()));
            writes.push(write.clone());
        }
        if changes.is_empty() {
            return Ok(None);
        }
        json.push(b']');
        Ok(Some(Prepared {
            base: self.base.revision,
            writes,
            reads: self.reads.into_inner(),
            touched,
            changes,
            json,
        }))
    }

    fn touch_row(&self, table: usize, path: &str, touched: &mut Vec<Claim>) {
        touched.push(self.claim(Subject::Row(table, path)));
        touched.push(self.claim(Subject::Range(table, "")));
        for (end, _) in path.match_indices('/') {
            touched.push(self.claim(Subject::Range(table, &path[..=end])));
        }
    }

    fn touch_keys(&self, table: usize, keys: &[IndexKey], touched: &mut Vec<Claim>) {
        let claim = |key: &IndexKey| self.claim(Subject::Index(table, *key));
        touched.extend(keys.iter().map(claim));
    }
}

fn in_order<'a, T: Table>(
    rows: impl Iterator<Item = &'a ErasedRow>,
) -> std::vec::IntoIter<Arc<Row<T>>> {
    let mut rows: Vec<Arc<Row<T>>> = rows.filter_map(typed).collect();
    rows.sort_by(|a, b| a.path().cmp(b.path()));
    rows.into_iter()
}

fn write_change(
    json: &mut Vec<u8>,
    table: &'static str,
    path: &str,
    row: Option<&ErasedRow>,
) -> Result<(), StoreError> {
    if json.len() > 1 {
        json.push(b',');
    }
    json.push(b'[');
    let name = format!("{table}/{path}");
    let written = serde_json::to_writer(&mut *json, &name).and_then(|()| match row {
        Some(row) => {
            json.push(b',');
            row.write_json(json)
        }
        None => Ok(()),
    });
    written.map_err(|error| StoreError::Encode {
        table,
        key: path.to_owned(),
        problem: error.to_string(),
    })?;
    json.push(b']');
    Ok(())
}
