//! Concurrent histories against a serial model: replaying the transactions in the order of their revisions on plain
//! maps must explain everything each of them read, what watchers saw, and the final rows, before and after reopening.

use crate::support::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{Revision, Store, Tx, WatchEvent};

#[derive(Debug, Clone)]
enum Op {
    Get(u8, u8),
    Scan(u8),
    ScanAll,
    Lookup(u8),
    Insert(u8, u8, u8),
    Put(u8, u8, u8),
    Delete(u8, u8),
}

type Model = BTreeMap<(String, String), Item>;

fn name(n: u8) -> String {
    n.to_string()
}

/// Performs the operation and tells what it showed.
fn perform(tx: &mut Tx, op: &Op, stamp: u64) -> String {
    let sizes = |rows: std::vec::IntoIter<std::sync::Arc<store::Row<Items>>>| {
        format!(
            "{:?}",
            rows.map(|row| (row.key.clone(), row.value.clone()))
                .collect::<Vec<_>>()
        )
    };
    match op {
        Op::Get(p, n) => format!(
            "{:?}",
            tx.get::<Items>(&(name(*p), name(*n)))
                .map(|row| row.value.clone())
        ),
        Op::Scan(p) => sizes(tx.scan::<Items>(&name(*p))),
        Op::ScanAll => sizes(tx.scan::<Items>(())),
        Op::Lookup(g) => sizes(tx.lookup::<Items>("group", &name(*g))),
        Op::Insert(p, n, g) => {
            format!(
                "{}",
                tx.insert::<Items>((name(*p), name(*n)), item(&name(*g), stamp))
                    .is_ok()
            )
        }
        Op::Put(p, n, g) => {
            tx.put::<Items>((name(*p), name(*n)), item(&name(*g), stamp));
            String::new()
        }
        Op::Delete(p, n) => {
            format!(
                "{:?}",
                tx.delete::<Items>(&(name(*p), name(*n)))
                    .map(|row| row.value.clone())
            )
        }
    }
}

/// The same on the model.
fn expect(model: &mut Model, op: &Op, stamp: u64) -> String {
    let matching = |model: &Model, keep: &dyn Fn(&(String, String), &Item) -> bool| {
        let rows = model.iter().filter(|(key, value)| keep(key, value));
        format!(
            "{:?}",
            rows.map(|(key, value)| (key.clone(), value.clone()))
                .collect::<Vec<_>>()
        )
    };
    match op {
        Op::Get(p, n) => format!("{:?}", model.get(&(name(*p), name(*n))).cloned()),
        Op::Scan(p) => matching(model, &|key, _| key.0 == name(*p)),
        Op::ScanAll => matching(model, &|_, _| true),
        Op::Lookup(g) => matching(model, &|_, value| value.group == name(*g)),
        Op::Insert(p, n, g) => {
            let free = !model.contains_key(&(name(*p), name(*n)));
            if free {
                model.insert((name(*p), name(*n)), item(&name(*g), stamp));
            }
            format!("{free}")
        }
        Op::Put(p, n, g) => {
            model.insert((name(*p), name(*n)), item(&name(*g), stamp));
            String::new()
        }
        Op::Delete(p, n) => format!("{:?}", model.remove(&(name(*p), name(*n)))),
    }
}

struct Done {
    revision: Revision,
    base: Revision,
    ops: Vec<Op>,
    stamp: u64,
    shown: Vec<String>,
}

async fn run(store: Store, task: u64, transactions: Vec<Vec<Op>>) -> Vec<Done> {
    let mut done = Vec::new();
    for (position, ops) in transactions.into_iter().enumerate() {
        let stamp = task * 1_000 + position as u64;
        let committed = write(&store, |tx| {
            let show = |op| {
                // Invites the other tasks in between.
                std::thread::yield_now();
                perform(tx, op, stamp)
            };
            let shown: Vec<String> = ops.iter().map(show).collect();
            (tx.snapshot_revision(), shown)
        });
        let committed = committed.await.unwrap();
        let (base, shown) = committed.value;
        done.push(Done {
            revision: committed.revision,
            base,
            ops,
            stamp,
            shown,
        });
    }
    done
}

/// The rows after each revision, as the watch tells them.
async fn watched(store: &Store, until: Revision) -> Vec<Model> {
    let mut models = vec![Model::new()];
    let mut watch = store.watch(Revision(0));
    while watch.seen() < until {
        let Some(WatchEvent::Changes(set)) = watch.next().await else {
            panic!("no gap was expected")
        };
        let mut model = models.last().unwrap().clone();
        assert_eq!(set.revision.0, models.len() as u64);
        for change in &set.changes {
            let before = change
                .before::<Items>()
                .map(|row| (row.key.clone(), row.value.clone()));
            let after = change.after::<Items>();
            let key = after
                .as_ref()
                .map(|row| row.key.clone())
                .or(before.as_ref().map(|(key, _)| key.clone()));
            let key = key.unwrap();
            let old = match &after {
                Some(row) => {
                    assert_eq!(row.revision(), set.revision);
                    model.insert(key, row.value.clone())
                }
                None => model.remove(&key),
            };
            assert_eq!(old, before.map(|(_, value)| value));
        }
        models.push(model);
    }
    models
}

fn final_rows(store: &Store) -> Model {
    store
        .snapshot()
        .scan::<Items>(())
        .map(|row| (row.key.clone(), row.value.clone()))
        .collect()
}

async fn check(tasks: Vec<Vec<Vec<Op>>>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let running: Vec<_> = tasks
        .into_iter()
        .enumerate()
        .map(|(task, transactions)| tokio::spawn(run(store.clone(), task as u64, transactions)))
        .collect();
    let mut history = Vec::new();
    for task in running {
        history.extend(task.await.unwrap());
    }
    let last = store.snapshot().revision();
    let models = watched(&store, last).await;
    let mut writers = 0;
    for done in &history {
        // A writer comes right before its revision; one that wrote nothing saw exactly its base.
        let wrote = models.len() > 1 && done.revision > done.base;
        let before = if wrote {
            done.revision.0 - 1
        } else {
            done.revision.0
        };
        let mut model = models[before as usize].clone();
        for (op, shown) in done.ops.iter().zip(&done.shown) {
            assert_eq!(
                *shown,
                expect(&mut model, op, done.stamp),
                "{op:?} at {}",
                done.revision
            );
        }
        let after = if wrote { done.revision.0 } else { before };
        assert_eq!(
            model, models[after as usize],
            "rows after {}",
            done.revision
        );
        writers += u64::from(wrote);
    }
    assert_eq!(writers, last.0, "one revision per writing transaction");
    assert_eq!(final_rows(&store), *models.last().unwrap());
    drop(store);
    assert_eq!(
        final_rows(&open(dir.path()).unwrap()),
        *models.last().unwrap()
    );
}

fn op() -> impl Strategy<Value = Op> {
    let (p, n, g) = (0..3_u8, 0..4_u8, 0..3_u8);
    prop_oneof![
        3 => (p.clone(), n.clone()).prop_map(|(p, n)| Op::Get(p, n)),
        1 => p.clone().prop_map(Op::Scan),
        1 => Just(Op::ScanAll),
        1 => g.clone().prop_map(Op::Lookup),
        3 => (p.clone(), n.clone(), g.clone()).prop_map(|(p, n, g)| Op::Insert(p, n, g)),
        2 => (p.clone(), n.clone(), g).prop_map(|(p, n, g)| Op::Put(p, n, g)),
        3 => (p, n).prop_map(|(p, n)| Op::Delete(p, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn concurrent_histories_are_serial_in_the_order_of_their_revisions(
        tasks in prop::collection::vec(prop::collection::vec(prop::collection::vec(op(), 1..6), 1..12), 2..6)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(check(tasks));
    }
}
