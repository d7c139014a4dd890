//! Writing checkpoints in the background, from an immutable version, while commits go on.

use crate::Revision;
use crate::disk::header;
use crate::disk::name::{self, FileName};
use crate::state::State;
use journal::file;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

pub(crate) struct Checkpointer {
    min_bytes: u64,
    /// The journal size that makes a checkpoint worth its writing: as much again as the checkpoint itself.
    due_at: u64,
    running: Option<JoinHandle<io::Result<u64>>>,
}

impl Checkpointer {
    pub(crate) fn new(min_bytes: u64, last_checkpoint_bytes: u64) -> Checkpointer {
        Checkpointer {
            min_bytes,
            due_at: min_bytes.max(last_checkpoint_bytes),
            running: None,
        }
    }

    pub(crate) fn is_due(&mut self, journal_bytes: u64) -> bool {
        if self
            .running
            .as_ref()
            .is_some_and(|thread| thread.is_finished())
        {
            self.finish();
        }
        self.running.is_none() && journal_bytes > self.due_at
    }

    pub(crate) fn postpone(&mut self, journal_bytes: u64) {
        self.due_at = journal_bytes + self.min_bytes;
    }

    /// A new journal must begin at the state's revision.
    pub(crate) fn start(&mut self, dir: PathBuf, state: Arc<State>) {
        let spawned = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || write(&dir, &state));
        match spawned {
            Ok(thread) => self.running = Some(thread),
            Err(error) => tracing::warn!(%error, "cannot start a checkpoint; the journals stay"),
        }
    }

    pub(crate) fn finish(&mut self) {
        let Some(thread) = self.running.take() else {
            return;
        };
        match thread.join() {
            Ok(Ok(bytes)) => self.due_at = self.min_bytes.max(bytes),
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot write a checkpoint; the journals stay");
            }
            Err(_) => tracing::error!("the checkpoint thread panicked; the journals stay"),
        }
    }
}

/// Writes the checkpoint and removes what it makes superfluous. Returns its size in bytes.
fn write(dir: &Path, state: &State) -> io::Result<u64> {
    let path = dir.join(FileName::Checkpoint(state.revision).to_string());
    let file = file::create(&path, |writer| write_rows(writer, state))?;
    remove_before(dir, state.revision);
    Ok(file.metadata()?.len())
}

fn write_rows(writer: &mut BufWriter<std::fs::File>, state: &State) -> io::Result<()> {
    let tables = state.schema.tables();
    let rows: usize = (0..tables.len()).map(|table| state.rows(table).len()).sum();
    let name = FileName::Checkpoint(state.revision);
    writer.write_all(&header(name, Some(rows as u64)).encode())?;
    let (mut json, mut text) = (Vec::new(), Vec::new());
    for (position, table) in tables.iter().enumerate() {
        for row in state.rows(position) {
            json.clear();
            text.clear();
            write!(json, "{{\"revision\":{},\"row\":[", row.revision())?;
            serde_json::to_writer(&mut json, &format!("{}/{}", table.name, row.path()))?;
            json.push(b',');
            row.write_json(&mut json)?;
            json.extend_from_slice(b"]}");
            journal::encode(&json, &mut text);
            writer.write_all(&text)?;
        }
    }
    Ok(())
}

fn remove_before(dir: &Path, revision: Revision) {
    match name::list(dir) {
        Ok(names) => name::remove_before(dir, &names, revision),
        Err(error) => tracing::warn!(%error, "cannot remove old store files"),
    }
}
