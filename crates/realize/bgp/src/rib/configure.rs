//! Live changes: what has to be looked at again because of one, and nothing else. No session is touched.

use super::Rib;
use super::audience::Slot;
use super::config::{PeerInfo, Reach, RibChange};
use super::group::Start;
use super::shard::Judge;
use crate::Family;
use crate::policy::{Policies, PolicyName};
use std::net::IpAddr;
use std::sync::Arc;

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
        self.vrfs.choose_again(&judge);
        for family in Family::ALL {
            self.sweeps[family as usize].waiting.choices = true;
        }
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
                self.change_import(slot);
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
            self.change_import(slot);
        }
        self.keep_default_routes();
        self.export_again(slot);
    }

    /// Has import asked about every path of a peer again.
    fn change_import(&mut self, slot: Slot) {
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
                self.sweeps[family as usize].waiting.imports.insert(slot);
            }
        }
        // What peers are sent hangs on it.
        self.finish(Family::RouteTarget);
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
        let resolved = |family: &Family| *family != Family::RouteTarget;
        for family in Family::ALL.into_iter().filter(resolved) {
            self.sweeps[family as usize].waiting.hops.insert(address);
        }
    }
}
