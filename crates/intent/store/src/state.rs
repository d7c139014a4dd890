//! The whole content of the store at one revision, as persistent maps: a clone shares everything, a change copies a
//! path. Durable versions are made by folding a group of writes at once, so that they share the copying. Does no I/O.

use crate::overlay::Write;
use crate::table::{ErasedRow, KeyHash, Schema, typed};
use crate::{Key, Prefix, Revision, Row, Table};
use imbl::{OrdMap, OrdSet};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) schema: Arc<Schema>,
    pub(crate) revision: Revision,
    tables: Vec<Arc<TableState>>,
}

#[derive(Clone, Default)]
struct TableState {
    rows: OrdMap<Arc<str>, ErasedRow>,
    /// In the order of the table's declared indexes.
    indexes: Vec<OrdSet<IndexEntry>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct IndexEntry {
    key: KeyHash,
    path: Arc<str>,
}

impl State {
    pub(crate) fn empty(schema: Arc<Schema>) -> State {
        let tables = schema
            .tables()
            .iter()
            .map(|table| {
                Arc::new(TableState {
                    rows: OrdMap::new(),
                    indexes: vec![OrdSet::new(); table.indexes.len()],
                })
            })
            .collect();
        State {
            schema,
            revision: Revision(0),
            tables,
        }
    }

    pub(crate) fn row(&self, table: usize, path: &str) -> Option<&ErasedRow> {
        self.tables[table].rows.get(path)
    }

    /// Every row of a table in key order.
    pub(crate) fn rows(&self, table: usize) -> impl ExactSizeIterator<Item = &ErasedRow> {
        self.tables[table].rows.values()
    }

    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> Option<Arc<Row<T>>> {
        self.row(self.schema.position::<T>(), &key.encode())
            .and_then(typed)
    }

    pub(crate) fn len<T: Table>(&self) -> usize {
        self.tables[self.schema.position::<T>()].rows.len()
    }

    pub(crate) fn scan<T: Table>(&self, prefix: impl Prefix<T::Key>) -> Scan<'_, T> {
        let table = &self.tables[self.schema.position::<T>()];
        let prefix = prefix.path();
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        Scan {
            rows: table.rows.range::<_, str>(from),
            prefix,
            table: PhantomData,
        }
    }

    /// The rows of a table under a path prefix, ordered by path.
    pub(crate) fn under(&self, table: usize, prefix: String) -> impl Iterator<Item = &ErasedRow> {
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        self.tables[table]
            .rows
            .range::<_, str>(from)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(_, row)| row)
    }

    pub(crate) fn lookup<T: Table>(
        &self,
        index: &str,
        key: &str,
    ) -> impl Iterator<Item = Arc<Row<T>>> + use<'_, T> {
        let table = self.schema.position::<T>();
        let key = (
            index_position(&self.schema, table, index),
            self.schema.hash_key(key),
        );
        self.indexed(table, key).filter_map(typed)
    }

    /// The rows of a table under an index key, ordered by path.
    pub(crate) fn indexed(
        &self,
        table: usize,
        (index, key): IndexKey,
    ) -> impl Iterator<Item = &ErasedRow> + use<'_> {
        let table = &self.tables[table];
        let from = IndexEntry {
            key,
            path: "".into(),
        };
        table.indexes[index]
            .range(from..)
            .take_while(move |entry| entry.key == key)
            .filter_map(|entry| table.rows.get(&entry.path))
    }

    /// Puts or removes a row and keeps the table's indexes in step.
    pub(crate) fn apply(&mut self, write: &Write) {
        let Write {
            table, path, row, ..
        } = write;
        let state = Arc::make_mut(&mut self.tables[*table]);
        let old = match row {
            Some(row) => state.rows.insert(path.clone(), row.clone()),
            None => state.rows.remove(path.as_ref()),
        };
        let before = index_keys(&self.schema, *table, old.as_ref());
        let after = &write.keys;
        let entry = |key: KeyHash| IndexEntry {
            key,
            path: path.clone(),
        };
        difference(&before, after, |(index, key)| {
            state.indexes[*index].remove(&entry(*key));
        });
        difference(after, &before, |(index, key)| {
            state.indexes[*index].insert(entry(*key));
        });
    }
}

/// The rows under a prefix, ordered by path.
pub struct Scan<'a, T: Table> {
    rows: imbl::ordmap::RangedIter<'a, Arc<str>, ErasedRow, imbl::shared_ptr::DefaultSharedPtr>,
    prefix: String,
    table: PhantomData<T>,
}

impl<T: Table> Iterator for Scan<'_, T> {
    type Item = Arc<Row<T>>;

    fn next(&mut self) -> Option<Arc<Row<T>>> {
        let (path, row) = self.rows.next()?;
        path.starts_with(&self.prefix).then(|| typed(row)).flatten()
    }
}

fn index_position(schema: &Schema, table: usize, index: &str) -> usize {
    let table = &schema.tables()[table];
    table
        .indexes
        .iter()
        .position(|name| *name == index)
        .unwrap_or_else(|| panic!("table {:?} declares no index {index:?}", table.name))
}

/// The position of an index among its table's, and the key there.
pub(crate) type IndexKey = (usize, KeyHash);

/// The index keys of a row, sorted and without repetition.
pub(crate) fn index_keys(schema: &Schema, table: usize, row: Option<&ErasedRow>) -> Vec<IndexKey> {
    let mut keys = Vec::new();
    if let Some(row) = row {
        row.index(&mut |index, key| {
            keys.push((index_position(schema, table, index), schema.hash_key(&key)));
        });
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Calls `each` for what is in sorted `a` and not in sorted `b`.
fn difference<K: Ord>(a: &[K], b: &[K], mut each: impl FnMut(&K)) {
    let mut b = b.iter().peekable();
    for key in a {
        while b.next_if(|other| *other < key).is_some() {}
        if b.peek().map(|other| (*other).cmp(key)) != Some(Ordering::Equal) {
            each(key);
        }
    }
}

pub(crate) fn index_position_of<T: Table>(schema: &Schema, index: &str) -> usize {
    index_position(schema, schema.position::<T>(), index)
}
