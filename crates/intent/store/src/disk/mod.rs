//! The store on disk: a checkpoint (every row at one revision) and the journals of what was committed since. All
//! files are lines of `<crc32> <json>`, readable with `less` and `grep`. The rows live in memory, so the disk only
//! needs a log: one append and one sync per group, exact to undo when the disk is full, and able to say which byte of
//! which file is damaged.
//!
//! | file | content |
//! |---|---|
//! | `LOCK` | held by the process that has the store open; its pid |
//! | `HEAD` | the last acknowledged revision; tells a torn tail from lost commits |
//! | `checkpoint-R` | every row at revision R |
//! | `journal-R` | one line per commit after R |
//!
//! A file other than `HEAD` appears complete (written aside, synced, renamed), so only the end of the last journal can
//! be torn by a crash. Must never drop an acknowledged commit silently: what does not check is an error.

mod checkpoint;
mod head;
mod name;
mod recover;

use crate::commit::Pending;
use crate::state::State;
use crate::table::Schema;
use crate::{Options, Revision, StoreError};
use checkpoint::Checkpointer;
use head::Head;
use journal::{Header, Journal, JournalError, Lock};
use name::FileName;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format this version writes, and the newest it reads. Raised when an older version would misread the files.
const FORMAT: u32 = 1;

pub(crate) struct Disk {
    dir: PathBuf,
    journal: Journal,
    head: Head,
    checkpointer: Checkpointer,
    /// Held for its drop.
    _lock: Lock,
}

impl Disk {
    pub(crate) fn open(
        dir: &Path,
        schema: Arc<Schema>,
        options: &Options,
    ) -> Result<(Disk, State), StoreError> {
        journal::file::create_dir(dir)?;
        let lock = Lock::take(dir)?;
        let recovered = recover::recover(dir, schema)?;
        let head = Head::open(dir, recovered.state.revision)?;
        let disk = Disk {
            dir: dir.to_owned(),
            journal: recovered.journal,
            head,
            checkpointer: Checkpointer::new(options.checkpoint_bytes, recovered.checkpoint_bytes),
            _lock: lock,
        };
        Ok((disk, recovered.state))
    }

    /// Makes the group's commits durable, all or none.
    pub(crate) fn append(&mut self, group: &[Pending]) -> Result<(), StoreError> {
        let commits = group.iter().filter_map(|pending| pending.commit.as_ref());
        let mut text = Vec::new();
        let mut last = None;
        for commit in commits {
            let revision = commit.changes.revision;
            write_commit(&mut text, revision, self.head.acknowledged(), &commit.json);
            last = Some(revision);
        }
        if let Some(revision) = last {
            self.journal.append(&text)?;
            self.head.acknowledge(revision);
        }
        Ok(())
    }

    /// Starts a new journal and a checkpoint in the background when the journal has grown large. Failing to is no
    /// failure of a commit: the old journal goes on.
    pub(crate) fn maintain(&mut self, state: &Arc<State>) {
        if !self.checkpointer.is_due(self.journal.bytes()) {
            return;
        }
        match new_journal(&self.dir, state.revision) {
            Ok(journal) => {
                self.journal = journal;
                self.checkpointer.start(self.dir.clone(), state.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot start a new journal; going on with the old one");
                self.checkpointer.postpone(self.journal.bytes());
            }
        }
    }

    /// Waits for a running checkpoint and frees the directory.
    pub(crate) fn close(mut self) {
        self.checkpointer.finish();
        self.head.sync();
    }
}

fn header(name: FileName, rows: Option<u64>) -> Header {
    let (kind, revision) = match name {
        FileName::Checkpoint(revision) => ("checkpoint", revision),
        FileName::Journal(revision) => ("journal", revision),
    };
    Header {
        format: FORMAT,
        kind: kind.into(),
        revision: revision.0,
        rows,
    }
}

/// A new, empty journal of the commits after `revision`.
fn new_journal(dir: &Path, revision: Revision) -> Result<Journal, JournalError> {
    let name = FileName::Journal(revision);
    Journal::create(&dir.join(name.to_string()), &header(name, None))
}

/// One commit as a line. `durable` is what was already acknowledged when it was written: proof, should an earlier
/// line be damaged, that it was no torn write.
fn write_commit(out: &mut Vec<u8>, revision: Revision, durable: Revision, rows: &[u8]) {
    let mut json = Vec::with_capacity(rows.len() + 64);
    json.extend_from_slice(
        format!("{{\"revision\":{revision},\"durable\":{durable},\"rows\":").as_bytes(),
    );
    json.extend_from_slice(rows);
    json.push(b'}');
    journal::encode(&json, out);
}
