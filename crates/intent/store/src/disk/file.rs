//! Names of the store's files, and creating them so that they appear complete or not at all.

use crate::{Revision, StoreError};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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

/// Rows may hold secrets: the directory is for its owner only.
pub(crate) fn create_dir(dir: &Path) -> Result<(), StoreError> {
    let create = || {
        if dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        sync_parent(&dir.canonicalize()?)
    };
    create().map_err(|cause| StoreError::io("create", dir, cause))
}

pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Writes a file aside, syncs it, and moves it to its name. On failure nothing is left under the name.
pub(crate) fn create(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<File> {
    let aside = aside(path);
    let created = write_aside(&aside, fill).and_then(|file| {
        std::fs::rename(&aside, path)?;
        sync_parent(path).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })?;
        Ok(file)
    });
    if created.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    created
}

fn write_aside(
    aside: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<File> {
    let file = options().create(true).truncate(true).open(aside)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    fill(&mut writer)?;
    writer.flush()?;
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file)
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// The store's checkpoints and journals, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<FileName>, StoreError> {
    let failed = |cause| StoreError::io("list", dir, cause);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().and_then(FileName::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes what a crash left half written under another name. Only for when nothing else uses the directory.
pub(crate) fn remove_unfinished(dir: &Path) -> Result<(), StoreError> {
    let failed = |cause| StoreError::io("list", dir, cause);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            remove(&path);
        }
    }
    Ok(())
}

/// Removes a file that is no longer needed; one that stays only costs space.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "cannot remove a file that is no longer needed");
    }
}

/// Removes the checkpoints and journals that a checkpoint at `revision` makes superfluous.
pub(crate) fn remove_before(dir: &Path, names: &[FileName], revision: Revision) {
    for name in names {
        let (FileName::Checkpoint(at) | FileName::Journal(at)) = *name;
        if at < revision {
            remove(&dir.join(name.to_string()));
        }
    }
}
