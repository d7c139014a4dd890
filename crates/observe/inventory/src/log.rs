//! The records of one environment on disk: a journal that is written anew when most of it is history nobody keeps.
//!
//! A record is one line. The end of the file may be torn by a crash: what was torn was never shown. Damage anywhere else is an error that
//! names the byte.

use journal::{Header, Journal, JournalError, Lines, file};
use std::path::{Path, PathBuf};
use topology::Record;

const FORMAT: u32 = 1;

/// A log is not written anew while it is smaller than this.
const MIN_BYTES: u64 = 16 << 20;

pub(crate) struct RecordLog {
    dir: PathBuf,
    generation: u64,
    journal: Journal,
    /// Its size when this process last wrote it anew.
    fresh_bytes: u64,
}

impl RecordLog {
    /// Opens or makes the log of a directory, and reads all of its records.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Vec<String>), JournalError> {
        file::create_dir(dir)?;
        file::remove_unfinished(dir)?;
        let generations = generations(dir)?;
        let Some(&generation) = generations.last() else {
            return Ok((Self::create(dir, 0)?, Vec::new()));
        };
        let (records, end) = read(&path(dir, generation), generation)?;
        let log = Self {
            dir: dir.to_owned(),
            generation,
            journal: Journal::resume(&path(dir, generation), end)?,
            // How much of it is history is not known; at the worst it is written anew once too often.
            fresh_bytes: 0,
        };
        log.remove_older(&generations);
        Ok((log, records))
    }

    fn create(dir: &Path, generation: u64) -> Result<Self, JournalError> {
        Ok(Self {
            dir: dir.to_owned(),
            generation,
            journal: Journal::create(&path(dir, generation), &header(generation))?,
            fresh_bytes: 0,
        })
    }

    /// Durable when it returns; on failure nothing was written.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        self.journal.append(lines)
    }

    /// Is most of it history?
    pub(crate) fn is_long(&self) -> bool {
        self.journal.bytes() > MIN_BYTES.max(2 * self.fresh_bytes)
    }

    /// Begins a new file that holds only these records.
    pub(crate) fn rewrite(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        let generation = self.generation + 1;
        let target = path(&self.dir, generation);
        file::create(&target, |writer| {
            use std::io::Write;
            writer.write_all(&header(generation).encode())?;
            writer.write_all(lines)
        })
        .map_err(|cause| JournalError::io("create", &target, cause))?;
        let bytes = target
            .metadata()
            .map_err(|cause| JournalError::io("open", &target, cause))?
            .len();
        self.journal = Journal::resume(&target, bytes)?;
        self.remove_older(&[self.generation]);
        self.generation = generation;
        self.fresh_bytes = bytes;
        Ok(())
    }

    fn remove_older(&self, generations: &[u64]) {
        for older in generations
            .iter()
            .filter(|older| path(&self.dir, **older) != *self.journal.path())
        {
            file::remove(&path(&self.dir, *older));
        }
    }
}

/// Records as the lines of a log.
pub(crate) fn lines<'r>(
    records: impl IntoIterator<Item = &'r Record>,
) -> Result<Vec<u8>, topology::TopologyError> {
    let mut out = Vec::new();
    for record in records {
        journal::encode(&record.to_bytes()?, &mut out);
    }
    Ok(out)
}

fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("records-{generation:012}"))
}

fn header(generation: u64) -> Header {
    Header {
        format: FORMAT,
        kind: "records".into(),
        revision: generation,
        rows: None,
    }
}

fn generations(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let failed = |cause| JournalError::io("list", dir, cause);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("records-"));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// All whole records, and where the last of them ends.
fn read(path: &Path, generation: u64) -> Result<(Vec<String>, u64), JournalError> {
    let mut lines = Lines::open(path)?;
    lines.header(&header(generation))?;
    let mut records = Vec::new();
    while lines.advance()? {
        let Some(json) = lines.json() else {
            let (end, damage) = (lines.offset, lines.corrupt("a record fails its checksum"));
            // A torn append is the last thing in the file; a good line behind it says otherwise.
            while lines.advance()? {
                if lines.json().is_some() {
                    return Err(damage);
                }
            }
            tracing::warn!(path = %path.display(), offset = end, "dropping a torn record that was never shown");
            return Ok((records, end));
        };
        records.push(json.to_owned());
    }
    Ok((records, lines.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        journal::encode(text.as_bytes(), &mut out);
        out
    }

    #[test]
    fn records_come_back_in_their_order_and_a_torn_one_never_was() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut log, records) = RecordLog::open(dir.path()).expect("a new log");
        assert!(records.is_empty());
        log.append(&line("1")).expect("written");
        log.append(&line("2")).expect("written");
        drop(log);
        let file = path(dir.path(), 0);
        let mut bytes = std::fs::read(&file).expect("the log");
        bytes.extend_from_slice(&line("3")[..4]);
        std::fs::write(&file, bytes).expect("torn");
        let (mut log, records) = RecordLog::open(dir.path()).expect("a torn log");
        assert_eq!(records, ["1", "2"]);
        log.rewrite(&line("2")).expect("rewritten");
        log.append(&line("4")).expect("written");
        drop(log);
        let (_, records) = RecordLog::open(dir.path()).expect("the new file");
        assert_eq!(records, ["2", "4"]);
        assert_eq!(generations(dir.path()).expect("a list"), [1]);
    }

    #[test]
    fn a_restart_does_not_put_off_that_a_long_log_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut log, _) = RecordLog::open(dir.path()).expect("a new log");
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        for _ in 0..17 {
            log.append(&line(&long)).expect("written");
        }
        assert!(log.is_long());
        drop(log);
        let (mut log, _) = RecordLog::open(dir.path()).expect("the log");
        assert!(log.is_long());
        log.rewrite(&line("1")).expect("rewritten");
        assert!(!log.is_long());
    }

    #[test]
    fn damage_before_good_records_is_an_error_that_names_the_byte() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut log, _) = RecordLog::open(dir.path()).expect("a new log");
        let start = log.journal.bytes();
        log.append(&line("\"first\"")).expect("written");
        log.append(&line("\"second\"")).expect("written");
        drop(log);
        let file = path(dir.path(), 0);
        let mut bytes = std::fs::read(&file).expect("the log");
        bytes[start as usize + 10] ^= 1;
        std::fs::write(&file, bytes).expect("damaged");
        let Err(JournalError::Corrupt { offset, .. }) = RecordLog::open(dir.path()) else {
            panic!("damage was not noticed");
        };
        assert_eq!(offset, start);
    }
}
