//! One line of a file: eight hexadecimal digits of CRC-32 over the JSON, a space, the JSON, a newline.

use crate::JournalError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub fn encode(json: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json)).as_bytes());
    out.extend_from_slice(json);
    out.push(b'\n');
}

/// The JSON of a line with its newline; `None` if it is damaged or incomplete.
pub fn decode(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, json) = (line.get(..9)?, line.get(9..)?);
    let expected = format!("{:08x} ", crc32fast::hash(json));
    if crc != expected.as_bytes() {
        return None;
    }
    std::str::from_utf8(json).ok()
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
pub struct Header {
    /// Raised when an older version would misread what follows.
    pub format: u32,
    pub kind: Cow<'static, str>,
    /// What the file starts from, in its user's counting.
    pub revision: u64,
    /// How many lines follow, if that is known from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Header {
    /// The header as a line.
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("invariant: numbers and names have JSON forms");
        let mut line = Vec::new();
        encode(&json, &mut line);
        line
    }
}

/// Reads a file line by line and knows where it is.
pub struct Lines {
    pub path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the current line begins, in bytes.
    pub offset: u64,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Lines, JournalError> {
        let file = File::open(path).map_err(|cause| JournalError::io("open", path, cause))?;
        Ok(Lines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, file),
            line: Vec::new(),
            offset: 0,
        })
    }

    /// Moves to the next line; `false` at the end of the file.
    pub fn advance(&mut self) -> Result<bool, JournalError> {
        self.offset += self.line.len() as u64;
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|cause| JournalError::io("read", &self.path, cause))?;
        Ok(read > 0)
    }

    /// The current line's JSON, if it checks.
    pub fn json(&self) -> Option<&str> {
        decode(&self.line)
    }

    pub fn corrupt(&self, problem: impl Into<String>) -> JournalError {
        JournalError::Corrupt {
            path: self.path.clone(),
            offset: self.offset,
            problem: problem.into(),
        }
    }

    /// Reads the first line, which must be `expected` but for its `rows` and an older format.
    pub fn header(&mut self, expected: &Header) -> Result<Header, JournalError> {
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
        if format > expected.format {
            return Err(JournalError::NewerFormat {
                path: self.path.clone(),
                found: format,
                supported: expected.format,
            });
        }
        let header: Header = serde_json::from_str(json).map_err(unreadable)?;
        if header.kind != expected.kind || header.revision != expected.revision {
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
