//! Opening, closing and reading back.

use crate::support::*;
use bytes::Bytes;
use journal::JournalError;
use std::path::PathBuf;
use store::{Options, Revision, Schema, Store, StoreError, Table};

#[tokio::test]
async fn rows_come_back_with_their_revisions_and_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    write(&store, |tx| {
        tx.put::<Items>(key("a", "1/%\n"), item("red", 1));
        tx.put::<Items>(key("a", "2"), item("blue", 2));
        tx.put::<Items>(key("ab", "3"), item("red", 3));
        tx.put::<Marks>("m".to_owned(), ());
    })
    .await
    .unwrap();
    write(&store, |tx| {
        tx.put::<Items>(key("a", "2"), item("red", 4));
        tx.delete::<Marks>(&"m".to_owned())
    })
    .await
    .unwrap();
    write(&store, |tx| tx.put::<Marks>("kept".to_owned(), ()))
        .await
        .unwrap();
    let before = content(&store);
    store.close().await;

    let store = open(dir.path()).unwrap();
    assert_eq!(content(&store), before);
    let snapshot = store.snapshot();
    assert_eq!(snapshot.revision(), Revision(3));
    assert_eq!(snapshot.len::<Items>(), 3);
    assert_eq!(snapshot.scan::<Items>(&"a".to_owned()).count(), 2);
    let red: Vec<_> = snapshot
        .lookup::<Items>("group", "red")
        .map(|row| row.value.size)
        .collect();
    assert_eq!(red, [1, 4, 3]);
    assert_eq!(snapshot.lookup::<Items>("group", "blue").count(), 0);
    assert_eq!(snapshot.lookup::<Items>("group", "re").count(), 0);
    let row = snapshot.get::<Items>(&key("a", "1/%\n")).unwrap();
    assert_eq!(row.key.1, "1/%\n");
    assert_eq!(row.revision(), Revision(1));
    assert!(snapshot.get::<Marks>(&"m".to_owned()).is_none());
}

#[tokio::test]
async fn files_are_readable_lines() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    write(&store, |tx| {
        tx.put::<Items>(key("net", "port"), item("g", 7))
    })
    .await
    .unwrap();
    drop(store);
    let text = std::fs::read_to_string(dir.path().join("journal-00000000000000000000")).unwrap();
    assert!(
        text.contains(r#""rows":[["items/net/port",{"group":"g","size":7}]]"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let refusal = open(dir.path()).err().unwrap();
    assert!(
        matches!(&refusal, StoreError::Disk(JournalError::Locked { pid, .. }) if *pid == std::process::id().to_string())
    );
    assert!(
        refusal
            .to_string()
            .contains(&std::process::id().to_string())
    );
    drop(store);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_closed_store_refuses_transactions_and_keeps_its_snapshots() {
    let store = Store::in_memory(schema(), Options::default());
    let other = store.clone();
    write(&store, |tx| tx.put::<Marks>("m".to_owned(), ()))
        .await
        .unwrap();
    let snapshot = store.snapshot();
    store.close().await;
    let refusal = write(&other, |tx| tx.put::<Marks>("n".to_owned(), ()))
        .await
        .err()
        .unwrap();
    assert!(matches!(refusal, StoreError::Closed));
    assert!(snapshot.get::<Marks>(&"m".to_owned()).is_some());
}

#[tokio::test]
async fn what_was_queued_is_written_when_the_store_closes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                write(&store, |tx| tx.put::<Marks>(n.to_string(), ()))
                    .await
                    .is_ok()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut acknowledged = Vec::new();
    for (n, task) in writes.into_iter().enumerate() {
        if task.await.unwrap() {
            acknowledged.push(n.to_string());
        }
    }
    let snapshot = open(dir.path()).unwrap().snapshot();
    assert_eq!(snapshot.len::<Marks>(), acknowledged.len());
    assert!(
        acknowledged
            .iter()
            .all(|mark| snapshot.get::<Marks>(mark).is_some())
    );
}

#[tokio::test]
async fn checkpoints_replace_journals_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        checkpoint_bytes: 2_000,
        ..Options::default()
    };
    let store = Store::open(dir.path(), schema(), options).unwrap();
    for n in 0..200 {
        write(&store, |tx| {
            tx.put::<Items>(key("p", &(n % 7).to_string()), item("g", n))
        })
        .await
        .unwrap();
    }
    let before = content(&store);
    drop(store);
    let mut sizes: Vec<(PathBuf, u64)> = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        sizes.push((entry.path(), entry.metadata().unwrap().len()));
    }
    let checkpoints = sizes
        .iter()
        .filter(|(path, _)| path.to_string_lossy().contains("checkpoint-"));
    assert_eq!(checkpoints.count(), 1, "{sizes:?}");
    assert!(
        sizes.iter().map(|(_, size)| size).sum::<u64>() < 10_000,
        "{sizes:?}"
    );
    let store = open(dir.path()).unwrap();
    assert_eq!(content(&store), before);
    assert_eq!(store.snapshot().revision(), Revision(200));
}

#[tokio::test]
async fn readers_ignore_unknown_fields_and_name_rows_they_cannot_read() {
    enum Newer {}
    impl Table for Newer {
        const NAME: &'static str = "items";
        type Key = (String, String);
        type Value = serde_json::Value;
    }
    let dir = tempfile::tempdir().unwrap();
    let newer = || Schema::new().table::<Newer>().table::<Marks>();
    let store = Store::open(dir.path(), newer(), Options::default()).unwrap();
    write(&store, |tx| {
        tx.put::<Newer>(
            key("a", "1"),
            serde_json::json!({"group": "g", "size": 1, "colour": "red"}),
        )
    })
    .await
    .unwrap();
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(
        store.snapshot().get::<Items>(&key("a", "1")).unwrap().value,
        item("g", 1)
    );
    drop(store);

    let store = Store::open(dir.path(), newer(), Options::default()).unwrap();
    write(&store, |tx| {
        tx.put::<Newer>(key("a", "2"), serde_json::json!({"group": 5}))
    })
    .await
    .unwrap();
    drop(store);
    let refusal = open(dir.path()).err().unwrap();
    assert!(
        matches!(&refusal, StoreError::Decode { table: "items", key, .. } if key == "a/2"),
        "{refusal}"
    );
}

#[tokio::test]
async fn rows_of_an_unknown_table_are_not_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    write(&store, |tx| tx.put::<Marks>("m".to_owned(), ()))
        .await
        .unwrap();
    drop(store);
    let less = Store::open(
        dir.path(),
        Schema::new().table::<Items>(),
        Options::default(),
    );
    let refusal = less.err().unwrap();
    assert!(
        matches!(&refusal, StoreError::UnknownTable { table, key, .. } if table == "marks" && key == "m")
    );
}

#[tokio::test]
async fn a_memo_is_computed_once_per_version() {
    let store = Store::in_memory(schema(), Options::default());
    write(&store, |tx| tx.put::<Items>(key("a", "1"), item("g", 1)))
        .await
        .unwrap();
    let row = store.snapshot().get::<Items>(&key("a", "1")).unwrap();
    assert_eq!(row.memo(|row| Bytes::from(row.value.size.to_string())), "1");
    let again = store.snapshot().get::<Items>(&key("a", "1")).unwrap();
    assert_eq!(again.memo(|_| unreachable!()), "1");
    write(&store, |tx| tx.put::<Items>(key("a", "1"), item("g", 2)))
        .await
        .unwrap();
    let newer = store.snapshot().get::<Items>(&key("a", "1")).unwrap();
    assert_eq!(
        newer.memo(|row| Bytes::from(row.value.size.to_string())),
        "2"
    );
}
