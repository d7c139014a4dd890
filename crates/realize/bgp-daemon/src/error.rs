//! What can go wrong in the daemon, apart from what peers do.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Path {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot {action}: {source}")]
    Io {
        action: &'static str,
        source: io::Error,
    },
    #[error(
        "cannot listen on {address}: {source}; is another BGP daemon running, or is the address not on this host?"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "another daemon (process {holder}) uses {}; stop it, or give this one another --state-dir",
        directory.display()
    )]
    Running { directory: PathBuf, holder: String },
    /// Each line names the line of the file.
    #[error("the configuration {} is not valid:\n{problems}", path.display())]
    Config { path: PathBuf, problems: String },
    #[error("name a file, or configure [mrt] directory")]
    NoMrtDirectory,
    #[error("{} is no MRT dump: {source}", path.display())]
    Mrt {
        path: PathBuf,
        source: bgp::mrt::MrtError,
    },
    #[error("the daemon is stopping")]
    Stopped,
    #[error("the thread that serves the sessions ended: {0}")]
    Engine(String),
}

impl Error {
    pub(crate) fn path(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Path {
            action,
            path,
            source,
        }
    }

    pub(crate) fn mrt(path: &Path) -> impl FnOnce(bgp::mrt::MrtError) -> Self {
        let path = path.to_owned();
        move |source| Self::Mrt { path, source }
    }

    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
