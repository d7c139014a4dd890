//! Load over HTTP: the API over a store on a real disk, asked through loopback sockets by keep-alive clients, and
//! beside it what the disk and the loopback do by themselves. Server and clients have a runtime each, so that
//! neither schedules the other's work.

mod client;
mod read;
mod server;
mod write;

pub use read::api_read;
pub use write::api_write;

use std::path::PathBuf;
use std::time::Duration;

/// What a load benchmark is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// A directory on the disk to be measured; what is written there is removed.
    pub dir: PathBuf,
    /// Clients of `api-write`, each with one request under way.
    pub clients: usize,
    /// How long each figure is measured.
    pub duration: Duration,
}

impl Options {
    /// What the published figures are measured with.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            clients: 64,
            duration: Duration::from_secs(8),
        }
    }
}
