//! Appending commits to the current journal. A failed append leaves the file as it was before.

use crate::disk::file::{self, FileName};
use crate::disk::line::{self, Header, Kind};
use crate::{Revision, StoreError};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// The end of the last durable commit, in bytes.
    end: u64,
    /// Whether something may follow `end` that must go before the next append.
    dirty: bool,
}

impl Journal {
    /// A new, empty journal of the commits after `revision`.
    pub(crate) fn create(dir: &Path, revision: Revision) -> Result<Journal, StoreError> {
        let path = dir.join(FileName::Journal(revision).to_string());
        let header = Header::encode(Kind::Journal, revision, None);
        let file = file::create(&path, |writer| writer.write_all(&header))
            .map_err(|cause| StoreError::io("create", &path, cause))?;
        Ok(Journal {
            path,
            file,
            end: header.len() as u64,
            dirty: false,
        })
    }

    /// Goes on with a journal that recovery read up to `end`; what follows is a torn, never acknowledged write.
    pub(crate) fn resume(path: &Path, end: u64) -> Result<Journal, StoreError> {
        let open = || {
            let file = file::options().open(path)?;
            if file.metadata()?.len() != end {
                file.set_len(end)?;
            }
            // After a kill the last commits may be in the page cache only; from now on they are shown as durable.
            file.sync_data()?;
            Ok(file)
        };
        let file = open().map_err(|cause| StoreError::io("resume", path, cause))?;
        Ok(Journal {
            path: path.to_owned(),
            file,
            end,
            dirty: false,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes and syncs; on failure the text is gone again.
    pub(crate) fn append(&mut self, text: &[u8]) -> Result<(), StoreError> {
        self.try_append(text).map_err(|cause| {
            if let Err(error) = self.clean() {
                tracing::warn!(%error, path = %self.path.display(), "cannot undo a failed write yet; writes wait for it");
            }
            StoreError::Write {
                path: self.path.clone(),
                cause: Arc::new(cause),
            }
        })
    }

    fn try_append(&mut self, text: &[u8]) -> io::Result<()> {
        self.clean()?;
        self.dirty = true;
        self.file.write_all_at(text, self.end)?;
        self.file.sync_data()?;
        self.dirty = false;
        self.end += text.len() as u64;
        Ok(())
    }

    fn clean(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.set_len(self.end)?;
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// One commit as a line. `durable` is what was already acknowledged when it was written: proof, should an earlier
/// line be damaged, that it was no torn write.
pub(crate) fn write_commit(out: &mut Vec<u8>, revision: Revision, durable: Revision, rows: &[u8]) {
    let mut json = Vec::with_capacity(rows.len() + 64);
    json.extend_from_slice(
        format!("{{\"revision\":{revision},\"durable\":{durable},\"rows\":").as_bytes(),
    );
    json.extend_from_slice(rows);
    json.push(b'}');
    line::encode(&json, out);
}
