//! Live changes: what has to be looked at again because of one, and nothing else. No session is touched.

use super::Rib;
use super::audience::Slot;
use super::config::{PeerInfo, Reach, RibChange};
use super::group::Start;
use super::import::{Import, Imported};
use super::ingest::Tally;
use super::intern::SetId;
use super::key::Space;
use super::path::SourceId;
use super::shard::{Judge, Revision};
use super::tables::{Table, read_table, with_table};
use super::view::Rejection;
use crate::Family;
use crate::nlri::{Nlri, Route};
use crate::policy::{Policies, PolicyName};
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A path of a peer, as import is asked about it again.
struct Asked {
    shard: usize,
    index: u32,
    path_id: u32,
    received: SetId,
    nlri: Nlri,
}

/// What import says of paths now, by shard, entry and path id.
type Answers = HashMap<(usize, u32, u32), (SetId, Option<Rejection>), foldhash::fast::FixedState>;

impl Rib {
    /// Applies a change of configuration. What follows for peers is sent as they can take it.
    pub fn configure(&mut self, change: RibChange) {
        match change {
            RibChange::BestPath(options) => {
                if self.config.best_path != options {
                    self.config.best_path = options;
                    self.choose_again();
                }
            }
            RibChange::Policies(policies) => self.change_policies(policies),
            RibChange::Peer(peer, info) => {
                if let Some(slot) = self.peers.slot(peer) {
                    self.change_peer(slot, *info);
                }
            }
            RibChange::Vrfs(vrfs) => self.change_vrfs(vrfs),
            RibChange::MacVrfs(vrfs) => self.change_mac_vrfs(vrfs),
            RibChange::NextHop(address, reach) => self.change_next_hop(address, reach),
        }
    }

    fn choose_again(&mut self) {
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        for family in Family::ALL {
            with_table!(self.tables, family, table => {
                table.shards.iter_mut().for_each(|shard| shard.choose_again(&judge));
            });
        }
        self.vrfs.choose_again(&judge);
    }

    fn change_policies(&mut self, policies: Policies) {
        let before = std::mem::replace(&mut self.policies, Arc::new(policies.clone()));
        self.config.policies = policies;
        let mut changed: Vec<PolicyName> = before.0.keys().cloned().collect();
        changed.extend(self.policies.0.keys().cloned());
        changed.retain(|name| !before.same(&self.policies, name));
        changed.sort();
        changed.dedup();
        for name in &changed {
            *self.policy_epochs.entry(name.clone()).or_default() += 1;
        }
        let peers: Vec<Slot> = self.peers.iter().map(|(slot, _)| slot).collect();
        for slot in peers {
            let Some(peer) = self.peers.get(slot) else {
                continue;
            };
            let concerned = |name: &Option<PolicyName>| {
                name.as_ref().is_some_and(|name| changed.contains(name))
            };
            let (import, export) = (concerned(&peer.info.import), concerned(&peer.info.export));
            if import {
                self.import_again(slot);
            }
            if export {
                self.export_again(slot);
            }
        }
    }

    fn change_peer(&mut self, slot: Slot, info: PeerInfo) {
        let Some(peer) = self.peers.get_mut(slot) else {
            return;
        };
        let id = peer.id;
        let before = std::mem::replace(&mut peer.info, info.clone());
        if peer.up {
            self.peers.up(id, info.clone());
        }
        let import = |peer: &PeerInfo| {
            (
                peer.import.clone(),
                peer.require_policy,
                peer.enforce_first_as,
                peer.allow_own_as,
                peer.role,
                peer.graceful_shutdown,
            )
        };
        if import(&before) != import(&info) {
            self.import_again(slot);
        }
        self.export_again(slot);
    }

    /// Asks import about every path of a peer again.
    fn import_again(&mut self, slot: Slot) {
        let Some(peer) = self.peers.get_mut(slot) else {
            return;
        };
        let import = peer.info.import.clone();
        let per_route = import
            .as_ref()
            .is_some_and(|policy| self.policies.depends_on_route(policy));
        peer.import_per_route = per_route;
        for family in Family::ALL {
            let has = |peer: &super::peer::Peer| peer.received[family as usize].paths > 0;
            if self.peers.get(slot).is_some_and(has) {
                self.import_family_again(slot, family, per_route);
            }
        }
    }

    fn import_family_again(&mut self, slot: Slot, family: Family, per_route: bool) {
        let asked =
            read_table!(self.tables, family, table => paths_of(table, SourceId::peer(slot)));
        let answers = self.answers(slot, family, per_route, asked);
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        let mut tally = Tally::default();
        let mut memberships = Vec::new();
        with_table!(self.tables, family, table => {
            answer(table, &judge, SourceId::peer(slot), &answers, &mut tally, &mut memberships);
        });
        self.settle(slot, family, tally);
        if family == Family::RouteTarget {
            for (route, there) in memberships {
                self.membership(slot, &route, there);
            }
        }
    }

    /// Each answer holds a reference to its set.
    fn answers(
        &mut self,
        slot: Slot,
        family: Family,
        per_route: bool,
        asked: Vec<Asked>,
    ) -> Answers {
        let mut answers = Answers::default();
        let mut known: HashMap<SetId, Imported, foldhash::fast::FixedState> = HashMap::default();
        for path in asked {
            let Some(peer) = self.peers.get(slot) else {
                break;
            };
            let import = Import {
                peer: &peer.info,
                policies: &self.policies,
                family,
            };
            let imported = match known.get(&path.received) {
                Some(imported) if !per_route => {
                    if let Imported::Used(set) = imported {
                        self.sets.retain(*set, 1);
                    }
                    *imported
                }
                _ => import.apply(&mut self.sets, path.received, &path.nlri),
            };
            known.insert(path.received, imported);
            let answer = match imported {
                Imported::Used(set) => (set, self.unreachable(family, set)),
                Imported::Rejected(rejection) => (SetId::NONE, Some(rejection)),
            };
            answers.insert((path.shard, path.index, path.path_id), answer);
        }
        answers
    }

    /// Puts a peer into the groups its rules put it in now. What the change makes different is sent, nothing else.
    fn export_again(&mut self, slot: Slot) {
        for family in Family::ALL {
            let Some(before) = self.rules_of(slot, family).cloned() else {
                continue;
            };
            let Some(now) = self.current_rules(slot, family) else {
                continue;
            };
            if now.key == before.key {
                continue;
            }
            let same_list = now.key.list() == before.key.list();
            let start = match self.leave(slot, family, same_list) {
                Some(until) => Start::Differing(until, before),
                None => Start::Again,
            };
            self.join(slot, family, start);
        }
    }

    fn change_next_hop(&mut self, address: IpAddr, reach: Reach) {
        if !self.hops.set(address, reach) {
            return;
        }
        let rejection = (reach == Reach::Unreachable).then_some(Rejection::Unreachable);
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        let mut tallies: Vec<(Slot, Family, Tally)> = Vec::new();
        let resolved = |family: &Family| *family != Family::RouteTarget;
        for family in Family::ALL.into_iter().filter(resolved) {
            let mut changed = |source: SourceId, change: &mut dyn FnMut(&mut Tally)| {
                let Some(slot) = source.slot() else { return };
                let known = tallies
                    .iter_mut()
                    .find(|(who, of, _)| (*who, *of) == (slot, family));
                match known {
                    Some((_, _, tally)) => change(tally),
                    None => {
                        let mut tally = Tally::default();
                        change(&mut tally);
                        tallies.push((slot, family, tally));
                    }
                }
            };
            with_table!(self.tables, family, table => {
                reach_again(table, &judge, address, rejection, &mut changed);
            });
        }
        for (slot, family, tally) in tallies {
            self.settle(slot, family, tally);
        }
    }
}

fn paths_of<S: Space>(table: &Table<S>, source: SourceId) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (number, shard) in table.shards.iter().enumerate() {
        for index in 0..shard.entries.bound() {
            for path in shard.paths_of(index).filter(|path| path.source == source) {
                asked.push(Asked {
                    shard: number,
                    index,
                    path_id: path.path_id,
                    received: path.received,
                    nlri: S::nlri(&shard.entries[index].key),
                });
            }
        }
    }
    asked
}

fn answer<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    source: SourceId,
    answers: &Answers,
    tally: &mut Tally,
    memberships: &mut Vec<(Route, bool)>,
) {
    for (number, shard) in table.shards.iter_mut().enumerate() {
        for index in 0..shard.entries.bound() {
            shard.revise(
                judge,
                [index],
                |path| path.source == source,
                |_, path| {
                    let Some((used, rejection)) = answers.get(&(number, index, path.path_id))
                    else {
                        return Revision::Keep;
                    };
                    // A change even if it is the same: the answer's reference replaces the path's.
                    path.used = *used;
                    path.rejection = *rejection;
                    Revision::Change
                },
                |key, old, new| {
                    let Some(new) = new else { return };
                    tally.changed(old, new);
                    tally.release(old.used);
                    if old.usable() != new.usable() {
                        let route = Route {
                            nlri: S::nlri(key),
                            path_id: old.path_id,
                            payload: S::payload(&old.extra),
                        };
                        memberships.push((route, new.usable()));
                    }
                },
            );
        }
    }
}

/// Paths by a next hop become usable or unusable, or its metric changed.
fn reach_again<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    address: IpAddr,
    rejection: Option<Rejection>,
    changed: &mut impl FnMut(SourceId, &mut dyn FnMut(&mut Tally)),
) {
    for shard in &mut table.shards {
        let all = 0..shard.entries.bound();
        shard.revise(
            judge,
            all,
            |path| {
                let used = path
                    .used
                    .some()
                    .map(|used| &judge.sets.get(used).attributes);
                used.and_then(|attributes| attributes.next_hop)
                    .is_some_and(|hop| hop.address() == address)
            },
            |_, path| {
                path.rejection = rejection;
                Revision::Change
            },
            |_, old, new| {
                if let Some(new) = new {
                    changed(old.source, &mut |tally| tally.changed(old, new));
                }
            },
        );
    }
}
