//! kill -9 at any moment: a process writes and says what was acknowledged; it is killed; everything it said is there,
//! and nothing is half there.

use crate::support::*;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use store::{Options, Store};

const DIR: &str = "STORE_CRASH_TEST_DIR";
const TASKS: u64 = 6;
const KEPT: u64 = 10;

/// Small, so that kills also hit checkpoints.
fn options() -> Options {
    Options {
        checkpoint_bytes: 20_000,
        ..Options::default()
    }
}

/// Not a test of its own: the process that `every_acknowledged_write_survives_kill_9` starts and kills.
#[test]
fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir), schema(), options()).unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(write_forever(store.clone(), task)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Each transaction moves the task's counter and writes and deletes a pair of rows with it.
async fn write_forever(store: Store, task: u64) {
    let task = task.to_string();
    loop {
        let step = write(&store, |tx| {
            let counter = key("counter", &task);
            let step = tx.get::<Items>(&counter).map_or(0, |row| row.value.size) + 1;
            tx.put::<Items>(counter, item("counter", step));
            tx.put::<Items>(key(&task, &step.to_string()), item("pair", step));
            tx.put::<Marks>(format!("{task}-{step}"), ());
            if step > KEPT {
                tx.delete::<Items>(&key(&task, &(step - KEPT).to_string()));
                tx.delete::<Marks>(&format!("{task}-{}", step - KEPT));
            }
            step
        });
        let step = step.await.unwrap().value;
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {task} {step}").unwrap();
        out.flush().unwrap();
    }
}

/// Starts the victim, kills it after it acknowledged `writes`, and returns the last step each task acknowledged.
fn run_and_kill(dir: &Path, writes: usize) -> HashMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::victim", "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = HashMap::new();
    let mut seen = 0;
    for line in out.lines() {
        let line = line.unwrap();
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "acknowledged")
            .skip(1);
        let (Some(task), Some(step)) = (words.next(), words.next()) else {
            continue;
        };
        // The kill may cut the last line short.
        let Ok(step) = step.parse() else { continue };
        acknowledged.insert(task.to_owned(), step);
        seen += 1;
        if seen == writes {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(
        seen >= writes,
        "the victim ended by itself after {seen} writes"
    );
    acknowledged
}

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..25_usize {
        let acknowledged = run_and_kill(dir.path(), 1 + round * 37 % 400);
        let store = Store::open(dir.path(), schema(), options()).unwrap();
        let snapshot = store.snapshot();
        let mut rows = 0;
        for counter in snapshot.scan::<Items>(&"counter".to_owned()) {
            let (task, step) = (&counter.key.1, counter.value.size);
            assert!(
                step >= acknowledged.get(task).copied().unwrap_or(0),
                "round {round}, task {task}"
            );
            for kept in step.saturating_sub(KEPT) + 1..=step {
                let pair: Option<Arc<_>> = snapshot.get::<Items>(&key(task, &kept.to_string()));
                assert_eq!(pair.unwrap().value.size, kept);
                assert!(snapshot.get::<Marks>(&format!("{task}-{kept}")).is_some());
                rows += 1;
            }
        }
        assert!(
            acknowledged
                .keys()
                .all(|task| snapshot.get::<Items>(&key("counter", task)).is_some())
        );
        assert_eq!(snapshot.lookup::<Items>("group", "pair").count(), rows);
        assert_eq!(snapshot.len::<Marks>(), rows);
    }
}
