//! UPDATEs into the tables.

use super::Rib;
use super::audience::Slot;
use super::import::{Import, Imported};
use super::intern::SetId;
use super::key::Space;
use super::path::{Freshness, OrderNumber, Path, SourceId};
use super::peer::Received;
use super::shard::Judge;
use super::tables::{Table, with_table};
use super::view::{Rejection, UpdateOutcome};
use crate::message::{Disposition, Fault, FaultKind, Section, UpdateParts};
use crate::nlri::{Nlri, Route};
use crate::{Family, PeerId};

/// What happened to paths of a peer: counts, and attribute sets no longer referred to, in runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Attribute sets and how many references go.
    released: Vec<(SetId, u32)>,
    pub(super) removed: u32,
    /// Paths from before it are on their way out.
    departure: Option<OrderNumber>,
    staying: Balance,
    leaving: Balance,
}

/// Paths more or less than before.
#[derive(Debug, Default)]
struct Balance {
    paths: i64,
    accepted: i64,
    stale: i64,
}

impl Balance {
    fn count<X>(&mut self, path: &Path<X>, change: i64) {
        self.paths += change;
        self.accepted += change * i64::from(path.usable());
        self.stale += change * i64::from(path.freshness > Freshness::Refreshing);
    }

    fn settle(&self, counts: &mut Received) {
        let add = |count: u32, change: i64| (i64::from(count) + change).max(0) as u32;
        counts.paths = add(counts.paths, self.paths);
        counts.accepted = add(counts.accepted, self.accepted);
        counts.stale = add(counts.stale, self.stale);
    }
}

impl Tally {
    pub(super) fn new(departure: Option<OrderNumber>) -> Self {
        Self {
            departure,
            ..Self::default()
        }
    }

    fn balance<X>(&mut self, path: &Path<X>) -> &mut Balance {
        match self.departure {
            Some(departure) if path.done.is_before(departure) => &mut self.leaving,
            _ => &mut self.staying,
        }
    }

    pub(super) fn gone<X>(&mut self, path: &Path<X>) {
        self.release(path.received);
        self.release(path.used);
        self.removed += 1;
        self.balance(path).count(path, -1);
    }

    pub(super) fn come<X>(&mut self, path: &Path<X>) {
        self.balance(path).count(path, 1);
    }

    /// The path stays, but is not what it was; its attribute sets are the caller's concern.
    pub(super) fn changed<X>(&mut self, old: &Path<X>, new: &Path<X>) {
        let balance = self.balance(old);
        balance.count(old, -1);
        balance.count(new, 1);
    }

    pub(super) fn release(&mut self, set: SetId) {
        match self.released.last_mut() {
            Some((last, count)) if *last == set => *count += 1,
            _ if set != SetId::NONE => self.released.push((set, 1)),
            _ => {}
        }
    }
}

/// What all routes announced together have in common.
struct Announcement {
    source: SourceId,
    received: SetId,
    used: SetId,
    rejection: Option<Rejection>,
    /// The order it comes after.
    done: OrderNumber,
}

impl Rib {
    /// Takes in an UPDATE of a peer that is up; of any other it does nothing. `parts` comes from
    /// [`split`](crate::message::split) with the peer's [`codec`](super::PeerInfo::codec).
    pub fn update(&mut self, peer: PeerId, parts: &UpdateParts<'_>) -> UpdateOutcome {
        let mut outcome = UpdateOutcome::default();
        let up = |slot: &Slot| self.peers.get(*slot).is_some_and(|peer| peer.up);
        let Some(slot) = self.peers.slot(peer).filter(up) else {
            return outcome;
        };
        if let Some(family) = parts.end_of_rib() {
            self.end_of_rib(peer, family);
            outcome.end_of_rib = Some(family);
            return outcome;
        }
        if !parts.withdrawn.is_empty() {
            let routes = parts.withdrawn();
            self.take_away(slot, Family::Ipv4Unicast, routes, &mut outcome);
        }
        if let Some(unreach) = &parts.mp_unreach {
            self.take_away(slot, unreach.family, unreach.routes(), &mut outcome);
        }
        if let Some(reach) = &parts.mp_reach {
            let section = Section::Multiprotocol;
            self.take_in(
                slot,
                parts,
                section,
                reach.family,
                reach.routes(),
                &mut outcome,
            );
        }
        if !parts.nlri.is_empty() {
            let family = Family::Ipv4Unicast;
            let routes = parts.announced();
            self.take_in(slot, parts, Section::Classic, family, routes, &mut outcome);
        }
        outcome
    }

    fn take_in(
        &mut self,
        slot: Slot,
        parts: &UpdateParts<'_>,
        section: Section,
        family: Family,
        routes: impl Iterator<Item = Route> + Clone,
        outcome: &mut UpdateOutcome,
    ) {
        let Some(received) = self.received_set(slot, parts, section, outcome) else {
            self.take_away(slot, family, routes, outcome);
            return;
        };
        let contradictory = |route: &Route| route.treat_as_withdraw().is_some();
        if family == Family::Evpn && routes.clone().any(|route| contradictory(&route)) {
            let good = routes.clone().filter(|route| !contradictory(route));
            self.announce(slot, family, received, good, outcome);
            outcome.faults.extend(routes.clone().find_map(fault_of));
            let bad = routes.filter(contradictory);
            self.take_away(slot, family, bad, outcome);
        } else {
            self.announce(slot, family, received, routes, outcome);
        }
        self.sets.release(received, 1);
    }

    /// The attributes of a section, decoded unless they were lately; none if its routes count as withdrawn.
    fn received_set(
        &mut self,
        slot: Slot,
        parts: &UpdateParts<'_>,
        section: Section,
        outcome: &mut UpdateOutcome,
    ) -> Option<SetId> {
        let codec = self.peers.get(slot)?.info.codec;
        let key = parts.key(section);
        if let Some(set) = self.sets.recall(&key, &codec) {
            return Some(set);
        }
        let decoded = parts.decode_attributes(section, &codec);
        let clean = decoded.faults.is_empty();
        outcome.faults.extend(decoded.faults);
        let set = self.sets.intern(decoded.attributes?, 0);
        if clean {
            self.sets.remember(&key, &codec, set);
        }
        Some(set)
    }

    fn announce(
        &mut self,
        slot: Slot,
        family: Family,
        received: SetId,
        routes: impl Iterator<Item = Route> + Clone,
        outcome: &mut UpdateOutcome,
    ) {
        let Some(first) = routes.clone().next() else {
            return;
        };
        let per_route = self
            .peers
            .get(slot)
            .is_some_and(|peer| peer.import_per_route);
        if !per_route {
            self.announce_alike(slot, family, received, &first.nlri, routes, outcome);
            return;
        }
        for route in routes {
            let one = std::iter::once(route);
            self.announce_alike(slot, family, received, &route.nlri, one, outcome);
        }
    }

    /// Announces routes of which import says the same.
    fn announce_alike(
        &mut self,
        slot: Slot,
        family: Family,
        received: SetId,
        nlri: &Nlri,
        routes: impl Iterator<Item = Route> + Clone,
        outcome: &mut UpdateOutcome,
    ) {
        let Some(peer) = self.peers.get(slot) else {
            return;
        };
        let import = Import {
            peer: &peer.info,
            policies: &self.policies,
            family,
        };
        let imported = import.apply(&mut self.sets, received, nlri);
        let (used, mut rejection) = match imported {
            Imported::Used(set) => (set, None),
            Imported::Rejected(rejection) => (SetId::NONE, Some(rejection)),
        };
        if let Some(set) = used.some() {
            rejection = self.unreachable(family, set);
        }
        let common = Announcement {
            source: SourceId::peer(slot),
            received,
            used,
            rejection,
            done: peer.latest_order[family as usize],
        };
        let mut tally = Tally::new(peer.departure[family as usize]);
        let memberships = family == Family::RouteTarget;
        let count = {
            let judge = Judge {
                sets: &self.sets,
                peers: &self.peers,
                hops: &self.hops,
                options: &self.config.best_path,
            };
            let routes = routes.clone();
            with_table!(self.tables, family, table => announce(table, &judge, &common, routes, &mut tally))
        };
        self.sets.retain(received, count);
        self.sets.retain(used, count);
        self.sets.release(used, 1);
        if memberships {
            for route in routes {
                self.membership(slot, &route, rejection.is_none());
            }
        }
        outcome.announced += count;
        if rejection.is_some() {
            outcome.rejected += count;
        }
        self.settle(slot, family, tally);
    }

    /// The next hop of a membership leads nowhere that matters (RFC 4684 5): it is not asked about.
    pub(super) fn unreachable(&self, family: Family, set: SetId) -> Option<Rejection> {
        let hop = self.sets.get(set).attributes.next_hop?;
        let rejects = self.hops.rejects(family, hop.address());
        rejects.then_some(Rejection::Unreachable)
    }

    fn take_away(
        &mut self,
        slot: Slot,
        family: Family,
        routes: impl Iterator<Item = Route>,
        outcome: &mut UpdateOutcome,
    ) {
        let departure = self
            .peers
            .get(slot)
            .and_then(|p| p.departure[family as usize]);
        let mut tally = Tally::new(departure);
        let mut memberships: Vec<Route> = Vec::new();
        {
            let judge = Judge {
                sets: &self.sets,
                peers: &self.peers,
                hops: &self.hops,
                options: &self.config.best_path,
            };
            let gone = |route: &Route| {
                if family == Family::RouteTarget {
                    memberships.push(*route);
                }
            };
            with_table!(self.tables, family, table => {
                withdraw(table, &judge, SourceId::peer(slot), routes, &mut tally, gone);
            });
        }
        outcome.withdrawn += tally.removed;
        self.settle(slot, family, tally);
        for route in memberships {
            self.membership(slot, &route, false);
        }
    }

    /// Takes counts over and lets go of attribute sets.
    pub(super) fn settle(&mut self, slot: Slot, family: Family, tally: Tally) {
        if let Some(peer) = self.peers.get_mut(slot) {
            tally.staying.settle(&mut peer.received[family as usize]);
            tally.leaving.settle(&mut peer.leaving[family as usize]);
        }
        self.release(tally);
    }

    pub(super) fn release(&mut self, tally: Tally) {
        for (set, count) in tally.released {
            self.sets.release(set, count);
        }
    }
}

/// What is wrong with a route that counts as withdrawn whatever its attributes are.
fn fault_of(route: Route) -> Option<Fault> {
    Some(Fault {
        attribute: None,
        kind: FaultKind::Value(route.treat_as_withdraw()?),
        disposition: Disposition::TreatAsWithdraw,
        bytes: Box::default(),
    })
}

/// How many routes were announced.
fn announce<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    common: &Announcement,
    routes: impl Iterator<Item = Route>,
    tally: &mut Tally,
) -> u32 {
    let mut count = 0;
    for route in routes {
        let Some(key) = S::key(&route.nlri) else {
            continue;
        };
        let path = Path {
            received: common.received,
            used: common.used,
            path_id: route.path_id,
            age: 0,
            source: common.source,
            sent_as: 0,
            freshness: Freshness::Fresh,
            rejection: common.rejection,
            multipath: false,
            done: common.done,
            extra: S::extra(&route.payload),
        };
        if let Some(old) = table.shard(&key).announce(judge, &key, path) {
            tally.gone(&old);
        }
        tally.come(&path);
        count += 1;
    }
    count
}

fn withdraw<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    source: SourceId,
    routes: impl Iterator<Item = Route>,
    tally: &mut Tally,
    mut gone: impl FnMut(&Route),
) {
    for route in routes {
        let Some(key) = S::key(&route.nlri) else {
            continue;
        };
        if let Some(old) = table
            .shard(&key)
            .withdraw(judge, &key, source, route.path_id)
        {
            if old.usable() {
                gone(&route);
            }
            tally.gone(&old);
        }
    }
}
