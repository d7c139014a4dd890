//! The log of UPDATEs and state changes (BGP4MP_ET), a new file every quarter of an hour. A thread of its own writes;
//! what it cannot write in time is dropped and counted, never waited for.

use super::{file_name, seconds};
use bgp::mrt::{Body, Record, Session};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// Records that may wait for the disk.
const QUEUE: usize = 16_384;
/// A file holds so much time, as in the public archives.
const ROTATE: Duration = Duration::from_secs(900);
/// What was written is on its way to the disk at least so often.
const FLUSH: Duration = Duration::from_secs(1);

/// The engine's end of the log.
#[derive(Debug)]
pub(crate) struct UpdateLog {
    pub(crate) directory: PathBuf,
    queue: SyncSender<Vec<u8>>,
    pub(crate) dropped: u64,
}

impl UpdateLog {
    pub(crate) fn start(directory: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(directory)?;
        let (queue, records) = mpsc::sync_channel::<Vec<u8>>(QUEUE);
        let writer = Writer {
            directory: directory.to_owned(),
            file: None,
        };
        std::thread::Builder::new()
            .name("bgp-mrt".to_owned())
            .spawn(move || writer.run(&records))?;
        Ok(Self {
            directory: directory.to_owned(),
            queue,
            dropped: 0,
        })
    }

    /// A whole BGP message, header included.
    pub(crate) fn message(
        &mut self,
        at: Timestamp,
        session: Session,
        add_path: bool,
        message: &[u8],
    ) {
        self.put(
            at,
            Body::Message {
                session,
                local: false,
                add_path,
                message,
            },
        );
    }

    pub(crate) fn state(&mut self, at: Timestamp, session: Session, old: u16, new: u16) {
        self.put(at, Body::StateChange { session, old, new });
    }

    fn put(&mut self, at: Timestamp, body: Body<'_>) {
        let record = Record {
            seconds: seconds(at),
            microseconds: Some(at.subsec_microsecond().unsigned_abs()),
            body,
        };
        let mut octets = Vec::new();
        record.encode(&mut octets);
        match self.queue.try_send(octets) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }
}

struct Writer {
    directory: PathBuf,
    file: Option<(BufWriter<File>, Instant)>,
}

impl Writer {
    fn run(mut self, records: &mpsc::Receiver<Vec<u8>>) {
        loop {
            let outcome = match records.recv_timeout(FLUSH) {
                Ok(record) => self.write(&record),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(error) = self.flush() {
                        tracing::error!(%error, "the log of updates is not complete");
                    }
                    return;
                }
            };
            if let Err(error) = outcome {
                tracing::error!(%error, directory = %self.directory.display(), "cannot write the log of updates");
                self.file = None;
            }
        }
    }

    fn write(&mut self, record: &[u8]) -> std::io::Result<()> {
        let old = self
            .file
            .as_ref()
            .is_some_and(|(_, opened)| opened.elapsed() >= ROTATE);
        if old {
            self.flush()?;
            self.file = None;
        }
        if self.file.is_none() {
            let path = file_name(&self.directory, "updates", Timestamp::now());
            let file = File::options().create(true).append(true).open(path)?;
            self.file = Some((BufWriter::new(file), Instant::now()));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(record),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.file {
            Some((file, _)) => file.flush(),
            None => Ok(()),
        }
    }
}
