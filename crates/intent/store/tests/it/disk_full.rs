//! A full disk: a small tmpfs that really runs out of space. Needs root to mount it.

use crate::support::*;
use journal::JournalError;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::{Path, PathBuf};
use store::StoreError;

struct Tmpfs {
    dir: tempfile::TempDir,
}

impl Tmpfs {
    fn mount(size: &str) -> Tmpfs {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        Tmpfs { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = umount2(self.dir.path(), MntFlags::MNT_DETACH);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_refuses_writes_changes_nothing_and_heals() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    }
    let disk = Tmpfs::mount("1m");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 400_000]).unwrap();
    let dir: PathBuf = disk.path().join("store");
    let store = open(&dir).unwrap();
    let large = "x".repeat(8_000);

    let mut written = 0;
    let refusal = loop {
        match write(&store, |tx| {
            tx.put::<Items>(key("p", &written.to_string()), item(&large, written))
        })
        .await
        {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    let StoreError::Disk(JournalError::Write { path, cause }) = &refusal else {
        panic!("{refusal}")
    };
    assert!(path.starts_with(&dir));
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    assert!(written > 10);

    // Everyone who waits is told, nothing moved, reads go on, and dependants do not stand on lost rows.
    let before = content(&store);
    assert_eq!(before.len() as u64, written);
    let crowd: Vec<_> = (0..20)
        .map(|n| {
            let (store, large) = (store.clone(), large.clone());
            tokio::spawn(async move {
                write(&store, |tx| {
                    tx.lookup::<Items>("group", &large);
                    tx.put::<Items>(key("crowd", &n.to_string()), item(&large, n));
                })
                .await
            })
        })
        .collect();
    for task in crowd {
        assert!(matches!(
            task.await.unwrap(),
            Err(StoreError::Disk(JournalError::Write { .. }))
        ));
    }
    assert_eq!(content(&store), before);
    let seen = write(&store, |tx| tx.exists_any::<Items>(&"crowd".to_owned()))
        .await
        .unwrap();
    assert!(!seen.value);

    std::fs::remove_file(&ballast).unwrap();
    let healed = write(&store, |tx| {
        tx.put::<Items>(key("p", "healed"), item(&large, 0))
    })
    .await
    .unwrap();
    assert_eq!(healed.revision.0, written + 1);
    let after = content(&store);
    store.close().await;
    assert_eq!(content(&open(&dir).unwrap()), after);
}
