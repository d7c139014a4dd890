//! One agent per state directory, and one per network namespace: two would take the tunnel device from each other.

use crate::Error;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

/// An abstract address (unix(7)): each network namespace has its own, and none outlives its process.
const NAMESPACE: &str = "netwright-agent";

/// Held as long as the agent runs; the kernel releases it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
    _namespace: UnixListener,
}

impl Lock {
    /// Of the state directory and of the calling thread's network namespace.
    pub(crate) fn take(state_dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(state_dir).map_err(Error::path("create", state_dir))?;
        let path = state_dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::path("open", &path))?;
        let mut holder = String::new();
        // Only for the message; an unreadable name is no reason to fail.
        let _ = file.read_to_string(&mut holder);
        let mut file =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Error::Locked {
                path: state_dir.to_owned(),
                holder: holder.trim().to_owned(),
            })?;
        let name = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        name(&mut file).map_err(Error::path("write", &path))?;
        Ok(Self {
            _file: file,
            _namespace: take_namespace()?,
        })
    }
}

fn take_namespace() -> Result<UnixListener, Error> {
    SocketAddr::from_abstract_name(NAMESPACE)
        .and_then(|address| UnixListener::bind_addr(&address))
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::NamespaceTaken { socket: NAMESPACE },
            _ => Error::Namespace { source },
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::in_new_namespace;

    #[test]
    fn a_second_agent_is_refused_by_name() {
        in_new_namespace(async || {
            let dir = tempfile::tempdir().expect("a directory");
            let first = Lock::take(dir.path()).expect("free");
            let error = Lock::take(dir.path()).expect_err("taken").to_string();
            assert!(
                error.contains(&format!("process {}", std::process::id())),
                "{error}"
            );
            drop(first);
            Lock::take(dir.path()).expect("free again");
        });
    }

    #[test]
    fn a_network_namespace_has_one_agent() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
        let [one, two, elsewhere] = dirs.each_ref().map(tempfile::TempDir::path);
        in_new_namespace(async || {
            let first = Lock::take(one).expect("free");
            let refused = Lock::take(two).expect_err("the namespace is taken");
            assert!(matches!(refused, Error::NamespaceTaken { .. }), "{refused}");
            in_new_namespace(async || {
                Lock::take(elsewhere).expect("another namespace");
            });
            drop(first);
            Lock::take(two).expect("free again, and the directory was not kept");
        });
    }
}
