//! The plan the kernel last held, on disk, for a host that boots without a controller. The file is replaced as a
//! whole or not at all, and a file that is not exactly what was written is refused: a plan with a hole could allow
//! what nobody asked for.
//!
//! ```text
//! magic "NWPLAN\0\1" · revision u64 · count u64 · crc32 of these          28 bytes
//! count × ( length u32 · unit as on the wire · crc32 of both )
//! crc32 of everything before
//! ```
//!
//! Integers are little-endian; the last byte of the magic is the version of the format.

use plan::HostPlan;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"NWPLAN\0\x01";
const HEADER: usize = 28;
const FILE: &str = "plan";

/// A plan and the revision it is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastGood {
    pub(crate) revision: u64,
    pub(crate) plan: HostPlan,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    #[error("cannot {action} {path}: {source}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "{path} is corrupt at byte {offset}: {problem}; nothing of it is used, and a fresh plan from a controller replaces it"
    )]
    Corrupt {
        path: PathBuf,
        offset: usize,
        problem: String,
    },
}

pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// The plan in the directory; `None` if none was ever written.
pub(crate) fn load(state_dir: &Path) -> Result<Option<LastGood>, LastGoodError> {
    let path = path(state_dir);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(LastGoodError::Io {
                action: "read",
                path,
                source,
            });
        }
    };
    decode(&bytes)
        .map(Some)
        .map_err(|Corruption { offset, problem }| LastGoodError::Corrupt {
            path,
            offset,
            problem,
        })
}

/// Replaces the plan in the directory; when this returns, it is on the disk.
pub(crate) fn save(state_dir: &Path, revision: u64, plan: &HostPlan) -> Result<(), LastGoodError> {
    let path = path(state_dir);
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&encode(revision, plan))?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(state_dir)?.sync_all()
    };
    write().map_err(|source| LastGoodError::Io {
        action: "write",
        path: path.clone(),
        source,
    })
}

fn encode(revision: u64, plan: &HostPlan) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 256 * plan.len());
    bytes.extend(MAGIC);
    bytes.extend(revision.to_le_bytes());
    bytes.extend((plan.len() as u64).to_le_bytes());
    seal(&mut bytes, 0);
    for (_, unit) in plan.iter() {
        let start = bytes.len();
        let unit = wire::encode_unit(unit);
        bytes.extend((unit.len() as u32).to_le_bytes());
        bytes.extend(unit);
        seal(&mut bytes, start);
    }
    seal(&mut bytes, 0);
    bytes
}

/// Appends the checksum of what follows `start`.
fn seal(bytes: &mut Vec<u8>, start: usize) {
    let sum = crc32fast::hash(&bytes[start..]);
    bytes.extend(sum.to_le_bytes());
}

struct Corruption {
    offset: usize,
    problem: String,
}

/// Takes the file apart from front to back.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn corrupt(&self, problem: impl Into<String>) -> Corruption {
        Corruption {
            offset: self.at,
            problem: problem.into(),
        }
    }

    fn peek(&self, len: usize, what: &str) -> Result<&'a [u8], Corruption> {
        let end = self.at.checked_add(len);
        end.and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| self.corrupt(format!("the file ends inside {what}")))
    }

    /// A piece of `len` bytes that its checksum follows.
    fn sealed(&mut self, len: usize, what: &str) -> Result<&'a [u8], Corruption> {
        let whole = self.peek(len.saturating_add(4), what)?;
        let (piece, sum) = whole.split_at(len);
        if crc32fast::hash(piece).to_le_bytes() != sum {
            return Err(self.corrupt(format!("the checksum of {what} is wrong")));
        }
        self.at += whole.len();
        Ok(piece)
    }
}

fn decode(bytes: &[u8]) -> Result<LastGood, Corruption> {
    let mut cursor = Cursor { bytes, at: 0 };
    let header = cursor.sealed(HEADER - 4, "the header")?;
    if header[..8] != MAGIC {
        let problem = "the magic or the version is not that of this agent";
        return Err(Corruption {
            offset: 0,
            problem: problem.into(),
        });
    }
    let number = |at: usize| {
        let field = header[at..at + 8].first_chunk::<8>().copied();
        u64::from_le_bytes(field.unwrap_or_default())
    };
    let (revision, count) = (number(8), number(16));
    let mut plan = HostPlan::default();
    for n in 0..count {
        let what = format!("record {} of {count}", n + 1);
        let length = cursor.peek(4, &what)?.first_chunk::<4>().copied();
        let length = u32::from_le_bytes(length.unwrap_or_default()) as usize;
        let start = cursor.at;
        let record = cursor.sealed(length.saturating_add(4), &what)?;
        let unit = wire::decode_unit(&record[4..]).map_err(|error| Corruption {
            offset: start,
            problem: format!("{what} is not a unit: {error}"),
        })?;
        plan.insert(Arc::new(unit));
    }
    let end = cursor.at;
    cursor.at = 0;
    cursor.sealed(end, "the file")?;
    match cursor.at == bytes.len() {
        true => Ok(LastGood { revision, plan }),
        false => Err(cursor.corrupt("there is more after the end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Mac, Mtu, NetworkId, PortId, Vni};
    use plan::{Member, Segment, Tunnel, Unit};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn sample(members: u128) -> HostPlan {
        let network = NetworkId(Uuid::from_u128(1));
        let host: model::HostName = "host-1".parse().expect("a name");
        let member = |n: u128| {
            Unit::Member(Member {
                network,
                port: PortId(Uuid::from_u128(n)),
                host: host.clone(),
                mac: Mac([2, 0, 0, 0, 0, n as u8]),
                addresses: vec!["10.0.0.9".parse().expect("an address")],
                pairs: Vec::new(),
            })
        };
        let segment = Unit::Segment(Segment {
            network,
            vni: Vni::new(7).expect("a VNI"),
            mtu: Mtu::DEFAULT,
            admin_up: true,
            subnets: Vec::new(),
        });
        let tunnel = Unit::Tunnel(Tunnel {
            host: host.clone(),
            address: "192.0.2.1".parse().expect("an address"),
        });
        let members = (0..members).map(member);
        [segment, tunnel]
            .into_iter()
            .chain(members)
            .map(Arc::new)
            .collect()
    }

    fn corruption(bytes: &[u8]) -> Option<(usize, String)> {
        decode(bytes)
            .err()
            .map(|error| (error.offset, error.problem))
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(load(dir.path()).expect("readable"), None);
        for (revision, members) in [(3, 5), (4, 2), (5, 0)] {
            save(dir.path(), revision, &sample(members)).expect("writable");
            let loaded = load(dir.path()).expect("readable").expect("a plan");
            assert_eq!(
                loaded,
                LastGood {
                    revision,
                    plan: sample(members)
                }
            );
        }
        let left: Vec<_> = fs::read_dir(dir.path()).expect("readable").collect();
        assert_eq!(left.len(), 1, "no temporary file stays");
    }

    #[test]
    fn errors_name_the_file_the_place_and_the_problem() {
        let dir = tempfile::tempdir().expect("a directory");
        save(dir.path(), 3, &sample(3)).expect("writable");
        let path = path(dir.path());
        let mut bytes = fs::read(&path).expect("readable");
        bytes[HEADER + 10] ^= 0x20;
        fs::write(&path, &bytes).expect("writable");
        let error = load(dir.path()).expect_err("corrupt").to_string();
        let expected = format!(
            "{} is corrupt at byte 28: the checksum of record 1 of 5 is wrong",
            path.display()
        );
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_plan() {
        let dir = tempfile::tempdir().expect("a directory");
        save(dir.path(), 3, &sample(3)).expect("writable");
        fs::create_dir(dir.path().join("plan.new")).expect("a directory in the way");
        assert!(save(dir.path(), 4, &sample(4)).is_err());
        assert_eq!(
            load(dir.path())
                .expect("readable")
                .expect("a plan")
                .revision,
            3
        );
    }

    proptest! {
        #[test]
        fn every_truncation_is_detected(members in 0u128..6, cut: prop::sample::Index) {
            let bytes = encode(9, &sample(members));
            let cut = cut.index(bytes.len());
            prop_assert!(corruption(&bytes[..cut]).is_some());
        }

        #[test]
        fn every_flipped_bit_is_detected(members in 0u128..6, at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = encode(9, &sample(members));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(corruption(&bytes).is_some());
        }

        #[test]
        fn anything_appended_is_detected(tail in prop::collection::vec(any::<u8>(), 1..9)) {
            let mut bytes = encode(9, &sample(2));
            bytes.extend(tail);
            prop_assert!(corruption(&bytes).is_some());
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(corruption(&bytes).is_some());
        }
    }
}
