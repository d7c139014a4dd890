//! A small value kept in a file of its own: written aside, synced and moved over the old one at each change, so that a crash leaves the
//! one or the other. For settings and lists of jobs; what grows is in a log.

use crate::{InventoryError, Result};
use journal::{JournalError, file};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

pub(crate) struct Kept<T> {
    path: PathBuf,
    value: RwLock<T>,
}

impl<T: Serialize + DeserializeOwned + Clone + Default> Kept<T> {
    /// Reads the file; a missing one is the default value.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let value = match std::fs::read(path) {
            Ok(bytes) => parse(path, &bytes)?,
            Err(cause) if cause.kind() == ErrorKind::NotFound => T::default(),
            Err(cause) => return Err(JournalError::io("read", path, cause).into()),
        };
        Ok(Self {
            path: path.to_owned(),
            value: RwLock::new(value),
        })
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.read())
    }

    /// Changes a copy, writes it, and then shows it; an error on the way changes nothing.
    pub(crate) fn change<R>(&self, make: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let mut shown = self.value.write();
        let mut next = shown.clone();
        let answer = make(&mut next)?;
        let json = serde_json::to_vec(&next).map_err(|error| InventoryError::Unreadable {
            what: self.path.display().to_string(),
            reason: error.to_string(),
        })?;
        let mut line = Vec::with_capacity(json.len() + 10);
        journal::encode(&json, &mut line);
        file::create(&self.path, |writer| writer.write_all(&line))
            .map_err(|cause| JournalError::io("write", &self.path, cause))?;
        *shown = next;
        Ok(answer)
    }
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    let damaged = |problem: String| JournalError::Corrupt {
        path: path.to_owned(),
        offset: 0,
        problem,
    };
    let json = journal::decode(bytes).ok_or_else(|| damaged("it fails its checksum".to_owned()))?;
    Ok(serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_survives_and_a_refused_one_never_was() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("numbers");
        let kept: Kept<Vec<u32>> = Kept::open(&path).expect("nothing yet");
        kept.change(|numbers| {
            numbers.push(7);
            Ok(())
        })
        .expect("written");
        let refused: Result<()> = kept.change(|numbers| {
            numbers.clear();
            Err(InventoryError::None {
                what: "number",
                id: "8".to_owned(),
            })
        });
        assert!(refused.is_err());
        assert_eq!(kept.read(Clone::clone), [7]);
        let again: Kept<Vec<u32>> = Kept::open(&path).expect("read back");
        assert_eq!(again.read(Clone::clone), [7]);
        std::fs::write(&path, b"00000000 [7]\n").expect("damaged");
        assert!(Kept::<Vec<u32>>::open(&path).is_err());
    }
}
