//! The tip: the newest validated version, the claims recent commits touched, and the queue to the disk. Behind one
//! short lock that only ever covers comparing hashes and swapping pointers, never a transaction's closure, JSON or I/O.

use crate::overlay::{Overlay, View, Write};
use crate::state::State;
use crate::tx::{Claim, Prepared};
use crate::watch::ChangeSet;
use crate::{Revision, StoreError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

pub(crate) type Answer = oneshot::Receiver<Result<(), StoreError>>;

pub(crate) struct Tip {
    pub(crate) view: View,
    /// Counts how often the tip went back to the durable version after a failed disk write. A transaction based on
    /// an earlier epoch may have seen rows that no longer exist.
    pub(crate) epoch: u64,
    pub(crate) queue: Vec<Pending>,
    pub(crate) closing: bool,
    recent: Recent,
}

/// Something waiting for the disk.
pub(crate) struct Pending {
    /// `None` only waits until everything before it is durable.
    pub(crate) commit: Option<Commit>,
    pub(crate) answer: oneshot::Sender<Result<(), StoreError>>,
}

pub(crate) struct Commit {
    pub(crate) writes: Vec<Arc<Write>>,
    pub(crate) changes: Arc<ChangeSet>,
    pub(crate) json: Vec<u8>,
}

pub(crate) enum Refusal {
    /// Something the transaction relied on changed.
    Conflict,
    Closed,
}

impl Tip {
    pub(crate) fn new(state: Arc<State>) -> Tip {
        Tip {
            recent: Recent::new(state.revision),
            view: View::new(state),
            epoch: 0,
            queue: Vec::new(),
            closing: false,
        }
    }

    /// Validates, assigns the revision, moves the tip and queues the write. The answer comes when it is durable.
    pub(crate) fn commit(
        &mut self,
        epoch: u64,
        prepared: Prepared,
    ) -> Result<(Revision, Answer), Refusal> {
        if self.closing {
            return Err(Refusal::Closed);
        }
        if epoch != self.epoch || !self.recent.untouched(prepared.base, &prepared.reads) {
            return Err(Refusal::Conflict);
        }
        let revision = Revision(self.view.revision.0 + 1);
        self.view.revision = revision;
        for write in &prepared.writes {
            self.view.pending.put(write.clone());
        }
        for change in &prepared.changes {
            change.stamp(revision);
        }
        self.recent.push(revision, prepared.touched);
        let commit = Commit {
            writes: prepared.writes,
            changes: Arc::new(ChangeSet {
                revision,
                changes: prepared.changes,
            }),
            json: prepared.json,
        };
        Ok((revision, self.enqueue(Some(commit))))
    }

    /// For an outcome that wrote nothing but read `base`: an answer that comes when `base` is durable, `None` if it
    /// already is.
    pub(crate) fn when_durable(
        &mut self,
        epoch: u64,
        base: Revision,
        durable: Revision,
    ) -> Result<Option<Answer>, Refusal> {
        if self.closing {
            return Err(Refusal::Closed);
        }
        if epoch != self.epoch {
            return Err(Refusal::Conflict);
        }
        Ok((base > durable).then(|| self.enqueue(None)))
    }

    fn enqueue(&mut self, commit: Option<Commit>) -> Answer {
        let (answer, receiver) = oneshot::channel();
        self.queue.push(Pending { commit, answer });
        receiver
    }

    /// Takes over the next durable version; over it remains what is queued.
    pub(crate) fn rebase(&mut self, durable: Arc<State>) {
        self.view.pending = Overlay::new(&durable.schema);
        self.view.base = durable;
        for commit in self
            .queue
            .iter()
            .filter_map(|pending| pending.commit.as_ref())
        {
            for write in &commit.writes {
                self.view.pending.put(write.clone());
            }
        }
    }

    /// Forgets everything after `durable` and hands out who was waiting for it.
    pub(crate) fn roll_back(&mut self, durable: Arc<State>) -> Vec<Pending> {
        self.epoch += 1;
        self.recent = Recent::new(durable.revision);
        self.view = View::new(durable);
        std::mem::take(&mut self.queue)
    }
}

/// Which claims the last commits touched. Bounded: a transaction older than the window conflicts.
struct Recent {
    /// Everything after this revision is known.
    floor: Revision,
    last_touch: HashMap<Claim, Revision>,
    commits: VecDeque<(Revision, Vec<Claim>)>,
}

impl Recent {
    const COMMITS: usize = 1024;

    fn new(floor: Revision) -> Recent {
        Recent {
            floor,
            last_touch: HashMap::new(),
            commits: VecDeque::new(),
        }
    }

    fn untouched(&self, since: Revision, reads: &[Claim]) -> bool {
        since >= self.floor
            && reads
                .iter()
                .all(|claim| self.last_touch.get(claim).is_none_or(|at| *at <= since))
    }

    fn push(&mut self, revision: Revision, touched: Vec<Claim>) {
        for claim in &touched {
            self.last_touch.insert(*claim, revision);
        }
        self.commits.push_back((revision, touched));
        if self.commits.len() > Self::COMMITS
            && let Some((old, claims)) = self.commits.pop_front()
        {
            self.floor = old;
            for claim in claims {
                if self.last_touch.get(&claim) == Some(&old) {
                    self.last_touch.remove(&claim);
                }
            }
        }
    }
}
