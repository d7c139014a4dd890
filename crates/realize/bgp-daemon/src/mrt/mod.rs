//! MRT files (RFC 6396): tables dumped on command or by time, every UPDATE if it is wanted, and dumps loaded again.

mod dump;
mod load;
mod updates;

pub(crate) use dump::{dump, schedule};
pub(crate) use load::load;
pub(crate) use updates::UpdateLog;

use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// `kind.YYYYMMDD.HHMM` in UTC, as the public archives name them.
fn file_name(directory: &Path, kind: &str, at: Timestamp) -> PathBuf {
    directory.join(format!("{kind}.{}.mrt", at.strftime("%Y%m%d.%H%M%S")))
}

/// Seconds since the epoch, as MRT has them.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second()).unwrap_or(0)
}
