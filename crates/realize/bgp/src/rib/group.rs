//! Groups of peers that are sent the same: each change is encoded once for them.
//!
//! The members of a group that have seen the same changes are a subgroup with one marker per shard. A subgroup makes
//! messages only while one of its members has almost nothing left to send; members who by then have too much queued
//! become a subgroup of their own, further back. Subgroups that come to stand at the same place become one again. A new
//! peer, a refresh and a policy change are subgroups that start at the beginning.

use super::Rib;
use super::audience::{Slot, Slots};
use super::changes::Marker;
use super::export::{Export, ExportKey};
use super::peer::Due;
use super::plan::{Block, Context, Mode, Plan, only};
use super::tables::with_table;
use crate::message::{RefreshKind, RouteRefresh, UpdateBuilder};
use crate::policy::Policies;
use crate::{Family, FamilySet};
use std::collections::VecDeque;
use std::sync::Arc;

mod walk;

/// What a group exports by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) key: ExportKey,
    pub(crate) policies: Arc<Policies>,
}

/// Peers with equal rules.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) rules: Arc<Rules>,
    pub(crate) subgroups: Vec<Subgroup>,
}

/// Members that have seen the same.
#[derive(Debug)]
pub(crate) struct Subgroup {
    pub(crate) members: Slots,
    markers: Vec<Marker>,
    walk: Walk,
    /// It has seen everything, and its members have been told so where they wait for it.
    told: bool,
    /// There was more to see than one slice.
    long: bool,
}

/// How the entries up to the marker are to be taken.
#[derive(Debug)]
enum Walk {
    /// What changed since.
    Changes,
    /// Everything again: a refresh.
    Again,
    /// Up to these markers, where the members stood when their rules changed: what the old rules made different.
    Differing {
        until: Vec<Marker>,
        before: Arc<Rules>,
    },
}

/// Where a peer starts in a family.
pub(crate) enum Start {
    Beginning,
    Now,
    Again,
    /// After its rules, add-path aside, changed; it stood where these markers are, which become the walk's.
    Differing(Vec<Marker>, Arc<Rules>),
}

/// What is not made into messages for the time being.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Of these families, nothing.
    routes: FamilySet,
    /// Of these, no mark that all has been sent.
    ends: FamilySet,
}

/// Entries a single peer must be shown because its route targets changed.
pub(crate) type Pending = VecDeque<(Family, u16, u32)>;

/// A peer with fewer octets queued is given more.
const LOW: usize = 64 << 10;

impl Rib {
    /// Makes no messages of `routes` and no End-of-RIB of `ends` until it is called again: after a restart routes are taken
    /// in, but not told before enough of them are there to choose from.
    pub fn hold_back(&mut self, routes: FamilySet, ends: FamilySet) {
        self.held = Held { routes, ends };
        for group in &mut self.groups {
            for subgroup in &mut group.subgroups {
                subgroup.told = false;
            }
        }
    }

    fn group_of(&self, slot: Slot, family: Family) -> Option<(usize, usize)> {
        self.groups.iter().enumerate().find_map(|(at, group)| {
            if group.rules.key.family != family {
                return None;
            }
            let has = |subgroup: &Subgroup| subgroup.members.contains(slot);
            Some((at, group.subgroups.iter().position(has)?))
        })
    }

    pub(super) fn rules_of(&self, slot: Slot, family: Family) -> Option<&Arc<Rules>> {
        let (group, _) = self.group_of(slot, family)?;
        Some(&self.groups[group].rules)
    }

    pub(super) fn current_rules(&self, slot: Slot, family: Family) -> Option<Rules> {
        let info = &self.peers.get(slot)?.info;
        let epoch = info
            .export
            .as_ref()
            .and_then(|name| self.policy_epochs.get(name))
            .copied()
            .unwrap_or_default();
        Some(Rules {
            key: ExportKey::new(info, family, &self.policies, epoch),
            policies: self.policies.clone(),
        })
    }

    /// Makes a peer a member of the group its rules put it in.
    pub(super) fn join(&mut self, slot: Slot, family: Family, start: Start) {
        let Some(rules) = self.current_rules(slot, family) else {
            return;
        };
        let (_, add_path) = rules.key.list();
        let known = self
            .groups
            .iter()
            .position(|group| group.rules.key == rules.key);
        let at = known.unwrap_or_else(|| {
            self.groups.push(Group {
                rules: Arc::new(rules),
                subgroups: Vec::new(),
            });
            self.groups.len() - 1
        });
        let now = matches!(start, Start::Now);
        let markers = with_table!(self.tables, family, table => table
            .shards
            .iter_mut()
            .map(|shard| {
                let list = shard.list(add_path);
                if now { list.follow_from_now() } else { list.follow_from_start() }
            })
            .collect());
        let walk = match start {
            Start::Beginning | Start::Now => Walk::Changes,
            Start::Again => Walk::Again,
            Start::Differing(until, before) => Walk::Differing { until, before },
        };
        let group = &mut self.groups[at];
        group.subgroups.push(Subgroup {
            members: only(slot),
            markers,
            walk,
            told: false,
            long: false,
        });
        let last = group.subgroups.len() - 1;
        self.merge(at, last);
    }

    /// Takes a peer out; its markers are given back unless `keep`, then they are returned.
    pub(super) fn leave(&mut self, slot: Slot, family: Family, keep: bool) -> Option<Vec<Marker>> {
        let (at, sub) = self.group_of(slot, family)?;
        let (_, add_path) = self.groups[at].rules.key.list();
        let subgroup = &mut self.groups[at].subgroups[sub];
        subgroup.members.remove(slot);
        let markers = subgroup.markers.clone();
        let differing = matches!(subgroup.walk, Walk::Differing { .. });
        let kept = (keep && !differing).then(|| {
            with_table!(self.tables, family, table => table
                .shards
                .iter_mut()
                .zip(&markers)
                .map(|(shard, marker)| shard.list(add_path).follow_like(*marker))
                .collect())
        });
        if self.groups[at].subgroups[sub].members.is_empty() {
            self.dissolve(at, sub);
        }
        if self.groups[at].subgroups.is_empty() {
            self.groups.swap_remove(at);
        }
        kept
    }

    fn dissolve(&mut self, at: usize, sub: usize) {
        let group = &mut self.groups[at];
        let subgroup = group.subgroups.swap_remove(sub);
        let (family, add_path) = group.rules.key.list();
        self.unfollow(family, add_path, &subgroup.markers);
        if let Walk::Differing { until, .. } = subgroup.walk {
            self.unfollow(family, add_path, &until);
        }
    }

    pub(super) fn unfollow(&mut self, family: Family, add_path: bool, markers: &[Marker]) {
        with_table!(self.tables, family, table => {
            for (shard, marker) in table.shards.iter_mut().zip(markers) {
                shard.list(add_path).unfollow(*marker);
            }
        });
    }

    /// Subgroups at the same place become one.
    fn merge(&mut self, at: usize, sub: usize) {
        let group = &self.groups[at];
        let key = &group.rules.key;
        let (_, add_path) = key.list();
        let this = &group.subgroups[sub];
        if !matches!(this.walk, Walk::Changes) {
            return;
        }
        // Those who read and those who do not stay apart, or one that never reads would be handed every block.
        let hungry = self.hungry(&this.members);
        let alike: Vec<bool> = group
            .subgroups
            .iter()
            .map(|other| self.hungry(&other.members) == hungry)
            .collect();
        let other = with_table!(self.tables, key.family, table => {
            group.subgroups.iter().enumerate().position(|(number, other)| {
                number != sub
                    && alike[number]
                    && matches!(other.walk, Walk::Changes)
                    && table.shards.iter_mut().enumerate().all(|(shard, table)| {
                        table.list(add_path).same_place(this.markers[shard], other.markers[shard])
                    })
            })
        });
        if let Some(other) = other {
            let joined = group.subgroups[other].members.or(&this.members);
            let other = &mut self.groups[at].subgroups[other];
            other.members = joined;
            other.told = false;
            self.dissolve(at, sub);
        }
    }

    fn hungry(&self, slots: &Slots) -> bool {
        let low = LOW.min(self.config.backlog.max(1));
        slots
            .iter()
            .any(|slot| self.peers.get(slot).is_some_and(|peer| peer.queued < low))
    }

    /// Makes messages for whoever could send; whether there is more to do at once.
    pub(super) fn produce_all(&mut self) -> bool {
        let mut more = false;
        let mut at = 0;
        while at < self.groups.len() {
            let subgroups = match self.held.routes.contains(self.groups[at].rules.key.family) {
                true => 0,
                false => self.groups[at].subgroups.len(),
            };
            // From the back: a subgroup that is made or dissolved meanwhile moves none in front of it.
            for sub in (0..subgroups).rev() {
                let Some(subgroup) = self.groups[at].subgroups.get(sub) else {
                    continue;
                };
                if self.hungry(&subgroup.members) {
                    more |= self.produce(at, sub);
                }
            }
            at += 1;
        }
        let waiting: Vec<Slot> = self.pending.keys().copied().collect();
        for slot in waiting {
            if self.shows_pending(slot) && self.hungry(&only(slot)) {
                more |= self.produce_pending(slot);
            }
        }
        more
    }

    /// Takes a subgroup one slice further; whether there is more.
    fn produce(&mut self, at: usize, sub: usize) -> bool {
        if !self.has_work(at, sub) && self.groups[at].subgroups[sub].told {
            return false;
        }
        self.groups[at].subgroups[sub].told = false;
        let blocks = self.slice(at, sub);
        self.deliver(blocks);
        self.split(at, sub);
        let more = self.has_work(at, sub);
        self.groups[at].subgroups[sub].long = more;
        if !more {
            self.caught_up(at, sub);
        }
        self.merge(at, sub);
        more
    }

    fn deliver(&mut self, blocks: Vec<Block>) {
        for block in blocks {
            for slot in block.audience.iter() {
                if let Some(peer) = self.peers.get_mut(slot) {
                    peer.push(block.bytes.clone());
                }
            }
        }
    }

    /// Members with too much queued stay behind.
    fn split(&mut self, at: usize, sub: usize) {
        let backlog = self.config.backlog;
        let members = &self.groups[at].subgroups[sub].members;
        let slow: Slots = members
            .iter()
            .filter(|slot| {
                self.peers
                    .get(*slot)
                    .is_some_and(|peer| peer.queued > backlog)
            })
            .collect();
        if slow.is_empty() || slow.len() == members.len() {
            return;
        }
        let rest = members.minus(&slow);
        let subgroup = &self.groups[at].subgroups[sub];
        let (family, add_path) = self.groups[at].rules.key.list();
        let mut follow = |markers: &[Marker]| -> Vec<Marker> {
            with_table!(self.tables, family, table => table
                .shards
                .iter_mut()
                .zip(markers)
                .map(|(shard, marker)| shard.list(add_path).follow_like(*marker))
                .collect())
        };
        let markers = follow(&subgroup.markers);
        let walk = match &subgroup.walk {
            Walk::Changes => Walk::Changes,
            Walk::Again => Walk::Again,
            Walk::Differing { until, before } => Walk::Differing {
                until: follow(until),
                before: before.clone(),
            },
        };
        let group = &mut self.groups[at];
        group.subgroups[sub].members = rest;
        group.subgroups.push(Subgroup {
            members: slow,
            markers,
            walk,
            told: false,
            long: false,
        });
        let last = group.subgroups.len() - 1;
        self.merge(at, last);
    }

    /// A subgroup has seen everything: its members are told so where they wait for it.
    fn caught_up(&mut self, at: usize, sub: usize) {
        let (family, add_path) = self.groups[at].rules.key.list();
        let walk = std::mem::replace(&mut self.groups[at].subgroups[sub].walk, Walk::Changes);
        if let Walk::Differing { until, .. } = walk {
            self.unfollow(family, add_path, &until);
        }
        self.groups[at].subgroups[sub].told = true;
        let members = self.groups[at].subgroups[sub].members.clone();
        for slot in members.iter() {
            self.mark_end(slot, family);
        }
    }

    /// Sends the mark a peer waits for at the end of a family, unless entries are pending for it.
    fn mark_end(&mut self, slot: Slot, family: Family) {
        if self.held.ends.contains(family) {
            return;
        }
        let pending = self.pending.get(&slot);
        if pending.is_some_and(|list| list.iter().any(|(of, _, _)| *of == family)) {
            return;
        }
        let Some(peer) = self.peers.get_mut(slot) else {
            return;
        };
        let mut out = Vec::new();
        match peer.due[family as usize].take() {
            None => return,
            Some(Due::EndOfRib) => UpdateBuilder::end_of_rib(family, &mut out),
            Some(Due::EndOfRefresh) => RouteRefresh {
                family: family.into(),
                kind: RefreshKind::End,
            }
            .encode(&mut out),
        }
        peer.push(out.into());
    }

    /// Shows a peer entries of its own; whether there are more.
    fn produce_pending(&mut self, slot: Slot) -> bool {
        let Some(mut list) = self.pending.remove(&slot) else {
            return false;
        };
        let Some(&(family, number, _)) = list.front() else {
            return false;
        };
        let Some(rules) = self.rules_of(slot, family).cloned() else {
            list.retain(|(of, _, _)| *of != family);
            return self.keep_pending(slot, list);
        };
        let own = *self.sets.own();
        let context = Context {
            export: Export {
                key: &rules.key,
                policies: &rules.policies,
                own: &own,
            },
            sets: &self.sets,
            peers: &self.peers,
            subscriptions: Some(&self.subscriptions),
        };
        let member = only(slot);
        let mut plan = Plan::new(context, &member, Mode::Missing);
        let blocks = with_table!(self.tables, family, table => {
            let shard = &mut table.shards[usize::from(number)];
            for _ in 0..self.config.slice {
                let Some(&(of, at, index)) = list.front() else { break };
                if (of, at) != (family, number) {
                    break;
                }
                list.pop_front();
                if shard.entries.get(index).is_some() {
                    plan.visit(shard, index);
                }
            }
            plan.encode(shard)
        });
        self.deliver(blocks);
        let more = self.keep_pending(slot, list);
        self.mark_end_if_seen(slot, family);
        more
    }

    fn keep_pending(&mut self, slot: Slot, list: Pending) -> bool {
        let more = !list.is_empty();
        if more {
            self.pending.insert(slot, list);
        }
        more
    }

    fn mark_end_if_seen(&mut self, slot: Slot, family: Family) {
        if let Some((at, sub)) = self.group_of(slot, family)
            && !self.has_work(at, sub)
        {
            self.mark_end(slot, family);
        }
    }

    /// Makes messages for one peer until it has some; whether it does.
    pub(super) fn produce_for(&mut self, slot: Slot) -> bool {
        loop {
            if self
                .peers
                .get(slot)
                .is_none_or(|peer| !peer.queue.is_empty())
            {
                return self.peers.get(slot).is_some();
            }
            if self.shows_pending(slot) {
                self.produce_pending(slot);
                continue;
            }
            let free = |family: &Family| !self.held.routes.contains(*family);
            let next = Family::ALL.into_iter().filter(free).find_map(|family| {
                let (at, sub) = self.group_of(slot, family)?;
                (self.has_work(at, sub) || self.due(slot, family)).then_some((at, sub))
            });
            let Some((at, sub)) = next else {
                return false;
            };
            self.produce(at, sub);
        }
    }

    /// A mark is to be sent as soon as all of the family is.
    fn due(&self, slot: Slot, family: Family) -> bool {
        let peer = self.peers.get(slot);
        peer.is_some_and(|peer| peer.due[family as usize].is_some())
            && !self.held.ends.contains(family)
    }

    /// Entries wait for a peer, all of VPN families, and these are not held back.
    fn shows_pending(&self, slot: Slot) -> bool {
        let held = |family: Family| self.held.routes.contains(family);
        self.pending.contains_key(&slot) && !super::membership::CONSTRAINED.into_iter().any(held)
    }

    pub(super) fn has_more_for(&self, slot: Slot) -> bool {
        let Some(peer) = self.peers.get(slot) else {
            return false;
        };
        let free = |family: &Family| !self.held.routes.contains(*family);
        !peer.queue.is_empty()
            || self.shows_pending(slot)
            || Family::ALL.into_iter().filter(free).any(|family| {
                self.group_of(slot, family)
                    .is_some_and(|(at, sub)| self.due(slot, family) || self.has_work(at, sub))
            })
    }

    fn has_work(&self, at: usize, sub: usize) -> bool {
        let group = &self.groups[at];
        let ((family, add_path), markers) = (group.rules.key.list(), &group.subgroups[sub].markers);
        super::tables::read_table!(self.tables, family, table => table
            .shards
            .iter()
            .zip(markers)
            .any(|(shard, marker)| shard.waits(add_path, *marker)))
    }
}

/// Families that route-target constraint filters (RFC 4684 6).
pub(super) const fn constrained_family(family: Family) -> bool {
    matches!(family, Family::Vpnv4 | Family::Vpnv6 | Family::Evpn)
}

impl Rules {
    pub(super) fn export<'a>(&'a self, own: &'a super::intern::Identity) -> Export<'a> {
        Export {
            key: &self.key,
            policies: &self.policies,
            own,
        }
    }
}
