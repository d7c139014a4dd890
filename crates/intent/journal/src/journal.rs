//! Appending lines to a file. A failed append leaves the file as it was before.

use crate::{Header, JournalError, file};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is appended to.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The end of the last durable append, in bytes.
    end: u64,
    /// Whether something may follow `end` that must go before the next append.
    dirty: bool,
}

impl Journal {
    /// A new journal of nothing but its header.
    pub fn create(path: &Path, header: &Header) -> Result<Journal, JournalError> {
        let header = header.encode();
        let file = file::create(path, |writer| writer.write_all(&header))
            .map_err(|cause| JournalError::io("create", path, cause))?;
        Ok(Journal {
            path: path.to_owned(),
            file,
            end: header.len() as u64,
            dirty: false,
        })
    }

    /// Goes on with a journal that its reader read up to `end`; what follows is a torn, never acknowledged write.
    pub fn resume(path: &Path, end: u64) -> Result<Journal, JournalError> {
        let open = || {
            let file = file::options().open(path)?;
            if file.metadata()?.len() != end {
                file.set_len(end)?;
            }
            // After a kill the last appends may be in the page cache only; from now on they are shown as durable.
            file.sync_data()?;
            Ok(file)
        };
        let file = open().map_err(|cause| JournalError::io("resume", path, cause))?;
        Ok(Journal {
            path: path.to_owned(),
            file,
            end,
            dirty: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length, in bytes.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes and syncs; on failure the text is gone again.
    pub fn append(&mut self, text: &[u8]) -> Result<(), JournalError> {
        self.try_append(text).map_err(|cause| {
            if let Err(error) = self.clean() {
                tracing::warn!(%error, path = %self.path.display(), "cannot undo a failed write yet; writes wait for it");
            }
            JournalError::Write {
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
