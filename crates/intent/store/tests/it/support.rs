//! Tables and shorthands of the tests.

use serde::{Deserialize, Serialize};
use std::path::Path;
use store::{Committed, Options, Schema, Store, StoreError, Table, TransactError, Tx};

/// Rows nested under a parent, found by group.
pub(crate) enum Items {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub group: String,
    pub size: u64,
}

impl Table for Items {
    const NAME: &'static str = "items";
    const INDEXES: &'static [&'static str] = &["group"];
    type Key = (String, String);
    type Value = Item;

    fn index(value: &Item, emit: &mut dyn FnMut(&'static str, String)) {
        emit("group", value.group.clone());
    }
}

/// Keys that only exist or not: their value is JSON `null`.
pub(crate) enum Marks {}

impl Table for Marks {
    const NAME: &'static str = "marks";
    type Key = String;
    type Value = ();
}

pub(crate) fn schema() -> Schema {
    Schema::new().table::<Items>().table::<Marks>()
}

pub(crate) fn open(dir: &Path) -> Result<Store, StoreError> {
    Store::open(dir, schema(), Options::default())
}

pub(crate) fn key(parent: &str, name: &str) -> (String, String) {
    (parent.to_owned(), name.to_owned())
}

pub(crate) fn item(group: &str, size: u64) -> Item {
    Item {
        group: group.to_owned(),
        size,
    }
}

/// A transaction whose closure cannot refuse.
pub(crate) async fn write<R>(
    store: &Store,
    f: impl Fn(&mut Tx) -> R + Send,
) -> Result<Committed<R>, StoreError> {
    let outcome = store.transact(move |tx| Ok::<R, std::convert::Infallible>(f(tx)));
    outcome.await.map_err(|error| match error {
        TransactError::Store(error) => error,
        TransactError::Refused(never) => match never {},
    })
}

/// Every item and mark as text, in order.
pub(crate) fn content(store: &Store) -> Vec<String> {
    let snapshot = store.snapshot();
    let items = snapshot
        .scan::<Items>(())
        .map(|row| format!("{}={:?}@{}", row.path(), row.value, row.revision()));
    let marks = snapshot
        .scan::<Marks>(())
        .map(|row| format!("{}@{}", row.path(), row.revision()));
    items.chain(marks).collect()
}
