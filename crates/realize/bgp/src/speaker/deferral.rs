//! After a restart of ours (RFC 4724 4.1): no route is chosen or sent before the neighbors have sent theirs, or the
//! selection deferral time is over. So nobody sees what we would choose from half of the routes.

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

/// The wait.
#[derive(Debug)]
pub(super) struct Deferral {
    until: Time,
    forwarding: FamilySet,
    /// Neighbors not heard of yet, and what those that are back have still to send.
    waiting: BTreeMap<PeerId, Option<FamilySet>>,
}

impl Deferral {
    pub(super) fn new(until: Time, forwarding: FamilySet) -> Self {
        Self {
            until,
            forwarding,
            waiting: BTreeMap::new(),
        }
    }

    pub(super) const fn until(&self) -> Time {
        self.until
    }

    pub(super) const fn forwarding(&self) -> FamilySet {
        self.forwarding
    }

    /// A configured neighbor that is not shut down.
    pub(super) fn expect(&mut self, peer: PeerId) {
        self.waiting.insert(peer, None);
    }

    /// It is not waited for any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.waiting.remove(&peer);
    }

    /// A session with it. Those without graceful restart send no End-of-RIB, those that have restarted themselves wait
    /// for us (RFC 4724 4.1).
    pub(super) fn established(&mut self, peer: PeerId, negotiated: &Negotiated) {
        match negotiated.graceful {
            Some(graceful) if !graceful.restarting => {
                self.waiting.insert(peer, Some(negotiated.families));
            }
            _ => self.forget(peer),
        }
    }

    /// The session was lost before it had sent all: it is expected back.
    pub(super) fn lost(&mut self, peer: PeerId) {
        if let Some(waiting) = self.waiting.get_mut(&peer) {
            *waiting = None;
        }
    }

    pub(super) fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        if let Some(Some(families)) = self.waiting.get_mut(&peer) {
            families.remove(family);
            if families.is_empty() {
                self.waiting.remove(&peer);
            }
        }
    }

    /// `Some(timed_out)` once it is over.
    pub(super) fn is_over(&self, now: Time) -> Option<bool> {
        if self.waiting.is_empty() {
            return Some(false);
        }
        (now >= self.until).then_some(true)
    }
}
