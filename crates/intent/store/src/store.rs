//! The store handle: opening, snapshots, transactions, watches, closing.

use crate::commit::{Answer, Refusal, Tip};
use crate::disk::Disk;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::table::Schema;
use crate::tx::Tx;
use crate::watch::{History, HistoryLimit, Progress, Watch};
use crate::writer::Writer;
use crate::{Revision, StoreError, TransactError};
use parking_lot::{Condvar, Mutex, RwLock};
use std::hash::RandomState;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How a store behaves. The defaults suit a controller of a large cloud.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub history: HistoryLimit,
    /// Transactions that may be under way at once; more wait their turn.
    pub max_in_flight: usize,
    /// How often a transaction is run before it is answered [`StoreError::Busy`].
    pub max_attempts: u32,
    /// The journal is folded into a new checkpoint when it is larger than this and than the last checkpoint.
    pub checkpoint_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            history: HistoryLimit {
                change_sets: 16_384,
                bytes: 32 << 20,
            },
            max_in_flight: 4_096,
            max_attempts: 64,
            checkpoint_bytes: 64 << 20,
        }
    }
}

/// A handle to an open store; clones share it. The store closes when the last handle is dropped or
/// [`Store::close`] is called on any.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    in_flight: Semaphore,
    max_attempts: u32,
    hasher: RandomState,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What handles, watches and the writer thread have in common.
pub(crate) struct Shared {
    pub(crate) tip: Mutex<Tip>,
    /// Tells the writer that the queue has something or the store is closing.
    pub(crate) wake: Condvar,
    /// The lock covers the copy of one pointer, so a reader never waits for a writer's work.
    pub(crate) durable: RwLock<Arc<State>>,
    pub(crate) history: Mutex<History>,
    pub(crate) progress: watch::Sender<Progress>,
}

impl Shared {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.durable.read().clone(),
        }
    }
}

/// What a transaction achieved.
#[derive(Debug, Clone, Copy)]
pub struct Committed<R> {
    /// The transaction's own revision, or the one it read from if it wrote nothing.
    pub revision: Revision,
    pub value: R,
}

/// One run of a closure.
enum Attempt<R, E> {
    Queued(Revision, Answer, R),
    /// Wrote nothing or refused: valid once what it read is durable.
    Unwritten(Revision, Option<Answer>, Result<R, E>),
    Conflict(Revision),
    Failed(StoreError),
}

impl Store {
    /// Opens or creates the store in `dir`. Reads every row: a damaged file is found here and named.
    /// Blocks for as long as reading takes; call it before serving.
    pub fn open(dir: &Path, schema: Schema, options: Options) -> Result<Store, StoreError> {
        let (disk, state) = Disk::open(dir, Arc::new(schema), &options)?;
        Store::start(state, Some(disk), options)
    }

    /// A store that keeps nothing on disk, for tests and simulations.
    pub fn in_memory(schema: Schema, options: Options) -> Store {
        Store::start(State::empty(Arc::new(schema)), None, options)
            .expect("invariant: a thread can be started")
    }

    fn start(state: State, disk: Option<Disk>, options: Options) -> Result<Store, StoreError> {
        let state = Arc::new(state);
        let progress = Progress {
            durable: state.revision,
            closed: false,
        };
        let shared = Arc::new(Shared {
            tip: Mutex::new(Tip::new(state.clone())),
            wake: Condvar::new(),
            durable: RwLock::new(state),
            history: Mutex::new(History::new(options.history)),
            progress: watch::Sender::new(progress),
        });
        let writer = Writer {
            shared: shared.clone(),
            disk,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|cause| StoreError::Writer(Arc::new(cause)))?;
        Ok(Store {
            inner: Arc::new(Inner {
                shared,
                in_flight: Semaphore::new(options.max_in_flight),
                max_attempts: options.max_attempts,
                hasher: RandomState::new(),
                writer: Mutex::new(Some(thread)),
            }),
        })
    }

    /// The durable state as it is now. O(1), waits for nobody.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.shared.snapshot()
    }

    /// Follows every change after `from`, in order and exactly once. A position that is not in the kept history
    /// (too old, from before a restart, or not reached by this store) gets a [`crate::WatchEvent::Reset`] first.
    pub fn watch(&self, from: Revision) -> Watch {
        Watch::new(self.inner.shared.clone(), from)
    }

    /// Runs `f` and commits what it wrote, atomically and durably, if nothing it read has changed meanwhile;
    /// otherwise runs it again on newer rows. `f` must be pure but for its `Tx`, and short: it runs on the caller's
    /// thread, under no lock. It reads the newest validated rows, so transactions need not wait for each other's
    /// disk write. If `f` returns an error, or writes nothing, nothing is committed; that answer, too, is only given
    /// once the rows it is based on are durable.
    ///
    /// If the returned future is dropped, the transaction may still commit.
    pub async fn transact<R, E>(
        &self,
        f: impl Fn(&mut Tx) -> Result<R, E> + Send,
    ) -> Result<Committed<R>, TransactError<E>> {
        let _turn = self
            .inner
            .in_flight
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let mut attempts = 0;
        loop {
            let revision = match self.attempt(&f) {
                Attempt::Queued(revision, answer, value) => {
                    durable(Some(answer)).await?;
                    return Ok(Committed { revision, value });
                }
                Attempt::Unwritten(revision, answer, outcome) => match durable(answer).await {
                    Ok(()) => {
                        return outcome
                            .map(|value| Committed { revision, value })
                            .map_err(TransactError::Refused);
                    }
                    Err(StoreError::Closed) => return Err(StoreError::Closed.into()),
                    // What it read was lost with a failed write; the durable rows may say otherwise.
                    Err(_) => revision,
                },
                Attempt::Conflict(revision) => revision,
                Attempt::Failed(error) => return Err(error.into()),
            };
            attempts += 1;
            if attempts >= self.inner.max_attempts {
                return Err(StoreError::Busy { attempts, revision }.into());
            }
            back_off(attempts).await;
        }
    }

    fn attempt<R, E>(&self, f: impl Fn(&mut Tx) -> Result<R, E>) -> Attempt<R, E> {
        let shared = &self.inner.shared;
        let (base, epoch) = {
            let tip = shared.tip.lock();
            (tip.view.clone(), tip.epoch)
        };
        let revision = base.revision;
        let mut tx = Tx::new(base, self.inner.hasher.clone());
        let (prepared, value) = match f(&mut tx) {
            Err(refused) => (None, Err(refused)),
            Ok(value) => match tx.prepare() {
                Ok(prepared) => (prepared, Ok(value)),
                Err(error) => return Attempt::Failed(error),
            },
        };
        let queued = match (prepared, value) {
            (Some(prepared), Ok(value)) => {
                let committed = shared.tip.lock().commit(epoch, prepared);
                committed.map(|(revision, answer)| Attempt::Queued(revision, answer, value))
            }
            (_, outcome) => {
                let durable = shared.durable.read().revision;
                let answer = shared.tip.lock().when_durable(epoch, revision, durable);
                answer.map(|answer| Attempt::Unwritten(revision, answer, outcome))
            }
        };
        match queued {
            Ok(attempt) => {
                shared.wake.notify_one();
                attempt
            }
            Err(Refusal::Conflict) => Attempt::Conflict(revision),
            Err(Refusal::Closed) => Attempt::Failed(StoreError::Closed),
        }
    }

    /// Writes what is queued, then closes the files. Later transactions on other handles get
    /// [`StoreError::Closed`]; watches end; snapshots stay usable.
    pub async fn close(self) {
        self.inner.begin_close();
        let mut progress = self.inner.shared.progress.subscribe();
        // An error means the writer is gone, which is what is waited for.
        let _ = progress.wait_for(|progress| progress.closed).await;
    }
}

impl Inner {
    fn begin_close(&self) {
        self.shared.tip.lock().closing = true;
        self.shared.wake.notify_one();
    }
}

impl Drop for Inner {
    /// Waits for the writer, so that the directory is free again afterwards.
    fn drop(&mut self) {
        self.begin_close();
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

async fn durable(answer: Option<Answer>) -> Result<(), StoreError> {
    match answer {
        Some(answer) => answer.await.unwrap_or(Err(StoreError::Closed)),
        None => Ok(()),
    }
}

/// Lets the transactions that won finish first. Conflicts last microseconds, so a few yields usually do; after
/// that, random delays keep contenders from meeting again.
async fn back_off(attempts: u32) {
    if attempts <= 4 {
        tokio::task::yield_now().await;
    } else {
        let most = 1u64 << attempts.min(14);
        let delay = rand::random_range(0..=most);
        tokio::time::sleep(Duration::from_micros(delay)).await;
    }
}
