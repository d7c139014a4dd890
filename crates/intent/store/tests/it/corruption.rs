//! Damaged files: every damage is an error that names the file; nothing acknowledged is ever silently missing.

use crate::support::*;
use journal::JournalError;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use store::{Options, Store, StoreError};

/// A closed store with a checkpoint and a journal after it.
async fn build(dir: &Path) -> Vec<String> {
    let options = Options {
        checkpoint_bytes: 3_000,
        ..Options::default()
    };
    let store = Store::open(dir, schema(), options).unwrap();
    for n in 0..60 {
        write(&store, |tx| {
            tx.put::<Items>(key("p", &(n % 20).to_string()), item("g", n))
        })
        .await
        .unwrap();
    }
    drop(store);
    // Reopening with a larger limit leaves the journal alone.
    let store = open(dir).unwrap();
    for n in 0..10 {
        write(&store, |tx| tx.put::<Marks>(n.to_string(), ()))
            .await
            .unwrap();
    }
    content(&store)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.file_name().unwrap() != "LOCK");
    files.sort();
    files
}

fn file_starting(dir: &Path, start: &str) -> PathBuf {
    let named = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(start)
    };
    files(dir).into_iter().rfind(named).unwrap()
}

#[track_caller]
fn assert_named(dir: &Path, path: &Path, damage: &str) {
    match open(dir) {
        Err(error) => {
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(error.to_string().contains(&*name), "{damage}: {error}");
        }
        Ok(store) => panic!("{damage} went unnoticed; {} rows", content(&store).len()),
    }
}

#[tokio::test]
async fn any_flipped_bit_and_any_cut_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let before = build(dir.path()).await;
    let files = files(dir.path());
    assert_eq!(files.len(), 3, "{files:?}");
    for path in &files {
        let good = fs::read(path).unwrap();
        let step = (good.len() / 150).max(1);
        for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(path, &bad).unwrap();
            assert_named(dir.path(), path, &format!("bit {} of byte {at}", at % 8));
            fs::write(path, &good[..at]).unwrap();
            assert_named(dir.path(), path, &format!("cut at {at}"));
        }
        fs::write(path, &good).unwrap();
    }
    assert_eq!(content(&open(dir.path()).unwrap()), before);
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path()).await;
    let journal = file_starting(dir.path(), "journal");
    let good = fs::read(&journal).unwrap();
    fs::remove_file(&journal).unwrap();
    assert_named(dir.path(), &journal, "removal");
    fs::write(&journal, good).unwrap();
    fs::remove_file(file_starting(dir.path(), "checkpoint")).unwrap();
    assert_named(
        dir.path(),
        Path::new("journal-00000000000000000000"),
        "removal of the checkpoint",
    );
}

#[tokio::test]
async fn lines_lost_or_swapped_whole_are_found() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path()).await;
    let journal = file_starting(dir.path(), "journal");
    let good = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    for (damage, kept) in [
        ("a lost line", [&lines[..3], &lines[4..]].concat()),
        ("a doubled line", [&lines[..4], &lines[3..]].concat()),
        ("a lost end", lines[..lines.len() - 1].to_vec()),
    ] {
        fs::write(&journal, kept.concat()).unwrap();
        assert_named(dir.path(), &journal, damage);
    }
    let checkpoint = file_starting(dir.path(), "checkpoint");
    fs::write(&journal, &good).unwrap();
    let rows = fs::read_to_string(&checkpoint).unwrap();
    let lines: Vec<&str> = rows.split_inclusive('\n').collect();
    fs::write(&checkpoint, lines[..lines.len() - 1].concat()).unwrap();
    assert_named(dir.path(), &checkpoint, "a lost row");
}

#[tokio::test]
async fn a_torn_write_that_was_never_acknowledged_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let before = build(dir.path()).await;
    let journal = file_starting(dir.path(), "journal");
    let good = fs::read(&journal).unwrap();
    for tail in [
        &b"1234abcd {\"revi"[..],
        b"\0\0\0\0\0\0",
        b"garbage\nmore\n",
    ] {
        fs::OpenOptions::new()
            .append(true)
            .open(&journal)
            .unwrap()
            .write_all(tail)
            .unwrap();
        let store = open(dir.path()).unwrap();
        assert_eq!(content(&store), before);
        assert_eq!(fs::read(&journal).unwrap(), good);
    }
    let store = open(dir.path()).unwrap();
    write(&store, |tx| tx.put::<Marks>("after".to_owned(), ()))
        .await
        .unwrap();
    drop(store);
    assert_eq!(content(&open(dir.path()).unwrap()).len(), before.len() + 1);
}

/// A power cut may leave `HEAD` behind the journal: then later lines prove what was acknowledged.
#[tokio::test]
async fn without_head_damage_before_acknowledged_commits_is_still_found() {
    let dir = tempfile::tempdir().unwrap();
    let before = build(dir.path()).await;
    let journal = file_starting(dir.path(), "journal");
    let good = fs::read(&journal).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 4;
    fs::remove_file(dir.path().join("HEAD")).unwrap();
    fs::write(&journal, bad).unwrap();
    assert_named(dir.path(), &journal, "a flipped bit");
    fs::write(&journal, good).unwrap();
    assert_eq!(content(&open(dir.path()).unwrap()), before);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let json = r#"{"format":2,"kind":"journal","revision":0,"novelty":true}"#;
    let mut line = Vec::new();
    journal::encode(json.as_bytes(), &mut line);
    fs::write(dir.path().join("journal-00000000000000000000"), line).unwrap();
    let refusal = open(dir.path()).err().unwrap();
    assert!(
        matches!(
            refusal,
            StoreError::Disk(JournalError::NewerFormat {
                found: 2,
                supported: 1,
                ..
            })
        ),
        "{refusal}"
    );
}
