//! What conflicts with what. Each test lets one transaction commit while another is in the middle of its closure.

use crate::support::*;
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Exists, Options, Revision, Store, StoreError, TransactError, Tx};

/// Runs `first`, and in the middle of its first attempt `between` as a transaction of its own. Returns how often
/// `first` ran.
async fn runs<R>(
    store: &Store,
    first: impl Fn(&mut Tx) -> R + Send + Sync,
    between: fn(&mut Tx),
) -> (u32, R) {
    let attempts = AtomicU32::new(0);
    let committed = write(store, |tx| {
        let value = first(tx);
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            commit_elsewhere(store, between);
        }
        value
    });
    let value = committed.await.unwrap().value;
    (attempts.into_inner(), value)
}

fn commit_elsewhere(store: &Store, between: fn(&mut Tx)) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(write(store, between)).unwrap();
        });
    });
}

async fn filled() -> Store {
    let store = Store::in_memory(schema(), Options::default());
    write(&store, |tx| {
        tx.put::<Items>(key("a", "1"), item("red", 1));
        tx.put::<Items>(key("b", "1"), item("blue", 1));
    })
    .await
    .unwrap();
    store
}

fn result(tx: &mut Tx) {
    tx.put::<Marks>("result".to_owned(), ());
}

#[tokio::test]
async fn a_row_that_was_read() {
    let store = filled().await;
    let first = |tx: &mut Tx| {
        result(tx);
        tx.get::<Items>(&key("a", "1")).unwrap().value.size
    };
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("a", "1"), item("red", 9)))
    })
    .await;
    assert_eq!(outcome, (2, 9));
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("b", "1"), item("red", 5)))
    })
    .await;
    assert_eq!(outcome, (1, 9));
}

#[tokio::test]
async fn a_row_that_was_absent() {
    let store = filled().await;
    let first = |tx: &mut Tx| {
        result(tx);
        tx.get::<Items>(&key("a", "2")).is_some()
    };
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("a", "2"), item("red", 9)))
    })
    .await;
    assert_eq!(outcome, (2, true));
}

#[tokio::test]
async fn a_range_and_only_that_range() {
    let store = filled().await;
    let first = |tx: &mut Tx| {
        result(tx);
        tx.exists_any::<Items>(&"c".to_owned())
    };
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("cc", "1"), item("g", 0)))
    })
    .await;
    assert_eq!(outcome, (1, false));
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("c", "1"), item("g", 0)))
    })
    .await;
    assert_eq!(outcome, (2, true));
    let all = |tx: &mut Tx| {
        result(tx);
        tx.scan::<Items>(()).count()
    };
    let outcome = runs(&store, all, |tx| drop(tx.delete::<Items>(&key("c", "1")))).await;
    assert_eq!(outcome, (2, 3));
}

#[tokio::test]
async fn an_index_key_and_only_that_key() {
    let store = filled().await;
    let first = |tx: &mut Tx| {
        result(tx);
        tx.lookup::<Items>("group", "red")
            .map(|row| row.value.size)
            .sum::<u64>()
    };
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("x", "1"), item("green", 3)))
    })
    .await;
    assert_eq!(outcome, (1, 1));
    // Joins, changes within, leaves.
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("x", "1"), item("red", 3)))
    })
    .await;
    assert_eq!(outcome, (2, 4));
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("x", "1"), item("red", 5)))
    })
    .await;
    assert_eq!(outcome, (2, 6));
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("x", "1"), item("blue", 5)))
    })
    .await;
    assert_eq!(outcome, (2, 1));
}

#[tokio::test]
async fn a_row_that_was_written_blindly() {
    let store = filled().await;
    let first = |tx: &mut Tx| drop(tx.put::<Items>(key("n", "1"), item("mine", 1)));
    let outcome = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("n", "1"), item("yours", 1)))
    })
    .await;
    assert_eq!(outcome.0, 2);
    let snapshot = store.snapshot();
    assert_eq!(snapshot.lookup::<Items>("group", "yours").count(), 0);
    assert_eq!(snapshot.lookup::<Items>("group", "mine").count(), 1);
}

#[tokio::test]
async fn unique_keys_are_given_once() {
    let store = filled().await;
    let first = |tx: &mut Tx| tx.insert::<Marks>("10.0.0.5".to_owned(), ()).map(|_| ());
    let (attempts, outcome) = runs(&store, first, |tx| {
        drop(tx.insert::<Marks>("10.0.0.5".to_owned(), ()))
    })
    .await;
    assert_eq!(attempts, 2);
    assert_eq!(
        outcome,
        Err(Exists {
            table: "marks",
            key: "10.0.0.5".to_owned()
        })
    );
}

#[tokio::test]
async fn independent_transactions_all_stand() {
    let store = filled().await;
    let first = |tx: &mut Tx| drop(tx.put::<Items>(key("a", "7"), item("seven", 7)));
    let (attempts, ()) = runs(&store, first, |tx| {
        drop(tx.put::<Items>(key("a", "8"), item("eight", 8)))
    })
    .await;
    assert_eq!(attempts, 1);
    let snapshot = store.snapshot();
    assert_eq!(snapshot.revision(), Revision(3));
    assert_eq!(
        snapshot.get::<Items>(&key("a", "7")).unwrap().revision(),
        Revision(3)
    );
    assert_eq!(snapshot.lookup::<Items>("group", "seven").count(), 1);
    assert_eq!(snapshot.lookup::<Items>("group", "eight").count(), 1);
}

#[tokio::test]
async fn a_transaction_that_never_wins_is_told_so() {
    let options = Options {
        max_attempts: 3,
        ..Options::default()
    };
    let store = Store::in_memory(schema(), options);
    let outcome = write(&store, |tx| {
        let count = tx.scan::<Items>(()).count();
        commit_elsewhere(&store, |tx| {
            let next = tx.scan::<Items>(()).count().to_string();
            tx.put::<Items>(key("n", &next), item("g", 0));
        });
        tx.put::<Marks>(count.to_string(), ());
    })
    .await;
    assert!(matches!(outcome, Err(StoreError::Busy { attempts: 3, .. })));
    assert_eq!(store.snapshot().len::<Marks>(), 0);
}

#[tokio::test]
async fn a_refusal_and_an_empty_transaction_commit_nothing() {
    let store = filled().await;
    let refused = store.transact(|tx| {
        tx.put::<Marks>("lost".to_owned(), ());
        Err::<(), _>("no")
    });
    assert!(matches!(refused.await, Err(TransactError::Refused("no"))));
    let undone = write(&store, |tx| {
        tx.put::<Marks>("brief".to_owned(), ());
        assert!(tx.get::<Marks>(&"brief".to_owned()).is_some());
        tx.delete::<Marks>(&"brief".to_owned()).is_some()
    })
    .await
    .unwrap();
    assert!(undone.value);
    assert_eq!(undone.revision, Revision(1));
    assert_eq!(store.snapshot().revision(), Revision(1));
    assert_eq!(store.snapshot().len::<Marks>(), 0);
}
