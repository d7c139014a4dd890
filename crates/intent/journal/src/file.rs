//! Creating files so that they appear complete or not at all.

use crate::JournalError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Rows may hold secrets: the directory is for its owner only.
pub fn create_dir(dir: &Path) -> Result<(), JournalError> {
    let create = || {
        if dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        sync_parent(&dir.canonicalize()?)
    };
    create().map_err(|cause| JournalError::io("create", dir, cause))
}

/// For reading and writing, by the owner only.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Writes a file aside, syncs it, and moves it to its name. On failure nothing is left under the name.
pub fn create(
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

/// Removes what a crash left half written under another name. Only for when nothing else uses the directory.
pub fn remove_unfinished(dir: &Path) -> Result<(), JournalError> {
    let failed = |cause| JournalError::io("list", dir, cause);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            remove(&path);
        }
    }
    Ok(())
}

/// Removes a file that is no longer needed; one that stays only costs space.
pub fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "cannot remove a file that is no longer needed");
    }
}
