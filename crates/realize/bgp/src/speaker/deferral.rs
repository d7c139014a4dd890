//! After a restart of ours (RFC 4724 4.1): no route is chosen or sent before the neighbors have sent theirs, or the
//! selection deferral time is over. So nobody sees what we would choose from half of the routes.
//!
//! Memberships (RFC 4684) are passed on at once, for neighbors send VPN routes only to whoever asked for their targets. The
//! End-of-RIB of them is what makes a neighbor take its VPN routes for complete, so it waits for everybody's memberships.

use crate::config::{Endpoint, GracefulMode, Neighbor};
use crate::session::Negotiated;
use crate::{Family, FamilySet, PeerId, Time};
use std::collections::BTreeMap;

/// How this speaker has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Nothing is left of an earlier run.
    #[default]
    Fresh,
    /// Neighbors may still hold our routes; in these families forwarding went on meanwhile.
    Restarted { forwarding: FamilySet },
}

/// The earlier run of which neighbors may still hold routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Earlier {
    /// When this run began.
    since: Time,
    forwarding: FamilySet,
}

impl Earlier {
    pub(super) const fn new(since: Time, forwarding: FamilySet) -> Self {
        Self { since, forwarding }
    }

    pub(super) const fn forwarding(&self) -> FamilySet {
        self.forwarding
    }

    /// Whether a neighbor that was promised this restart time, in seconds, still counts on it.
    pub(super) fn is_within(&self, restart_time: u16, now: Time) -> bool {
        now.0 < self.since.0 + u64::from(restart_time) * 1_000
    }
}

/// The wait.
#[derive(Debug)]
pub(super) struct Deferral {
    until: Time,
    /// It lasts until then in any case: who will call from ranges is not known.
    least: Time,
    /// Until then, others' memberships are waited for.
    memberships: Time,
    /// The End-of-RIB of memberships is given free.
    told: bool,
    /// The latest time asked about.
    now: Time,
    /// What neighbors have still to send; those not heard of yet, all they are configured with.
    waiting: BTreeMap<PeerId, FamilySet>,
}

/// What neighbors are told from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// That they have all memberships.
    Memberships,
    /// Everything.
    Over { timed_out: bool },
}

impl Deferral {
    /// RFC 4684 6: the bound on waiting for memberships, in milliseconds.
    const MEMBERSHIPS: u64 = 60_000;

    pub(super) fn new(neighbors: &[Neighbor], now: Time) -> Self {
        let after = |seconds: u32| Time(now.0 + u64::from(seconds) * 1_000);
        let longest = neighbors
            .iter()
            .map(|one| one.graceful_restart.selection_deferral);
        let least = neighbors.iter().filter_map(expected_callers);
        Self {
            until: after(longest.max().unwrap_or(0)),
            least: after(least.max().unwrap_or(0)),
            memberships: Time(now.0 + Self::MEMBERSHIPS),
            told: false,
            now,
            waiting: BTreeMap::new(),
        }
    }

    /// When it is to be asked about next.
    pub(super) fn next_timer(&self) -> Time {
        let times = [self.least, self.memberships, self.until];
        let ahead = times.into_iter().filter(|time| *time > self.now);
        ahead.min().unwrap_or(self.until)
    }

    /// A configured neighbor that is not shut down, and its families.
    pub(super) fn expect(&mut self, peer: PeerId, families: FamilySet) {
        self.waiting.insert(peer, families);
    }

    /// It is not waited for any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.waiting.remove(&peer);
    }

    /// A session with it. Those without graceful restart send no End-of-RIB, those that have restarted themselves wait
    /// for us (RFC 4724 4.1).
    pub(super) fn established(&mut self, peer: PeerId, negotiated: &Negotiated) {
        match negotiated.graceful {
            Some(graceful) if !graceful.restarting => self.expect(peer, negotiated.families),
            _ => self.forget(peer),
        }
    }

    /// The session was lost before it had sent all: it is expected back.
    pub(super) fn lost(&mut self, peer: PeerId, families: FamilySet) {
        if let Some(waiting) = self.waiting.get_mut(&peer) {
            *waiting = families;
        }
    }

    /// The neighbor has sent all of a family, or will not.
    pub(super) fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        if let Some(families) = self.waiting.get_mut(&peer) {
            families.remove(family);
            if families.is_empty() {
                self.waiting.remove(&peer);
            }
        }
    }

    /// How far it has come, if that is news.
    pub(super) fn progress(&mut self, now: Time) -> Option<Progress> {
        self.now = now;
        let all_called = now >= self.least;
        if all_called && self.waiting.is_empty() {
            return Some(Progress::Over { timed_out: false });
        }
        if now >= self.until {
            return Some(Progress::Over { timed_out: true });
        }
        let mut waiting = self.waiting.values();
        let known = all_called && !waiting.any(|left| left.contains(Family::RouteTarget));
        let news = !self.told && (known || now >= self.memberships);
        self.told |= news;
        news.then_some(Progress::Memberships)
    }
}

/// Of a range from which neighbors that hold our routes may call: within how many seconds they will have.
fn expected_callers(range: &Neighbor) -> Option<u32> {
    let options = range.graceful_restart;
    let calls = matches!(range.endpoint, Endpoint::Range(_)) && range.shutdown.is_none();
    let keeps = options.mode == GracefulMode::Full;
    (calls && keeps).then(|| options.selection_deferral.min(options.restart_time.into()))
}
