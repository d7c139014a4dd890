//! The one thread that writes to disk. It takes everything that waits as one group, makes it durable with one sync,
//! publishes the new durable version, and only then answers. If the disk refuses, the tip goes back to the durable
//! version and everyone who built on the lost part is told why.

use crate::StoreError;
use crate::commit::{Commit, Pending};
use crate::disk::Disk;
use crate::state::State;
use crate::store::Shared;
use std::sync::Arc;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// `None` for a store that lives in memory only.
    pub(crate) disk: Option<Disk>,
}

impl Writer {
    /// Returns when the store is closing and the queue is empty.
    pub(crate) fn run(mut self) {
        while let Some(group) = self.next_group() {
            let written = match &mut self.disk {
                Some(disk) => disk.append(&group),
                None => Ok(()),
            };
            match written {
                Ok(()) => {
                    self.publish(group);
                    if let Some(disk) = &mut self.disk {
                        disk.maintain(&self.shared.snapshot().state);
                    }
                }
                Err(error) => self.roll_back(group, &error),
            }
        }
    }

    fn next_group(&self) -> Option<Vec<Pending>> {
        let mut tip = self.shared.tip.lock();
        while tip.queue.is_empty() {
            if tip.closing {
                return None;
            }
            self.shared.wake.wait(&mut tip);
        }
        Some(std::mem::take(&mut tip.queue))
    }

    fn publish(&self, group: Vec<Pending>) {
        if let Some(state) = self.fold(&group) {
            let revision = state.revision;
            *self.shared.durable.write() = state.clone();
            self.shared.tip.lock().rebase(state);
            let mut history = self.shared.history.lock();
            for commit in commits(&group) {
                history.push(commit.changes.clone(), commit.json.len());
            }
            drop(history);
            self.shared
                .progress
                .send_modify(|progress| progress.durable = revision);
        }
        for pending in group {
            // A caller that stopped waiting is not told; its commit stands.
            let _ = pending.answer.send(Ok(()));
        }
    }

    /// The version after the group; `None` if it only waited.
    fn fold(&self, group: &[Pending]) -> Option<Arc<State>> {
        let revision = commits(group).last()?.changes.revision;
        let mut state = State::clone(&self.shared.durable.read());
        for write in commits(group).flat_map(|commit| &commit.writes) {
            state.apply(write);
        }
        state.revision = revision;
        Some(Arc::new(state))
    }

    fn roll_back(&self, group: Vec<Pending>, error: &StoreError) {
        tracing::error!(%error, "store write failed");
        let durable = self.shared.snapshot().state;
        let later = self.shared.tip.lock().roll_back(durable);
        for pending in group.into_iter().chain(later) {
            let _ = pending.answer.send(Err(error.clone()));
        }
    }
}

fn commits(group: &[Pending]) -> impl Iterator<Item = &Commit> {
    group.iter().filter_map(|pending| pending.commit.as_ref())
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it in vain: dropping a queued answer reads as closed.
    fn drop(&mut self) {
        if let Some(disk) = self.disk.take() {
            disk.close();
        }
        let mut tip = self.shared.tip.lock();
        tip.closing = true;
        tip.queue.clear();
        drop(tip);
        self.shared
            .progress
            .send_modify(|progress| progress.closed = true);
    }
}
