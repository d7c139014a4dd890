//! What is still to be said to one agent. Holds at most one entry per unit, whatever the agent's pace: while it is
//! busy, newer versions replace older ones. The stream to the agent is built from here when the transport asks
//! for the next frame, so nothing queues behind a slow connection and nothing waits on an idle one.

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use plan::UnitKey;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tonic::Status;
use wire::{ControllerFrame, FRAME_TARGET, GoAwayReason, MAX_CREDIT, Reject, Snapshot, proto};

/// More refusals than this are not queued for an agent that does not read them.
const MAX_CONTROL: usize = 64;

/// A unit the agent does not have as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The encoded unit; `None` removes it.
    pub(crate) value: Option<Bytes>,
    /// Whether the agent has some version of it, so that removing it needs saying.
    pub(crate) held: bool,
}

/// The way of one agent from what it has to one revision of its plan.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    upserts: VecDeque<Bytes>,
    deletes: VecDeque<UnitKey>,
    revision: u64,
}

impl Batch {
    /// Puts come in key order and removals after them in reverse, so that a unit is there before it is referred to,
    /// and goes after the last reference to it.
    pub(crate) fn new(pending: BTreeMap<UnitKey, Pending>, revision: u64) -> Self {
        let mut batch = Self {
            revision,
            ..Self::default()
        };
        for (key, pending) in pending {
            match pending.value {
                Some(value) => batch.upserts.push_back(value),
                None => batch.deletes.push_front(key),
            }
        }
        batch
    }

    fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.deletes.is_empty()
    }

    /// As much as goes into one frame; at least one unit.
    fn next_delta(&mut self) -> proto::Delta {
        // Tag and length of a field take at most 6 bytes, a key with its tags at most 300.
        const FIELD: usize = 6;
        const KEY: usize = 300;
        let mut delta = proto::Delta::default();
        let mut size = 0;
        while let Some(value) = self.upserts.front() {
            size += value.len() + FIELD;
            if size > FRAME_TARGET && !delta.upserts.is_empty() {
                return delta;
            }
            delta.upserts.extend(self.upserts.pop_front());
        }
        while size + KEY <= FRAME_TARGET {
            let Some(key) = self.deletes.pop_front() else {
                break;
            };
            size += KEY;
            delta.deletes.push((&key).into());
        }
        delta
    }
}

/// What an outbox has sent, for metrics.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) units: u64,
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct State {
    control: VecDeque<ControllerFrame>,
    /// What goes out now; complete with an `End`.
    batch: Option<Batch>,
    /// What changed after the batch.
    dirty: BTreeMap<UnitKey, Pending>,
    /// The revision of `dirty`, once something is due.
    due: Option<u64>,
    /// The revision of the last `End`.
    ended: Option<u64>,
    /// Bytes the agent is ready to take; negative when the last frame exceeded what was left.
    balance: i64,
    closing: bool,
    waker: Option<Waker>,
    sent: Sent,
}

#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    closed: Notify,
}

impl Outbox {
    /// Queues a frame that needs no credit.
    pub(crate) fn say(&self, frame: ControllerFrame) {
        let mut state = self.state.lock();
        if !state.closing && state.control.len() < MAX_CONTROL {
            state.control.push_back(frame);
            wake(state);
        }
    }

    /// Starts with the answer to the inventory. What was posted before comes after it.
    pub(crate) fn start(&self, difference: Batch) {
        let mut state = self.state.lock();
        state.control.push_back(ControllerFrame::Snapshot(Snapshot {
            revision: difference.revision,
            upserts: difference.upserts.len() as u64,
            deletes: difference.deletes.len() as u64,
        }));
        state.batch = Some(difference);
        wake(state);
    }

    /// Takes edits that lead from the plan of the last call's revision to the plan of this one.
    pub(crate) fn post(&self, edits: Vec<(UnitKey, Pending)>, revision: u64) {
        let mut state = self.state.lock();
        for (key, edit) in edits {
            let held = state.dirty.get(&key).map_or(edit.held, |older| older.held);
            if edit.value.is_none() && !held {
                state.dirty.remove(&key);
            } else {
                let value = edit.value;
                state.dirty.insert(key, Pending { value, held });
            }
        }
        state.due = Some(revision);
        wake(state);
    }

    pub(crate) fn grant(&self, bytes: u32) {
        let mut state = self.state.lock();
        let most = i64::try_from(MAX_CREDIT).unwrap_or(i64::MAX);
        state.balance = (state.balance + i64::from(bytes)).min(most);
        wake(state);
    }

    /// The revision of the last `End` that went out.
    pub(crate) fn ended(&self) -> Option<u64> {
        self.state.lock().ended
    }

    /// What went out since the last call.
    pub(crate) fn take_sent(&self) -> Sent {
        std::mem::take(&mut self.state.lock().sent)
    }

    pub(crate) fn reject(&self, reject: Reject) {
        if reject.code.ends_stream() {
            self.close(Some(ControllerFrame::Reject(reject)));
        } else {
            self.say(ControllerFrame::Reject(reject));
        }
    }

    pub(crate) fn go_away(&self, reason: GoAwayReason) {
        self.close(Some(ControllerFrame::GoAway(reason)));
    }

    /// Ends the stream after the frames that need no credit.
    pub(crate) fn close(&self, last_words: Option<ControllerFrame>) {
        let mut state = self.state.lock();
        if !state.closing {
            state.closing = true;
            state.control.extend(last_words);
        }
        wake(state);
        self.closed.notify_waiters();
    }

    /// Until the outbox is closed from either side.
    pub(crate) async fn closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.state.lock().closing {
                return;
            }
            closed.await;
        }
    }
}

impl State {
    fn next_frame(&mut self) -> Option<proto::ControllerFrame> {
        if let Some(frame) = self.control.pop_front() {
            return Some((&frame).into());
        }
        if self.closing {
            return None;
        }
        if self.batch.is_none()
            && self.ended.is_some()
            && (self.balance > 0 || self.dirty.is_empty())
        {
            let revision = self.due.take()?;
            self.batch = Some(Batch::new(std::mem::take(&mut self.dirty), revision));
        }
        let batch = self.batch.as_mut()?;
        if batch.is_empty() {
            let revision = batch.revision;
            self.batch = None;
            self.ended = Some(revision);
            return Some((&ControllerFrame::End(revision)).into());
        }
        if self.balance <= 0 {
            return None;
        }
        let delta = batch.next_delta();
        let length = wire::delta_length(&delta);
        self.balance -= i64::try_from(length).unwrap_or(i64::MAX);
        self.sent.units += (delta.upserts.len() + delta.deletes.len()) as u64;
        self.sent.bytes += length as u64;
        Some(proto::ControllerFrame {
            frame: Some(proto::controller_frame::Frame::Delta(delta)),
        })
    }
}

/// Wakes the stream after the lock is gone, so that it does not wait for it.
fn wake(mut state: parking_lot::MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The frames to the agent. Dropping it, as the transport does when the connection is gone, closes the outbox.
pub(crate) struct Frames(pub(crate) Arc<Outbox>);

impl Stream for Frames {
    type Item = Result<proto::ControllerFrame, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state.lock();
        if let Some(frame) = state.next_frame() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if state.closing {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.0.close(None);
    }
}

#[cfg(test)]
mod tests;
