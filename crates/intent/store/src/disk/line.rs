//! One line of a store file: eight hexadecimal digits of CRC-32 over the JSON, a space, the JSON, a newline.

use crate::disk::FORMAT;
use crate::{Revision, StoreError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub(crate) fn encode(json: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json)).as_bytes());
    out.extend_from_slice(json);
    out.push(b'\n');
}

/// The JSON of a line with its newline; `None` if it is damaged or incomplete.
pub(crate) fn decode(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, json) = (line.get(..9)?, line.get(9..)?);
    let expected = format!("{:08x} ", crc32fast::hash(json));
    if crc != expected.as_bytes() {
        return None;
    }
    std::str::from_utf8(json).ok()
}

/// The first line of a checkpoint or journal.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) kind: Kind,
    /// What the file starts from.
    pub(crate) revision: Revision,
    /// How many lines follow, if that is known from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Checkpoint,
    Journal,
}

impl Header {
    pub(crate) fn encode(kind: Kind, revision: Revision, rows: Option<u64>) -> Vec<u8> {
        let header = Header {
            format: FORMAT,
            kind,
            revision,
            rows,
        };
        let json =
            serde_json::to_vec(&header).expect("invariant: numbers and names have JSON forms");
        let mut line = Vec::new();
        encode(&json, &mut line);
        line
    }
}

/// Reads a file line by line and knows where it is.
pub(crate) struct Lines {
    pub(crate) path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the current line begins, in bytes.
    pub(crate) offset: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Lines, StoreError> {
        let file = File::open(path).map_err(|cause| StoreError::io("open", path, cause))?;
        Ok(Lines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, file),
            line: Vec::new(),
            offset: 0,
        })
    }

    /// Moves to the next line; `false` at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, StoreError> {
        self.offset += self.line.len() as u64;
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|cause| StoreError::io("read", &self.path, cause))?;
        Ok(read > 0)
    }

    /// The current line's JSON, if it checks.
    pub(crate) fn json(&self) -> Option<&str> {
        decode(&self.line)
    }

    pub(crate) fn corrupt(&self, problem: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            offset: self.offset,
            problem: problem.into(),
        }
    }

    /// Reads and checks the first line.
    pub(crate) fn header(&mut self, kind: Kind, revision: Revision) -> Result<Header, StoreError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        self.advance()?;
        let json = self
            .json()
            .ok_or_else(|| self.corrupt("the header fails its checksum"))?;
        let unreadable = |error| self.corrupt(format!("the header is not readable: {error}"));
        let Format { format } = serde_json::from_str(json).map_err(unreadable)?;
        if format > FORMAT {
            return Err(StoreError::NewerFormat {
                path: self.path.clone(),
                found: format,
                supported: FORMAT,
            });
        }
        let header: Header = serde_json::from_str(json).map_err(unreadable)?;
        if header.kind != kind || header.revision != revision {
            return Err(self.corrupt("the header belongs to another file"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_with_any_flipped_bit_is_damaged(text in "[ -~]{0,60}", bit in any::<prop::sample::Index>()) {
            let mut line = Vec::new();
            encode(text.as_bytes(), &mut line);
            prop_assert_eq!(decode(&line), Some(text.as_str()));
            let bit = bit.index(line.len() * 8);
            line[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decode(&line), None);
        }

        #[test]
        fn a_line_cut_anywhere_is_damaged(text in "[ -~]{0,60}", cut in any::<prop::sample::Index>()) {
            let mut line = Vec::new();
            encode(text.as_bytes(), &mut line);
            let cut = cut.index(line.len());
            prop_assert_eq!(decode(&line[..cut]), None);
        }
    }
}
