//! Files that survive a crash: lines of `<crc32> <json>`, readable with `less` and `grep`, appended and synced, or written aside and
//! moved to their name. Says which byte of which file is damaged. Knows nothing of what the lines mean.

mod error;
pub mod file;
mod journal;
mod line;
mod lock;

pub use error::JournalError;
pub use journal::Journal;
pub use line::{Header, Lines, decode, encode};
pub use lock::Lock;
