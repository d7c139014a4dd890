//! Which hosts need which units, by reference counts along the closure that makes a plan. A count says how many
//! reasons there are; only its way from and to zero matters, and those are journaled until somebody asks.

use crate::hosts::HostIndex;
use model::{NetworkId, PortId, SecurityGroupId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A host came to need something, or ceased to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Entered,
    Left,
}

/// How many reasons each host has to need each thing.
pub(crate) struct Counted<A> {
    counts: BTreeMap<(A, HostIndex), u32>,
    /// Whether the host needed the thing when the journal was last taken; only for counts that met zero.
    journal: BTreeMap<(A, HostIndex), bool>,
}

impl<A: Ord + Copy> Default for Counted<A> {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            journal: BTreeMap::new(),
        }
    }
}

impl<A: Ord + Copy> Counted<A> {
    /// One more reason. True if it is the first.
    fn add(&mut self, about: A, host: HostIndex) -> bool {
        let count = self.counts.entry((about, host)).or_insert(0);
        *count += 1;
        let first = *count == 1;
        if first {
            self.journal.entry((about, host)).or_insert(false);
        }
        first
    }

    /// One reason less. True if it was the last.
    fn remove(&mut self, about: A, host: HostIndex) -> bool {
        let Entry::Occupied(mut count) = self.counts.entry((about, host)) else {
            return false;
        };
        *count.get_mut() -= 1;
        if *count.get() > 0 {
            return false;
        }
        count.remove();
        self.journal.entry((about, host)).or_insert(true);
        true
    }

    pub(crate) fn contains(&self, about: A, host: HostIndex) -> bool {
        self.counts.contains_key(&(about, host))
    }

    /// The hosts that need it, ascending.
    pub(crate) fn hosts(&self, about: A) -> impl Iterator<Item = HostIndex> {
        let range = (about, HostIndex::MIN)..=(about, HostIndex::MAX);
        self.counts.range(range).map(|((_, host), _)| *host)
    }

    /// What became of needs since the last call, net; ascending.
    pub(crate) fn take_moves(&mut self) -> Vec<(A, HostIndex, Move)> {
        let journal = std::mem::take(&mut self.journal);
        let net = |((about, host), before)| match (before, self.contains(about, host)) {
            (false, true) => Some((about, host, Move::Entered)),
            (true, false) => Some((about, host, Move::Left)),
            _ => None,
        };
        journal.into_iter().filter_map(net).collect()
    }
}

/// What a bound port makes its host need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) port: PortId,
    pub(crate) host: HostIndex,
    pub(crate) network: NetworkId,
    pub(crate) groups: Vec<SecurityGroupId>,
}

#[derive(Default)]
pub(crate) struct Interest {
    pub(crate) endpoints: Counted<PortId>,
    /// By endpoints on the network. Segment and members.
    pub(crate) networks: Counted<NetworkId>,
    /// By endpoints in the group.
    pub(crate) rule_sets: Counted<SecurityGroupId>,
    /// By needed rule sets that name the group as remote.
    pub(crate) sets: Counted<SecurityGroupId>,
    /// By networks that the two hosts share; the first is the one sent to.
    pub(crate) tunnels: Counted<HostIndex>,
    /// How many rules of the first group name the second as remote.
    remotes: BTreeMap<(SecurityGroupId, SecurityGroupId), u32>,
}

impl Interest {
    pub(crate) fn attach(&mut self, need: &Need) {
        let host = need.host;
        self.endpoints.add(need.port, host);
        if self.networks.add(need.network, host) {
            for peer in self.networks.hosts(need.network) {
                self.tunnels.add(peer, host);
                if peer != host {
                    self.tunnels.add(host, peer);
                }
            }
        }
        for group in &need.groups {
            if self.rule_sets.add(*group, host) {
                for remote in remotes_of(&self.remotes, *group) {
                    self.sets.add(remote, host);
                }
            }
        }
    }

    pub(crate) fn detach(&mut self, need: &Need) {
        let host = need.host;
        self.endpoints.remove(need.port, host);
        if self.networks.remove(need.network, host) {
            self.tunnels.remove(host, host);
            for peer in self.networks.hosts(need.network) {
                self.tunnels.remove(peer, host);
                self.tunnels.remove(host, peer);
            }
        }
        for group in &need.groups {
            if self.rule_sets.remove(*group, host) {
                for remote in remotes_of(&self.remotes, *group) {
                    self.sets.remove(remote, host);
                }
            }
        }
    }

    /// A rule of `group` names `remote`.
    pub(crate) fn refer(&mut self, group: SecurityGroupId, remote: SecurityGroupId) {
        let rules = self.remotes.entry((group, remote)).or_insert(0);
        *rules += 1;
        if *rules == 1 {
            for host in self.rule_sets.hosts(group) {
                self.sets.add(remote, host);
            }
        }
    }

    /// A rule of `group` no longer names `remote`.
    pub(crate) fn unrefer(&mut self, group: SecurityGroupId, remote: SecurityGroupId) {
        let Entry::Occupied(mut rules) = self.remotes.entry((group, remote)) else {
            return;
        };
        *rules.get_mut() -= 1;
        if *rules.get() == 0 {
            rules.remove();
            for host in self.rule_sets.hosts(group) {
                self.sets.remove(remote, host);
            }
        }
    }

    /// The groups that rules of `group` name as remote.
    pub(crate) fn remotes(&self, group: SecurityGroupId) -> impl Iterator<Item = SecurityGroupId> {
        remotes_of(&self.remotes, group)
    }

    /// Forgets what became of needs so far.
    pub(crate) fn forget_moves(&mut self) {
        self.endpoints.journal.clear();
        self.networks.journal.clear();
        self.rule_sets.journal.clear();
        self.sets.journal.clear();
        self.tunnels.journal.clear();
    }
}

fn remotes_of(
    remotes: &BTreeMap<(SecurityGroupId, SecurityGroupId), u32>,
    group: SecurityGroupId,
) -> impl Iterator<Item = SecurityGroupId> {
    let least = SecurityGroupId(uuid::Uuid::nil());
    let greatest = SecurityGroupId(uuid::Uuid::max());
    remotes
        .range((group, least)..=(group, greatest))
        .map(|((_, remote), _)| *remote)
}
