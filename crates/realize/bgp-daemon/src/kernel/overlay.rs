//! What of ours the kernel should have beside routes into VXLAN tunnels, and what it has: for each router at a far end a
//! neighbour (its name in the VRF's table is its router MAC) and a forwarding entry (frames to that MAC go to its VTEP).
//! Both follow from the tunnels that routes use, so nothing counts references. It does no I/O, and it makes no step that
//! touches what is somebody else's: our neighbours carry our protocol's number, and our forwarding entries, which can
//! carry none, are those of a MAC that such a neighbour has.

use super::neighbor::{Forward, Leads, Neighbor, Remote};
use super::netlink::Message;
use super::next_hop::Tunnel;
use super::underlay::Vxlan;
use bgp::nlri::Mac;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

/// An address on an interface.
type NeighborKey = (u32, IpAddr);
/// A MAC on a VXLAN device.
type ForwardKey = (u32, Mac);

/// Both tables' entries for a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Forwarding {
    into: Option<Remote>,
    /// The bridge's, which there is if the device is a port of one.
    out: bool,
}

/// One change of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    SetNeighbor(Neighbor),
    DeleteNeighbor(Neighbor),
    SetForward {
        vxlan: u32,
        mac: Mac,
        remote: Remote,
        port: bool,
    },
    /// Of the bridge's table (`port`) or of the device's.
    DeleteForward {
        vxlan: u32,
        mac: Mac,
        port: bool,
    },
}

/// What the kernel has under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Have<V> {
    Ours {
        value: V,
        /// An earlier run's: it stays until the sweep unless this run has wanted it.
        earlier: bool,
    },
    Foreign,
}

/// Entries of one kind.
#[derive(Debug)]
struct Entries<K, V> {
    /// What routes ask for, the newest last: it is the one that is wanted. More than one are a router that is changing its
    /// MAC, or routers that share one.
    asked: BTreeMap<K, Vec<V>>,
    have: BTreeMap<K, Have<V>>,
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            have: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord, V: Copy + Ord> Entries<K, V> {
    fn ask(&mut self, now: &BTreeMap<K, BTreeSet<V>>) {
        let have = &mut self.have;
        self.asked.retain(|key, _| {
            let stays = now.contains_key(key);
            if !stays && let Some(Have::Ours { earlier, .. }) = have.get_mut(key) {
                *earlier = false;
            }
            stays
        });
        for (key, values) in now {
            let asked = self.asked.entry(*key).or_default();
            asked.retain(|value| values.contains(value));
            for value in values {
                if !asked.contains(value) {
                    asked.push(*value);
                }
            }
        }
    }

    /// What is or will be under a key, unless that is another's.
    fn leads(&self, key: &K) -> Option<V> {
        match self.have.get(key) {
            Some(Have::Foreign) => None,
            _ => self.asked.get(key)?.last().copied(),
        }
    }

    fn wanted(&self) -> impl Iterator<Item = (K, V)> {
        let wanted = self.asked.iter();
        wanted.filter_map(|(key, asked)| Some((*key, *asked.last()?)))
    }

    /// The wanted ones that are not there; they are taken as done.
    fn missing(&mut self) -> Vec<(K, V)> {
        let is_there = |(key, value): &(K, V)| match self.have.get(key) {
            Some(Have::Ours { value: have, .. }) => have == value,
            Some(Have::Foreign) => true,
            None => false,
        };
        let missing: Vec<(K, V)> = self.wanted().filter(|entry| !is_there(entry)).collect();
        for (key, value) in &missing {
            self.found(*key, *value, false);
        }
        missing
    }

    /// Those of ours that are not wanted; they are taken as gone.
    fn excess(&mut self, swept: bool) -> Vec<(K, V)> {
        let mut excess = Vec::new();
        self.have.retain(|key, have| match have {
            Have::Ours { value, earlier } if !self.asked.contains_key(key) => {
                let stays = *earlier && !swept;
                if !stays {
                    excess.push((*key, *value));
                }
                stays
            }
            _ => true,
        });
        excess
    }

    fn found(&mut self, key: K, value: V, earlier: bool) {
        self.have.insert(key, Have::Ours { value, earlier });
    }

    fn ours(&self, key: &K) -> Option<V> {
        match self.have.get(key)? {
            Have::Ours { value, .. } => Some(*value),
            Have::Foreign => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Overlay {
    protocol: u8,
    tunnels: Vec<(Vxlan, Tunnel)>,
    /// The interface with the addresses, of VXLAN devices whose forwarding entries are known.
    svis: BTreeMap<u32, u32>,
    neighbors: Entries<NeighborKey, Mac>,
    forwards: Entries<ForwardKey, Forwarding>,
    /// What is asked for has to be worked out again.
    dirty: bool,
    swept: bool,
}

impl Overlay {
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            tunnels: Vec::new(),
            svis: BTreeMap::new(),
            neighbors: Entries::default(),
            forwards: Entries::default(),
            dirty: false,
            swept: false,
        }
    }

    /// Far ends that the kernel has a neighbour for.
    pub(crate) fn installed(&self) -> usize {
        let keys = self.neighbors.have.keys();
        keys.filter(|key| self.neighbors.ours(key).is_some())
            .count()
    }

    /// The tunnels that routes lead into, all of them; `device` is the one of a VNI, if there is one.
    pub(crate) fn want<'t>(
        &mut self,
        tunnels: impl Iterator<Item = &'t Tunnel>,
        device: impl Fn(u32) -> Option<Vxlan>,
    ) {
        let there = tunnels.filter_map(|tunnel| Some((device(tunnel.vni)?, *tunnel)));
        self.tunnels = there.collect();
        self.dirty = true;
    }

    fn ask(&mut self) {
        let mut neighbors = BTreeMap::<_, BTreeSet<_>>::new();
        for (device, tunnel) in &self.tunnels {
            let key = (device.svi, tunnel.gateway());
            neighbors.entry(key).or_default().insert(tunnel.router_mac);
        }
        self.neighbors.ask(&neighbors);
        // Only of the MACs that a neighbour of ours leads to: nothing is sent to others, and they would have no mark.
        let mut forwards = BTreeMap::<_, BTreeSet<_>>::new();
        for (device, tunnel) in &self.tunnels {
            let key = (device.svi, tunnel.gateway());
            if self.neighbors.leads(&key) != Some(tunnel.router_mac) {
                continue;
            }
            let remote = Remote {
                vtep: tunnel.vtep,
                vni: Some(tunnel.remote_vni).filter(|vni| *vni != tunnel.vni),
            };
            let forwarding = Forwarding {
                into: Some(remote),
                out: device.is_port(),
            };
            let key = (device.index, tunnel.router_mac);
            forwards.entry(key).or_default().insert(forwarding);
        }
        self.forwards.ask(&forwards);
    }

    /// What routes need, before them. A neighbour comes before its forwarding entry, whose mark it is.
    pub(crate) fn additions(&mut self) -> Vec<Step> {
        if std::mem::take(&mut self.dirty) {
            self.ask();
        }
        let mut steps = Vec::new();
        let marked = self.marks();
        for (key, mac) in self.neighbors.missing() {
            steps.push(Step::SetNeighbor(self.neighbor(key, mac)));
        }
        self.unmark(&marked);
        for ((vxlan, mac), forwarding) in self.forwards.missing() {
            if let Some(remote) = forwarding.into {
                steps.push(Step::SetForward {
                    vxlan,
                    mac,
                    remote,
                    port: forwarding.out,
                });
            }
        }
        steps
    }

    /// What no route needs any more, after the routes; the mark last.
    pub(crate) fn removals(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for ((vxlan, mac), forwarding) in self.forwards.excess(self.swept) {
            let tables = [(true, forwarding.out), (false, forwarding.into.is_some())];
            for (port, _) in tables.into_iter().filter(|(_, is_there)| *is_there) {
                steps.push(Step::DeleteForward { vxlan, mac, port });
            }
        }
        for (key, mac) in self.neighbors.excess(self.swept) {
            steps.push(Step::DeleteNeighbor(self.neighbor(key, mac)));
        }
        steps
    }

    /// The MACs that our neighbours lead to, each with the interface.
    fn marks(&self) -> BTreeSet<(u32, Mac)> {
        let have = self.neighbors.have.iter();
        have.filter_map(|((svi, _), have)| match have {
            Have::Ours { value, .. } => Some((*svi, *value)),
            Have::Foreign => None,
        })
        .collect()
    }

    /// A forwarding entry of an earlier run whose mark has been given to another MAC goes at once: the next run would not
    /// know it.
    fn unmark(&mut self, before: &BTreeSet<(u32, Mac)>) {
        let now = self.marks();
        for ((vxlan, mac), have) in &mut self.forwards.have {
            let mark = self.svis.get(vxlan).map(|svi| (*svi, *mac));
            let is_lost = mark.is_some_and(|mark| before.contains(&mark) && !now.contains(&mark));
            if let Have::Ours { earlier, .. } = have {
                *earlier &= !is_lost;
            }
        }
    }

    fn neighbor(&self, (interface, address): NeighborKey, mac: Mac) -> Neighbor {
        Neighbor {
            interface,
            address,
            mac: Some(mac),
            protocol: self.protocol,
            fixed: true,
        }
    }

    /// From now on, what is not wanted is removed.
    pub(crate) fn sweep(&mut self) {
        self.swept = true;
    }

    // ---- what the kernel has ----

    /// All neighbours the kernel has.
    pub(crate) fn compare_neighbors(&mut self, neighbors: &[Neighbor]) {
        self.neighbors.have.clear();
        for neighbor in neighbors {
            self.neighbor_told(neighbor, true);
        }
    }

    /// Whether a device's forwarding entries matter.
    pub(crate) fn concerns(&self, device: &Vxlan) -> bool {
        let interfaces = self.neighbors.have.keys().map(|(interface, _)| *interface);
        let asked = self.forwards.asked.keys().map(|(vxlan, _)| *vxlan);
        interfaces
            .chain(asked)
            .any(|interface| interface == device.svi || interface == device.index)
    }

    /// All forwarding entries of the devices that matter, each with its interface that has the addresses.
    pub(crate) fn compare_forwards(&mut self, forwards: &[(Vxlan, Forward)]) {
        let marks = self.marks();
        let before = std::mem::take(&mut self.forwards.have);
        for (device, forward) in forwards {
            self.svis.insert(device.index, device.svi);
            let known = before.get(&(forward.interface, forward.mac));
            let is_ours = matches!(known, Some(Have::Ours { .. }));
            let marked = is_ours || marks.contains(&(device.svi, forward.mac));
            self.forward_told(forward, true, marked);
        }
    }

    /// A neighbour came or changed, or went. True if it is one of ours that should not have.
    pub(crate) fn neighbor_told(&mut self, neighbor: &Neighbor, is_there: bool) -> bool {
        let key = (neighbor.interface, neighbor.address);
        let before = self.neighbors.ours(&key);
        self.dirty |= self.neighbors.asked.contains_key(&key);
        match neighbor.mac.filter(|_| is_there) {
            Some(mac) if neighbor.protocol == self.protocol => {
                self.neighbors.found(key, mac, !self.swept);
            }
            Some(_) if neighbor.fixed => {
                self.neighbors.have.insert(key, Have::Foreign);
            }
            _ => {
                self.neighbors.have.remove(&key);
            }
        }
        before.is_some()
            && self.neighbors.ours(&key) != before
            && self.neighbors.asked.contains_key(&key)
    }

    /// A forwarding entry came or changed, or went; `marked`: it is of a MAC that a neighbour of ours has. True if it is
    /// one of ours that should not have.
    pub(crate) fn forward_told(&mut self, forward: &Forward, is_there: bool, marked: bool) -> bool {
        let key = (forward.interface, forward.mac);
        let before = self.forwards.ours(&key);
        let is_ours = forward.external && (marked || before.is_some());
        if is_there && !is_ours {
            if forward.fixed && before.is_none() {
                self.forwards.have.insert(key, Have::Foreign);
            }
            return false;
        }
        let mut now = before.unwrap_or_default();
        match forward.leads {
            Leads::Into(remote) => now.into = Some(remote).filter(|_| is_there),
            Leads::Out => now.out = is_there,
        }
        if now == Forwarding::default() {
            self.forwards.have.remove(&key);
        } else {
            self.forwards.found(key, now, !self.swept);
        }
        before.is_some() && before != Some(now) && self.forwards.asked.contains_key(&key)
    }

    /// A step was not done. True if that is a fault, and not the state of things.
    pub(crate) fn refused(&mut self, step: &Step, error: &io::Error) -> bool {
        match step {
            Step::SetNeighbor(neighbor) => {
                let key = (neighbor.interface, neighbor.address);
                self.neighbors.have.remove(&key);
            }
            Step::SetForward { vxlan, mac, .. } => {
                self.forwards.have.remove(&(*vxlan, *mac));
            }
            Step::DeleteNeighbor(_) | Step::DeleteForward { .. } => {
                let gone = [libc::ENOENT, libc::ESRCH, libc::ENODEV];
                return !error
                    .raw_os_error()
                    .is_some_and(|code| gone.contains(&code));
            }
        }
        true
    }
}

impl Step {
    pub(super) fn message(&self) -> Message {
        match *self {
            Self::SetNeighbor(neighbor) => neighbor.set(),
            Self::DeleteNeighbor(neighbor) => neighbor.delete(),
            Self::SetForward {
                vxlan,
                mac,
                remote,
                port,
            } => Forward::set(vxlan, mac, remote, port),
            Self::DeleteForward { vxlan, mac, port } => Forward::delete(vxlan, mac, port),
        }
    }
}

#[cfg(test)]
#[path = "overlay/tests.rs"]
mod tests;
