//! Names of the store's files.

use crate::Revision;
use journal::{JournalError, file};
use std::fmt;
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    Checkpoint(Revision),
    Journal(Revision),
}

impl fmt::Display for FileName {
    /// Padded, so that a directory listing is in order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Checkpoint(revision) => write!(f, "checkpoint-{:020}", revision.0),
            FileName::Journal(revision) => write!(f, "journal-{:020}", revision.0),
        }
    }
}

impl FileName {
    pub(crate) fn parse(name: &str) -> Option<FileName> {
        let (kind, revision) = name.split_once('-')?;
        let revision = Revision(revision.parse().ok()?);
        let parsed = match kind {
            "checkpoint" => FileName::Checkpoint(revision),
            "journal" => FileName::Journal(revision),
            _ => return None,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// The store's checkpoints and journals, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<FileName>, JournalError> {
    let failed = |cause| JournalError::io("list", dir, cause);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().and_then(FileName::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes the checkpoints and journals that a checkpoint at `revision` makes superfluous.
pub(crate) fn remove_before(dir: &Path, names: &[FileName], revision: Revision) {
    for name in names {
        let (FileName::Checkpoint(at) | FileName::Journal(at)) = *name;
        if at < revision {
            file::remove(&dir.join(name.to_string()));
        }
    }
}
