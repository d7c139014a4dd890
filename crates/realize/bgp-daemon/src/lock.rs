//! One daemon per state directory: two would write the same routes into the kernel and answer at the same socket.

use crate::Error;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held as long as the daemon runs; the kernel releases it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let failed = |action| Error::path(action, directory);
        fs::create_dir_all(directory).map_err(failed("create"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("lock"))
            .map_err(failed("open the lock in"))?;
        let mut holder = String::new();
        // Only for the message; an unreadable name is no reason to fail.
        let _ = file.read_to_string(&mut holder);
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let mut file = locked.map_err(|_| Error::Running {
            directory: directory.to_owned(),
            holder: holder.trim().to_owned(),
        })?;
        let name = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        name(&mut file).map_err(failed("write the lock in"))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_with_the_first_ones_process_id() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Lock::take(directory.path()).expect("free");
        let error = Lock::take(directory.path()).expect_err("taken").to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        Lock::take(directory.path()).expect("free again");
    }
}
