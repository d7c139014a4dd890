//! A new configuration for a running speaker: what can change without a session being reset does.

use super::offer::{Vtep, peer_info, rib_config};
use super::peer::{Idle, Phase};
use super::{EventKind, Speaker};
use crate::config::{Config, ConfigDiff, Cost, Endpoint, Neighbor};
use crate::message::{Notification, NotificationCode};
use crate::rib::{Rib, RibChange};
use crate::{PeerId, Time};
use std::sync::Arc;

impl Speaker {
    /// Brings everything in line with `config` and says what that cost.
    pub fn configure(&mut self, now: Time, config: Config) -> ConfigDiff {
        let diff = Config::diff(&self.config, &config);
        let old = std::mem::replace(&mut self.config, config);
        if tables_differ(&old, &self.config) {
            self.rebuild(now);
        } else {
            self.change_tables(&old);
            self.reoriginate(&old.networks);
        }
        if (&old.global.listen, old.global.port)
            != (&self.config.global.listen, self.config.global.port)
        {
            self.listen();
        }
        self.remove_neighbors(now, &old);
        for neighbor in self.config.neighbors.clone() {
            let endpoint = &neighbor.endpoint;
            match old
                .neighbors
                .iter()
                .find(|before| before.endpoint == *endpoint)
            {
                None => self.add_neighbor(now, neighbor),
                Some(before) => {
                    let cost = diff.cost_of(endpoint);
                    self.change_neighbor(now, before, neighbor, cost);
                }
            }
        }
        diff
    }

    /// Whether [`Speaker::configure`] with it builds the tables anew: who follows them must begin again, and what was
    /// originated in them by other ways than the configuration is gone.
    pub fn replaces_tables(&self, config: &Config) -> bool {
        tables_differ(&self.config, config)
    }

    fn change_tables(&mut self, old: &Config) {
        let new = &self.config;
        let mut changes = Vec::new();
        if old.global.best_path != new.global.best_path {
            changes.push(RibChange::BestPath(new.global.best_path));
        }
        if old.policies != new.policies {
            changes.push(RibChange::Policies(new.policies.clone()));
        }
        if old.vrfs != new.vrfs {
            changes.push(RibChange::Vrfs(self.numbers.vrfs(new)));
        }
        if old.mac_vrfs != new.mac_vrfs {
            changes.push(RibChange::MacVrfs(self.numbers.mac_vrfs(new)));
        }
        changes
            .into_iter()
            .for_each(|change| self.tables().configure(change));
    }

    /// What the host has of an L3 VNI: the VXLAN device that leads into its VRF, `None` if there is none that is up. Its
    /// routes are originated as EVPN type 5 with it, and not at all without.
    pub fn set_vtep(&mut self, vni: u32, vtep: Option<Vtep>) {
        if self.numbers.set_vtep(vni, vtep) {
            let vrfs = self.numbers.vrfs(&self.config);
            self.tables().configure(RibChange::Vrfs(vrfs));
        }
    }

    /// Our identity has changed: every session ends, every table is built anew.
    fn rebuild(&mut self, now: Time) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in &peers {
            self.stop(
                now,
                *id,
                NotificationCode::CONFIGURATION_CHANGE,
                "our identity has changed",
            );
        }
        let tables = Rib::new(rib_config(&self.config, &mut self.numbers));
        *self.tables() = tables;
        self.originate_all();
        self.event(now, None, EventKind::TablesReplaced);
        for id in peers {
            self.start(now, id);
        }
    }

    fn remove_neighbors(&mut self, now: Time, old: &Config) {
        for neighbor in &old.neighbors {
            let mut all = self.config.neighbors.iter();
            if all.any(|other| other.endpoint == neighbor.endpoint) {
                continue;
            }
            self.authenticate(neighbor, None);
            for id in self.peers_of(&neighbor.endpoint) {
                let text = "the neighbor is not configured any more";
                self.stop(now, id, NotificationCode::PEER_DECONFIGURED, text);
                self.remove_peer(now, id);
            }
        }
    }

    /// All that were made of an entry of the configuration.
    fn peers_of(&self, endpoint: &Endpoint) -> Vec<PeerId> {
        let of_it = self
            .peers
            .values()
            .filter(|peer| peer.config.endpoint == *endpoint);
        of_it.map(|peer| peer.id).collect()
    }

    pub(super) fn remove_peer(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        if let Some(time) = peer.scheduled {
            self.schedule.remove(&(time, id));
        }
        if let Some(deferral) = &mut self.deferral {
            deferral.forget(id);
        }
        self.tables().peer_removed(id);
        self.event(now, id, EventKind::Removed);
    }

    fn change_neighbor(&mut self, now: Time, old: &Neighbor, new: Neighbor, cost: Option<Cost>) {
        if old.password != new.password {
            match &new.password {
                Some(password) => self.authenticate(&new, Some(password.clone())),
                None => self.authenticate(old, None),
            }
        }
        let Some(cost) = cost else {
            return;
        };
        let new = Arc::new(new);
        for id in self.peers_of(&old.endpoint) {
            match cost {
                Cost::Reset(_) => self.reset_for(now, id, &new),
                Cost::Reconnect(_) => self.reconnect_for(now, id, &new),
                Cost::Nothing | Cost::NextSession | Cost::PolicyRun => {
                    self.change_live(now, id, &new, cost);
                }
            }
        }
    }

    fn reset_for(&mut self, now: Time, id: PeerId, new: &Arc<Neighbor>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.config = Arc::clone(new);
        match &new.shutdown {
            Some(text) => self.stop(now, id, NotificationCode::ADMIN_SHUTDOWN, text),
            None => {
                let text = "the configuration has changed";
                self.stop(now, id, NotificationCode::CONFIGURATION_CHANGE, text);
                self.start(now, id);
            }
        }
    }

    /// For what is of the connection and not of the session: both sides may keep what they have (RFC 8538 3).
    fn reconnect_for(&mut self, now: Time, id: PeerId, new: &Arc<Neighbor>) {
        self.stop_connecting(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.config = Arc::clone(new);
        let connections: Vec<_> = peer.connections().collect();
        for conn in connections {
            let why = Notification::new(NotificationCode::CONFIGURATION_CHANGE, &[]);
            self.close(now, conn, why, "the configuration has changed");
        }
        self.start(now, id);
    }

    fn change_live(&mut self, now: Time, id: PeerId, new: &Arc<Neighbor>, cost: Cost) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut peer.config, Arc::clone(new));
        let up = peer.established;
        let idle = peer.connections().next().is_none();
        match peer.phase {
            Phase::Idle(Idle::Shutdown) if peer.shut().is_none() => self.start(now, id),
            Phase::Active(None) if idle && !new.passive => self.start(now, id),
            Phase::Active(Some(_)) if new.passive => peer.phase = Phase::Active(None),
            Phase::Connect if new.passive => self.stop_connecting(id),
            Phase::Connect if before.password != new.password => {
                self.stop_connecting(id);
                self.start(now, id);
            }
            _ => {}
        }
        self.reconfigure_bfd(now, id);
        if let Some(up) = up {
            let connection = self.connections.get(&up.conn);
            let info = connection.and_then(|connection| {
                let negotiated = connection.session.negotiated()?;
                Some(peer_info(new, negotiated, &connection.info))
            });
            if let Some(info) = info.filter(|_| cost >= Cost::PolicyRun) {
                self.tables().configure(RibChange::Peer(id, Box::new(info)));
            }
            self.check_limits(now, up.conn, id);
        }
        self.settle(now, id);
    }
}

/// What the tables are built with.
fn tables_differ(old: &Config, new: &Config) -> bool {
    let built = |config: &Config| {
        let global = &config.global;
        (
            global.asn,
            global.router_id,
            global.cluster_id,
            global.shards,
            global.backlog,
        )
    };
    built(old) != built(new)
}
