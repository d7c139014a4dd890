//! Sessions that come and go: what happens to their routes, and what they are sent from the start (RFC 4724, 7313, 9494).

use super::Rib;
use super::audience::Slot;
use super::config::PeerInfo;
use super::group::{Start, constrained_family};
use super::peer::Due;
use super::shard::Shard;
use super::sweep::Fate;
use super::tables::with_table;
use crate::message::{RefreshKind, RouteRefresh};
use crate::{Family, FamilySet, PeerId};

impl Rib {
    /// A session is established. Routes kept from an earlier session of the peer stay stale until [`Self::end_of_rib`].
    pub fn peer_up(&mut self, peer: PeerId, info: PeerInfo) {
        if self
            .peers
            .slot(peer)
            .is_some_and(|slot| self.peers.get(slot).is_some_and(|p| p.up))
        {
            self.peer_down(peer, FamilySet::EMPTY);
        }
        let families = info.families;
        let per_route = info
            .import
            .as_ref()
            .is_some_and(|policy| self.policies.depends_on_route(policy));
        self.retire(peer, &info);
        let slot = self.peers.up(peer, info);
        let constrained = families.contains(Family::RouteTarget);
        if let Some(state) = self.peers.get_mut(slot) {
            state.import_per_route = per_route;
            state.memberships_complete = false;
            for family in families.iter() {
                state.due[family as usize] = Some(Due::EndOfRib);
            }
        }
        if constrained {
            self.subscriptions.constrain(slot);
        }
        self.keep_default_routes();
        self.ask_for_all(peer, families);
        // Memberships first: the other side needs them before it may send anything else.
        let order = Family::ALL.into_iter().rev();
        for family in order.filter(|family| families.contains(*family)) {
            if !(constrained && constrained_family(family)) {
                self.join(slot, family, Start::Beginning);
            }
        }
    }

    /// Routes on their way out are still judged by who announced them: they go at once if that is somebody else now.
    fn retire(&mut self, peer: PeerId, info: &PeerInfo) {
        let Some(before) = self.peers.slot(peer).and_then(|slot| self.peers.get(slot)) else {
            return;
        };
        let identity = |info: &PeerInfo| (info.kind, info.asn, info.address, info.router_id);
        if identity(&before.info) != identity(info) {
            Family::ALL
                .into_iter()
                .for_each(|family| self.finish(family));
        }
    }

    /// A session ended. Routes of families in `keep` become stale (RFC 4724), all others go.
    pub fn peer_down(&mut self, peer: PeerId, keep: FamilySet) {
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        for family in Family::ALL {
            let _ = self.leave(slot, family, false);
        }
        self.pending.remove(&slot);
        self.subscriptions.leave(slot);
        let families = match self.peers.get_mut(slot) {
            Some(state) => {
                state.up = false;
                state.queue.clear();
                state.queued = 0;
                state.due = Default::default();
                state.info.families
            }
            None => return,
        };
        self.keep_default_routes();
        for family in families.iter() {
            self.forget_sent(slot, family);
        }
        for family in Family::ALL {
            let fate = if keep.contains(family) {
                Fate::Stale
            } else {
                Fate::Gone
            };
            self.order(slot, family, fate);
        }
        self.peers.settle(slot);
    }

    /// Nothing is left of what a peer had been sent of a family.
    fn forget_sent(&mut self, slot: Slot, family: Family) {
        let leftovers = with_table!(self.tables, family, table => {
            let forget = |shard: &mut _| Shard::forget(shard, slot);
            table.shards.iter_mut().map(forget).fold(false, |any, one| any | one)
        });
        self.sweeps[family as usize].waiting.leftovers |= leftovers;
    }

    /// A peer is no longer configured: everything of it goes.
    pub fn peer_removed(&mut self, peer: PeerId) {
        self.peer_down(peer, FamilySet::EMPTY);
        self.ask_for_all(peer, FamilySet::EMPTY);
    }

    /// The peer has sent all it has of a family: what is still stale goes. [`Self::update`] calls it for the marker; a caller
    /// whose timer ran out does too.
    pub fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        self.decide_fate(peer, family, Fate::Swept);
        if family == Family::RouteTarget {
            self.memberships_complete(peer);
        }
    }

    /// Stale routes become long-lived stale (RFC 9494 4.2); those with NO_LLGR go.
    pub fn start_llgr(&mut self, peer: PeerId, family: Family) {
        self.decide_fate(peer, family, Fate::LongLived);
    }

    /// Stale routes go: the caller's timer ran out.
    pub fn sweep_stale(&mut self, peer: PeerId, family: Family) {
        self.decide_fate(peer, family, Fate::Swept);
    }

    /// The family is disabled for the rest of the session (RFC 7606 2): the peer's routes of it go, and it is sent none.
    pub fn disable_family(&mut self, peer: PeerId, family: Family) {
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        let _ = self.leave(slot, family, false);
        if let Some(pending) = self.pending.get_mut(&slot) {
            pending.retain(|(of, _, _)| *of != family);
        }
        if let Some(state) = self.peers.get_mut(slot) {
            state.due[family as usize] = None;
            state.info.families.remove(family);
        }
        self.forget_sent(slot, family);
        self.decide_fate(peer, family, Fate::Gone);
    }

    /// The peer sent ROUTE-REFRESH. `Request`: it is sent the family again, between BoRR and EoRR if both sides are
    /// `enhanced`. `Begin` and `End` bracket what it sends us again (RFC 7313).
    pub fn refresh(&mut self, peer: PeerId, family: Family, kind: RefreshKind, enhanced: bool) {
        match kind {
            RefreshKind::Request => self.send_again(peer, family, enhanced),
            RefreshKind::Begin => self.decide_fate(peer, family, Fate::Refreshing),
            RefreshKind::End => self.decide_fate(peer, family, Fate::Refreshed),
            RefreshKind::Unknown(_) => {}
        }
    }

    fn send_again(&mut self, peer: PeerId, family: Family, enhanced: bool) {
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        if self.rules_of(slot, family).is_none() {
            return;
        }
        let _ = self.leave(slot, family, false);
        if let Some(state) = self.peers.get_mut(slot) {
            let due = &mut state.due[family as usize];
            // RFC 7313 4: no BoRR before the first End-of-RIB.
            if enhanced && *due != Some(Due::EndOfRib) {
                *due = Some(Due::EndOfRefresh);
                let mut out = Vec::new();
                RouteRefresh {
                    family: family.into(),
                    kind: RefreshKind::Begin,
                }
                .encode(&mut out);
                state.push(out.into());
            }
        }
        self.join(slot, family, Start::Again);
    }

    fn decide_fate(&mut self, peer: PeerId, family: Family, fate: Fate) {
        if let Some(slot) = self.peers.slot(peer) {
            self.order(slot, family, fate);
            self.peers.settle(slot);
        }
    }
}
