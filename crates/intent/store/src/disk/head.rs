//! `HEAD`: the last acknowledged revision, overwritten in place before each answer. It survives the process, not
//! necessarily a power cut, so it may lag behind the journal but never leads it. With it, a journal that ends too early
//! is known to be damaged rather than torn.

use crate::{Revision, StoreError};
use journal::{JournalError, file};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// One disk sector at most, so that it is written whole.
const LENGTH: usize = 64;

pub(crate) struct Head {
    path: PathBuf,
    file: File,
    acknowledged: Revision,
}

#[derive(Serialize, Deserialize)]
struct Content {
    acknowledged: Revision,
}

impl Head {
    /// What the store in `dir` has acknowledged; `None` if the file is missing.
    pub(crate) fn read(dir: &Path) -> Result<Option<Revision>, StoreError> {
        let path = dir.join("HEAD");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(JournalError::io("read", &path, cause).into()),
        };
        let content = journal::decode(&bytes).and_then(|json| serde_json::from_str(json).ok());
        match content {
            Some(Content { acknowledged }) => Ok(Some(acknowledged)),
            None => Err(JournalError::Corrupt {
                path,
                offset: 0,
                problem: "it fails its checksum; if the journals are known to be good, remove this file to accept them"
                    .to_owned(),
            }
            .into()),
        }
    }

    /// `acknowledged` is what recovery found, at least what the file says.
    pub(crate) fn open(dir: &Path, acknowledged: Revision) -> Result<Head, StoreError> {
        let path = dir.join("HEAD");
        let opened = match file::options().open(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => file::create(&path, |writer| {
                std::io::Write::write_all(writer, &content(acknowledged))
            }),
            other => other,
        };
        let file = opened.map_err(|cause| JournalError::io("create", &path, cause))?;
        let mut head = Head {
            path,
            file,
            acknowledged,
        };
        head.acknowledge(acknowledged);
        Ok(head)
    }

    pub(crate) fn acknowledged(&self) -> Revision {
        self.acknowledged
    }

    pub(crate) fn acknowledge(&mut self, revision: Revision) {
        self.acknowledged = revision;
        // The commit is durable without it; a stale head only weakens the check at the next start.
        if let Err(error) = self.file.write_all_at(&content(revision), 0) {
            tracing::warn!(%error, path = %self.path.display(), "cannot note the acknowledged revision");
        }
    }

    pub(crate) fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            tracing::warn!(%error, path = %self.path.display(), "cannot sync");
        }
    }
}

fn content(acknowledged: Revision) -> Vec<u8> {
    let mut json = format!("{{\"acknowledged\":{acknowledged}}}").into_bytes();
    json.resize(LENGTH - "00000000 \n".len(), b' ');
    let mut out = Vec::with_capacity(LENGTH);
    journal::encode(&json, &mut out);
    out
}
