//! What follows from a membership (RFC 4684) that comes or goes: the peer is shown the entries of that target, no others.

use super::Rib;
use super::audience::Slot;
use super::config::PeerKind;
use super::export::From;
use super::group::{Start, constrained_family};
use super::intern::AttributeSets;
use super::key::Space;
use super::path::{Path, SourceId};
use super::plan::Context;
use super::rtc::{Asked, TargetIndex};
use super::shard::Shard;
use super::tables::{Table, read_table, with_table};
use super::vrf::Place;
use crate::attribute::{Attributes, Origin};
use crate::nlri::{Nlri, Route, RouteTarget, RtMembership};
use crate::{Family, FamilySet, PeerId};

/// The families route targets constrain.
pub(super) const CONSTRAINED: [Family; 3] = [Family::Vpnv4, Family::Vpnv6, Family::Evpn];

impl Context<'_> {
    /// The path of an entry that members without add-path may be sent.
    pub(super) fn chosen<'s, S: Space>(
        &self,
        shard: &'s Shard<S>,
        index: u32,
    ) -> Option<&'s Path<S::Extra>> {
        let sources = self.offered(shard, index).map(|path| path.source);
        let choice = self.choice(sources);
        self.offered(shard, index).nth(choice)
    }

    /// Which of the paths from these sources, in order of preference, that is.
    pub(super) fn choice(&self, mut sources: impl Iterator<Item = SourceId>) -> usize {
        let kind = |source: SourceId| match self.from(source) {
            From::Local => None,
            From::Peer(kind, _) => Some(kind),
        };
        let prefers = self.export.key.prefers_clients();
        if !prefers || sources.next().and_then(kind) != Some(PeerKind::Internal) {
            return 0;
        }
        let client = sources.position(|source| kind(source) == Some(PeerKind::Client));
        client.map_or(0, |behind| behind + 1)
    }

    /// All that members may be sent of an entry, in order of preference.
    pub(super) fn shown<'s, S: Space>(
        &self,
        shard: &'s Shard<S>,
        index: u32,
    ) -> Vec<&'s Path<S::Extra>> {
        match self.export.key.add_path {
            Some(_) => self.offered(shard, index).collect(),
            None => self.chosen(shard, index).into_iter().collect(),
        }
    }
}

impl Rib {
    /// While a peer is sent VPN or EVPN routes without asking by target, we ask for those of all targets (RFC 4684 4, the
    /// default membership): whoever sends only what it is asked for would leave that peer without. It counts from its
    /// session on until it is configured no more, so that a restart of it does not make everyone send everything again.
    pub(super) fn ask_for_all(&mut self, peer: PeerId, families: FamilySet) {
        let constrained = families.contains(Family::RouteTarget);
        let needs = !constrained && families.iter().any(constrained_family);
        let before = self.unconstrained.is_empty();
        if needs {
            self.unconstrained.insert(peer);
        } else {
            self.unconstrained.remove(&peer);
        }
        let all = Route::bare(Nlri::RouteTarget(RtMembership::Default));
        match (before, self.unconstrained.is_empty()) {
            (true, false) => self.announce_local(&all, Attributes::new(Origin::Igp, None)),
            (false, true) => self.withdraw_global(&all.nlri),
            _ => {}
        }
    }

    /// The peer's route targets are known, or the caller has waited long enough (RFC 4684 6): what it asked for of VPN and
    /// EVPN routes is sent, and from now on what it asks for.
    pub fn memberships_complete(&mut self, peer: PeerId) {
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        let Some(state) = self.peers.get_mut(slot) else {
            return;
        };
        if std::mem::replace(&mut state.memberships_complete, true) || !state.up {
            return;
        }
        let families = state.info.families;
        for family in families.iter().filter(|family| constrained_family(*family)) {
            self.join(slot, family, Start::Now);
        }
        for asked in self.subscriptions.of(slot) {
            self.show(slot, asked);
        }
    }

    /// A membership route of a peer is there, or not any more.
    pub(super) fn membership(&mut self, slot: Slot, route: &Route, there: bool) {
        let Nlri::RouteTarget(membership) = &route.nlri else {
            return;
        };
        let changed = self
            .subscriptions
            .set(slot, membership, route.path_id, there);
        if let Some(asked) = changed {
            self.show(slot, asked);
        }
    }

    /// Has a peer look at the entries of what it asked for, or no longer asks for.
    fn show(&mut self, slot: Slot, asked: Asked) {
        let complete = |peer: &super::peer::Peer| peer.up && peer.memberships_complete;
        if !self.peers.get(slot).is_some_and(complete) || !self.subscriptions.is_constrained(slot) {
            return;
        }
        self.index_targets();
        let mut entries = Vec::new();
        for family in CONSTRAINED {
            if self.rules_of(slot, family).is_none() {
                continue;
            }
            read_table!(self.tables, family, table => {
                for (number, shard) in table.shards.iter().enumerate() {
                    let carry = match (asked, &shard.targets) {
                        (Asked::Target(target), Some(targets)) => targets.entries(target),
                        _ => shard.range(None).collect(),
                    };
                    entries.extend(carry.into_iter().map(|entry| (family, number as u16, entry)));
                }
            });
        }
        if !entries.is_empty() {
            self.pending.entry(slot).or_default().extend(entries);
        }
    }

    /// Brings the indices of targets up to date; they exist once somebody asks by target. Notes what VRFs must look at.
    pub(super) fn index_targets(&mut self) {
        let leaking = !self.vrfs.is_empty();
        if !self.subscriptions.any() && !leaking {
            return;
        }
        for family in CONSTRAINED {
            let changed = leaking.then_some(&mut self.to_leak);
            with_table!(self.tables, family, table => index(table, &self.sets, changed));
        }
    }
}

fn index<S: Space>(
    table: &mut Table<S>,
    sets: &AttributeSets,
    mut changed: Option<&mut Vec<Place>>,
) {
    for (number, shard) in table.shards.iter_mut().enumerate() {
        let mut targets = match shard.targets.take() {
            Some(targets) => targets,
            None => TargetIndex::new(shard.changes.follow_from_start()),
        };
        let marker = targets.marker;
        while let Some(entry) = shard.changes.position(marker) {
            shard.changes.advance(marker);
            if let Some(changed) = &mut changed {
                changed.push((S::FAMILY, number as u16, entry));
            }
            let Some(best) = shard.entries[entry].best() else {
                continue;
            };
            for target in sets.get(best.used).attributes.route_targets() {
                targets.note(target, entry, |other| carries(shard, sets, target, other));
            }
        }
        targets.tidy(shard.entries.len(), |target, other| {
            carries(shard, sets, target, other)
        });
        shard.targets = Some(targets);
    }
}

fn carries<S: Space>(
    shard: &super::shard::Shard<S>,
    sets: &AttributeSets,
    target: RouteTarget,
    entry: u32,
) -> bool {
    let entry = shard.entries.get(entry);
    entry.and_then(|entry| entry.best()).is_some_and(|best| {
        let attributes = &sets.get(best.used).attributes;
        attributes.route_targets().any(|other| other == target)
    })
}
