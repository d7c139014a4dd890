//! Following the store.

use crate::support::*;
use store::{HistoryLimit, Options, Revision, Store, WatchEvent};

async fn put(store: &Store, n: u64) {
    write(store, |tx| tx.put::<Items>(key("a", "1"), item("g", n)))
        .await
        .unwrap();
}

async fn changes(watch: &mut store::Watch) -> (Revision, Option<u64>, Option<u64>) {
    match watch.next().await {
        Some(WatchEvent::Changes(set)) => {
            let change = &set.changes[0];
            assert!(change.is::<Items>() && change.table() == "items" && change.path() == "a/1");
            assert!(change.after::<Marks>().is_none());
            let size = |row: std::sync::Arc<store::Row<Items>>| row.value.size;
            (
                set.revision,
                change.before::<Items>().map(size),
                change.after::<Items>().map(size),
            )
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_change_in_order_with_before_and_after_then_the_end() {
    let store = Store::in_memory(schema(), Options::default());
    let mut watch = store.watch(Revision(0));
    put(&store, 1).await;
    put(&store, 2).await;
    assert_eq!(changes(&mut watch).await, (Revision(1), None, Some(1)));
    let mut late = store.watch(Revision(1));
    assert_eq!(changes(&mut late).await, (Revision(2), Some(1), Some(2)));
    let following = tokio::spawn(async move {
        let event = changes(&mut watch).await;
        (event, changes(&mut watch).await, watch)
    });
    write(&store, |tx| tx.delete::<Items>(&key("a", "1")))
        .await
        .unwrap();
    let (second, third, mut watch) = following.await.unwrap();
    assert_eq!(second, (Revision(2), Some(1), Some(2)));
    assert_eq!(third, (Revision(3), Some(2), None));
    store.close().await;
    assert!(watch.next().await.is_none());
    assert_eq!(watch.seen(), Revision(3));
}

#[tokio::test]
async fn who_fell_out_of_history_starts_over_from_a_snapshot() {
    for limit in [
        HistoryLimit {
            change_sets: 3,
            bytes: 1 << 20,
        },
        // Each change set is about 40 bytes of JSON.
        HistoryLimit {
            change_sets: 1_000,
            bytes: 160,
        },
    ] {
        let store = Store::in_memory(
            schema(),
            Options {
                history: limit,
                ..Options::default()
            },
        );
        let mut watch = store.watch(Revision(0));
        for n in 1..=10 {
            put(&store, n).await;
        }
        match watch.next().await {
            Some(WatchEvent::Reset(snapshot)) => assert_eq!(snapshot.revision(), Revision(10)),
            other => panic!("{other:?}"),
        }
        put(&store, 11).await;
        assert_eq!(
            changes(&mut watch).await,
            (Revision(11), Some(10), Some(11))
        );
        let mut recent = store.watch(Revision(9));
        assert_eq!(
            changes(&mut recent).await,
            (Revision(10), Some(9), Some(10))
        );
    }
}

#[tokio::test]
async fn a_restart_resets_who_is_behind_and_resumes_who_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    put(&store, 1).await;
    put(&store, 2).await;
    drop(store);
    let store = open(dir.path()).unwrap();
    for from in [Revision(0), Revision(1), Revision(7)] {
        match store.watch(from).next().await {
            Some(WatchEvent::Reset(snapshot)) => assert_eq!(snapshot.revision(), Revision(2)),
            other => panic!("from {from}: {other:?}"),
        }
    }
    let mut current = store.watch(Revision(2));
    put(&store, 3).await;
    assert_eq!(changes(&mut current).await, (Revision(3), Some(2), Some(3)));
}
