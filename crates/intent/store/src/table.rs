//! Tables: what kinds of rows the store keeps, how each is keyed and found, and the row itself. Tables are declared
//! by their users; this module never knows what a row means.

use crate::{Key, Revision};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, TypeId};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A kind of rows. Implemented by a marker type: `enum Ports {}`.
pub trait Table: Send + Sync + 'static {
    /// The first segment of every row's path on disk, such as `ports`. Never changes once rows were written.
    const NAME: &'static str;
    /// The names of the lookups that [`Table::index`] derives. They are not stored and may change freely.
    const INDEXES: &'static [&'static str] = &[];
    type Key: Key;
    /// Stored as JSON. To stay readable across versions, new fields carry `#[serde(default)]`.
    type Value: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Emits every (index name, lookup key) under which the row is found. Must depend on nothing but the value.
    fn index(_value: &Self::Value, _emit: &mut dyn FnMut(&'static str, String)) {}
}

/// One version of a row. Immutable and shared: reading hands out `Arc<Row<T>>`.
pub struct Row<T: Table> {
    pub key: T::Key,
    pub value: T::Value,
    path: Arc<str>,
    /// Set at commit, when the row is already shared with the transaction that wrote it.
    revision: AtomicU64,
    memo: OnceLock<Bytes>,
}

impl<T: Table> Row<T> {
    pub(crate) fn new(path: Arc<str>, key: T::Key, value: T::Value, revision: Revision) -> Row<T> {
        Row {
            key,
            value,
            path,
            revision: AtomicU64::new(revision.0),
            memo: OnceLock::new(),
        }
    }

    /// The revision that wrote this version; 0 while its transaction has not committed.
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// The key as text, without the table's name.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Computes something from the row once per version, such as its rendered JSON, and keeps it with the row.
    /// One row has one memo: every caller must ask for the same thing.
    pub fn memo(&self, render: impl FnOnce(&Row<T>) -> Bytes) -> &Bytes {
        self.memo.get_or_init(|| render(self))
    }
}

impl<T: Table> std::fmt::Debug for Row<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may hold secrets; the key says which row it is.
        write!(f, "{}/{}@{}", T::NAME, self.path, self.revision())
    }
}

/// A row of a table known only at run time.
pub(crate) trait AnyRow: Any + Send + Sync {
    fn stamp(&self, revision: Revision);
    fn revision(&self) -> Revision;
    fn path(&self) -> &Arc<str>;
    fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()>;
    fn index(&self, emit: &mut dyn FnMut(&'static str, String));
}

pub(crate) type ErasedRow = Arc<dyn AnyRow>;

impl<T: Table> AnyRow for Row<T> {
    fn stamp(&self, revision: Revision) {
        self.revision.store(revision.0, Ordering::Release);
    }

    fn revision(&self) -> Revision {
        Row::revision(self)
    }

    fn path(&self) -> &Arc<str> {
        &self.path
    }

    fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(out, &self.value)
    }

    fn index(&self, emit: &mut dyn FnMut(&'static str, String)) {
        T::index(&self.value, emit);
    }
}

pub(crate) fn typed<T: Table>(row: &ErasedRow) -> Option<Arc<Row<T>>> {
    let any: Arc<dyn Any + Send + Sync> = row.clone();
    any.downcast().ok()
}

pub(crate) type DecodeRow = fn(Arc<str>, Revision, &str) -> Result<ErasedRow, DecodeProblem>;

/// Why a stored row is none of its table's.
pub(crate) enum DecodeProblem {
    Key,
    Value(serde_json::Error),
}

fn decode_row<T: Table>(
    path: Arc<str>,
    revision: Revision,
    json: &str,
) -> Result<ErasedRow, DecodeProblem> {
    let key = T::Key::decode(&path).ok_or(DecodeProblem::Key)?;
    let value = serde_json::from_str(json).map_err(DecodeProblem::Value)?;
    Ok(Arc::new(Row::<T>::new(path, key, value, revision)))
}

pub(crate) struct TableInfo {
    pub(crate) name: &'static str,
    pub(crate) indexes: &'static [&'static str],
    pub(crate) decode: DecodeRow,
    type_id: TypeId,
}

/// The tables of a store. Opening a store that holds rows of a table missing here is refused.
#[derive(Default)]
pub struct Schema {
    tables: Vec<TableInfo>,
    hashers: [RandomState; 2],
}

/// Stands for an index key: 128 bits of keyed hash, unknown outside the process, so two keys never share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyHash(u64, u64);

impl Schema {
    pub fn new() -> Schema {
        Schema::default()
    }

    /// Adds a table.
    ///
    /// # Panics
    /// If the name is taken or holds a `/`: a mistake in the program, found at its first start.
    pub fn table<T: Table>(mut self) -> Schema {
        assert!(
            !T::NAME.is_empty() && !T::NAME.contains('/') && self.find(T::NAME).is_none(),
            "table name {:?} is empty, holds a '/' or is taken",
            T::NAME
        );
        self.tables.push(TableInfo {
            name: T::NAME,
            indexes: T::INDEXES,
            decode: decode_row::<T>,
            type_id: TypeId::of::<T>(),
        });
        self
    }

    pub(crate) fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    pub(crate) fn hash_key(&self, key: &str) -> KeyHash {
        let [high, low] = &self.hashers;
        KeyHash(high.hash_one(key), low.hash_one(key))
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }

    pub(crate) fn position<T: Table>(&self) -> usize {
        let id = TypeId::of::<T>();
        self.tables
            .iter()
            .position(|table| table.type_id == id)
            .unwrap_or_else(|| panic!("table {:?} is not in the schema", T::NAME))
    }
}
