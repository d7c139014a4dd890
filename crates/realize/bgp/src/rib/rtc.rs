//! Route-target constraint (RFC 4684): who wants which target, and which routes carry it.
//!
//! Two indices meet here. From a target to the peers that asked for it: with it the recipients of an attribute set are a
//! union of a few sets, computed once per set and slice of work, never per route and peer. From a target to the entries
//! that carry it: with it a peer that asks for a target, or no longer does, costs a visit to those entries only.

use super::audience::{Slot, Slots};
use super::changes::Marker;
use crate::Asn;
use crate::attribute::Attributes;
use crate::nlri::{PathId, RouteTarget, RtMembership};
use hashbrown::HashMap;

/// Who asked for what.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Peers that negotiated the family: they get only what they asked for.
    constrained: Slots,
    exact: HashMap<RouteTarget, Slots, foldhash::fast::RandomState>,
    /// Memberships that name only the leading bits of a target.
    partial: Vec<(u64, u8, Slots)>,
    everything: Slots,
    /// The routes by which each peer asked for the same: of several origin ASes.
    asked: HashMap<(Slot, Asked), Vec<(Asn, PathId)>, foldhash::fast::RandomState>,
}

/// A membership without its origin AS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asked {
    Everything,
    Target(RouteTarget),
    /// Value and number of leading bits.
    Leading(u64, u8),
}

impl Asked {
    pub(crate) fn new(membership: &RtMembership) -> Self {
        match *membership {
            RtMembership::Default => Self::Everything,
            RtMembership::Target { target, bits, .. } if bits >= 64 => Self::Target(target),
            RtMembership::Target { bits: 0, .. } => Self::Everything,
            RtMembership::Target { target, bits, .. } => {
                Self::Leading(u64::from_be_bytes(target.0), bits)
            }
        }
    }
}

impl Subscriptions {
    pub(crate) fn constrain(&mut self, slot: Slot) {
        self.constrained.insert(slot);
    }

    pub(crate) fn is_constrained(&self, slot: Slot) -> bool {
        self.constrained.contains(slot)
    }

    pub(crate) fn any(&self) -> bool {
        !self.constrained.is_empty()
    }

    /// A membership route of a peer comes or goes. What it asks for, if that is new to the peer or was its last such route.
    pub(crate) fn set(
        &mut self,
        slot: Slot,
        membership: &RtMembership,
        path: PathId,
        there: bool,
    ) -> Option<Asked> {
        let asked = Asked::new(membership);
        let origin = match membership {
            RtMembership::Default => 0,
            RtMembership::Target { origin, .. } => *origin,
        };
        let routes = self.asked.entry((slot, asked)).or_default();
        let before = routes.is_empty();
        routes.retain(|route| *route != (origin, path));
        if there {
            routes.push((origin, path));
        }
        let now = routes.is_empty();
        if now {
            self.asked.remove(&(slot, asked));
        }
        if before == now {
            return None;
        }
        if there {
            self.slots(asked).insert(slot);
        } else {
            self.slots(asked).remove(slot);
            if let Asked::Target(target) = asked
                && self.slots(asked).is_empty()
            {
                self.exact.remove(&target);
            }
            self.partial.retain(|(_, _, slots)| !slots.is_empty());
        }
        Some(asked)
    }

    fn slots(&mut self, asked: Asked) -> &mut Slots {
        match asked {
            Asked::Everything => &mut self.everything,
            Asked::Target(target) => self.exact.entry(target).or_default(),
            Asked::Leading(value, bits) => {
                let known = self
                    .partial
                    .iter()
                    .position(|(v, b, _)| (*v, *b) == (value, bits));
                let at = known.unwrap_or_else(|| {
                    self.partial.push((value, bits, Slots::default()));
                    self.partial.len() - 1
                });
                &mut self.partial[at].2
            }
        }
    }

    /// What a peer asked for.
    pub(crate) fn of(&self, slot: Slot) -> Vec<Asked> {
        let mut asked: Vec<Asked> = self
            .asked
            .keys()
            .filter(|(who, _)| *who == slot)
            .map(|(_, asked)| *asked)
            .collect();
        asked.sort_unstable();
        asked
    }

    /// The session is gone.
    pub(crate) fn leave(&mut self, slot: Slot) {
        self.constrained.remove(slot);
    }

    /// The members a route with these attributes may go to.
    pub(crate) fn filter(&self, members: &Slots, attributes: &Attributes) -> Slots {
        let mut wanted = self.everything.clone();
        for target in attributes.route_targets() {
            if let Some(slots) = self.exact.get(&target) {
                wanted = wanted.or(slots);
            }
            let value = u64::from_be_bytes(target.0);
            for (leading, bits, slots) in &self.partial {
                if (value ^ leading).leading_zeros() >= u32::from(*bits) {
                    wanted = wanted.or(slots);
                }
            }
        }
        let free = members.minus(&self.constrained);
        free.or(&members.and(&wanted))
    }
}

/// Which entries of a shard carry a target. An entry may be listed though it no longer does, or twice: whoever follows the
/// list looks at the entry as it is. Lists are cleaned when they have doubled.
#[derive(Debug)]
pub(crate) struct TargetIndex {
    pub(crate) marker: Marker,
    noted: usize,
    lists: HashMap<RouteTarget, List, foldhash::fast::RandomState>,
}

#[derive(Debug, Default)]
struct List {
    entries: Vec<u32>,
    clean: usize,
}

impl List {
    fn clean(&mut self, carries: impl Fn(u32) -> bool) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.entries.retain(|entry| carries(*entry));
        self.clean = self.entries.len();
    }
}

impl TargetIndex {
    pub(crate) fn new(marker: Marker) -> Self {
        Self {
            marker,
            noted: 0,
            lists: HashMap::default(),
        }
    }

    /// Notes that an entry carries a target; `carries` tells whether another one still does.
    pub(crate) fn note(&mut self, target: RouteTarget, entry: u32, carries: impl Fn(u32) -> bool) {
        const SMALL: usize = 64;
        self.noted += 1;
        let list = self.lists.entry(target).or_default();
        list.entries.push(entry);
        if list.entries.len() > SMALL.max(2 * list.clean) {
            list.clean(carries);
        }
    }

    /// Drops lists of targets that no entry carries any more, now and then.
    pub(crate) fn tidy(&mut self, entries: usize, carries: impl Fn(RouteTarget, u32) -> bool) {
        if self.noted < 4096 + 4 * entries {
            return;
        }
        self.noted = 0;
        self.lists.retain(|target, list| {
            list.clean(|entry| carries(*target, entry));
            !list.entries.is_empty()
        });
    }

    /// The entries of a target, each once.
    pub(crate) fn entries(&self, target: RouteTarget) -> Vec<u32> {
        let mut entries = self
            .lists
            .get(&target)
            .map_or_else(Vec::new, |list| list.entries.clone());
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}
