//! How long to wait before a neighbor is tried again, and when it is not even listened to (RFC 4271 8.1.1,
//! DampPeerOscillations).

use crate::Time;
use crate::config::Endpoint;
use crate::session::Jitter;
use hashbrown::HashMap;
use std::net::IpAddr;

/// Failures of late; each doubles the wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    /// Attempts to connect in a row that failed.
    attempts: u32,
    /// Sessions in a row that did not last.
    sessions: u32,
}

/// A session that lasted this long, in milliseconds, has not failed.
const LASTING: u64 = 120_000;
/// The longest wait, in milliseconds.
const LONGEST: u64 = 120_000;
/// After a session that lasted, the neighbor is called again this soon, in milliseconds.
const SOON: u64 = 1_000;
/// So many short sessions in a row and a neighbor is damped.
const TOLERATED: u32 = 5;

impl Backoff {
    /// The wait after an attempt that failed; `base` in milliseconds.
    pub(super) fn attempt_failed(&mut self, base: u64, jitter: &mut Jitter) -> u64 {
        self.attempts += 1;
        wait(base, self.attempts - 1, jitter)
    }

    /// The wait after a session or an exchange of OPENs that ended; `lasted` in milliseconds.
    pub(super) fn session_ended(&mut self, base: u64, lasted: u64, jitter: &mut Jitter) -> u64 {
        self.attempts = 0;
        if lasted >= LASTING {
            self.sessions = 0;
            return jitter.timer(SOON);
        }
        self.sessions += 1;
        wait(base, self.sessions - 1, jitter)
    }

    /// After a failed session: the neighbor is not to be listened to for the wait either.
    pub(super) const fn is_damped(&self) -> bool {
        self.sessions > TOLERATED
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn wait(base: u64, failures: u32, jitter: &mut Jitter) -> u64 {
    let doubled = base.saturating_mul(1 << failures.min(10));
    jitter.timer(doubled.min(LONGEST.max(base)))
}

/// Callers by address and how often they called, so that a flood of OPENs costs little. Bounded.
#[derive(Debug, Default)]
pub(super) struct Callers {
    calls: HashMap<IpAddr, (Time, u32), foldhash::fast::FixedState>,
}

impl Callers {
    const WINDOW: u64 = 60_000;
    const REMEMBERED: usize = 4_096;

    /// Counts a call; false if it is one too many. There is always room for one who is a neighbor already.
    pub(super) fn admit(&mut self, address: IpAddr, most: u32, neighbor: bool, now: Time) -> bool {
        if self.calls.len() >= Self::REMEMBERED && !self.calls.contains_key(&address) {
            self.calls
                .retain(|_, (since, _)| now.0 < since.0 + Self::WINDOW);
            if self.calls.len() >= Self::REMEMBERED && !neighbor {
                return false;
            }
        }
        let (since, count) = self.calls.entry(address).or_insert((now, 0));
        if now.0 >= since.0 + Self::WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= most
    }
}

/// What counts of a dynamic neighbor when it comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) backoff: Backoff,
    /// Sessions that were established.
    pub(super) sessions: u64,
}

/// Dynamic neighbors that are gone, for a while. Bounded: the oldest make room.
#[derive(Debug, Default)]
pub(super) struct Departed {
    memories: HashMap<Endpoint, (Time, Memory), foldhash::fast::FixedState>,
}

impl Departed {
    /// Longer than any wait after a failure, in milliseconds.
    const KEPT: u64 = 600_000;
    const MOST: usize = 4_096;

    pub(super) fn remember(&mut self, who: &Endpoint, memory: Memory, now: Time) {
        if self.memories.len() >= Self::MOST {
            self.memories
                .retain(|_, (since, _)| now.0 < since.0 + Self::KEPT);
        }
        if self.memories.len() >= Self::MOST {
            let oldest = self.memories.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                self.memories.remove(&oldest);
            }
        }
        self.memories.insert(who.clone(), (now, memory));
    }

    pub(super) fn recall(&mut self, who: &Endpoint, now: Time) -> Option<Memory> {
        let (since, memory) = self.memories.remove(who)?;
        (now.0 < since.0 + Self::KEPT).then_some(memory)
    }
}
