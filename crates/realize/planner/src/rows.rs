//! The rows plans are made of, shared with the store, and the orders they are found in. Holds no unit: units are
//! computed from here when asked for.

use crate::hosts::HostIndex;
use model::{HostName, NetworkId, PortId, RuleId, SecurityGroupId, SubnetId};
use operations::tables::{Hosts, Networks, Ports, Rules, SecurityGroups, Subnets};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Change, Row, Snapshot, Table};
use uuid::Uuid;

/// A row written (`Some`) or deleted.
pub(crate) enum RowWrite {
    Network(NetworkId, Option<Arc<Row<Networks>>>),
    Subnet((NetworkId, SubnetId), Option<Arc<Row<Subnets>>>),
    Port(PortId, Option<Arc<Row<Ports>>>),
    Group(SecurityGroupId, Option<Arc<Row<SecurityGroups>>>),
    Rule((SecurityGroupId, RuleId), Option<Arc<Row<Rules>>>),
    Host(HostName, Option<Arc<Row<Hosts>>>),
}

impl RowWrite {
    /// `None` for tables that plans do not depend on.
    pub(crate) fn of(change: &Change) -> Option<Self> {
        Some(match change.table() {
            Networks::NAME => {
                let (key, row) = written::<Networks>(change)?;
                Self::Network(key, row)
            }
            Subnets::NAME => {
                let (key, row) = written::<Subnets>(change)?;
                Self::Subnet(key, row)
            }
            Ports::NAME => {
                let (key, row) = written::<Ports>(change)?;
                Self::Port(key.1, row)
            }
            SecurityGroups::NAME => {
                let (key, row) = written::<SecurityGroups>(change)?;
                Self::Group(key, row)
            }
            Rules::NAME => {
                let (key, row) = written::<Rules>(change)?;
                Self::Rule(key, row)
            }
            Hosts::NAME => {
                let (key, row) = written::<Hosts>(change)?;
                Self::Host(key, row)
            }
            _ => return None,
        })
    }
}

type Written<T> = (<T as Table>::Key, Option<Arc<Row<T>>>);

fn written<T: Table>(change: &Change) -> Option<Written<T>> {
    let after = change.after::<T>();
    let key = after.clone().or_else(|| change.before::<T>())?.key.clone();
    Some((key, after))
}

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) networks: BTreeMap<NetworkId, Arc<Row<Networks>>>,
    pub(crate) subnets: BTreeMap<(NetworkId, SubnetId), Arc<Row<Subnets>>>,
    pub(crate) ports: BTreeMap<PortId, Arc<Row<Ports>>>,
    pub(crate) groups: BTreeMap<SecurityGroupId, Arc<Row<SecurityGroups>>>,
    pub(crate) rules: BTreeMap<(SecurityGroupId, RuleId), Arc<Row<Rules>>>,
    pub(crate) hosts: BTreeMap<HostName, Arc<Row<Hosts>>>,
    /// The bound ports of each network.
    members: BTreeSet<(NetworkId, PortId)>,
    /// The ports bound to each host.
    bound: BTreeSet<(HostIndex, PortId)>,
    /// The ports in each group, bound or not.
    grouped: BTreeSet<(SecurityGroupId, PortId)>,
}

impl Rows {
    /// The writes that make these rows those of the snapshot.
    pub(crate) fn writes_to(&self, snapshot: &Snapshot) -> Vec<RowWrite> {
        let mut writes = Vec::new();
        differing(
            &self.networks,
            snapshot,
            |row| row.key,
            |key, row| {
                writes.push(RowWrite::Network(key, row));
            },
        );
        differing(
            &self.subnets,
            snapshot,
            |row| row.key,
            |key, row| {
                writes.push(RowWrite::Subnet(key, row));
            },
        );
        differing(
            &self.ports,
            snapshot,
            |row| row.key.1,
            |key, row| {
                writes.push(RowWrite::Port(key, row));
            },
        );
        differing(
            &self.groups,
            snapshot,
            |row| row.key,
            |key, row| {
                writes.push(RowWrite::Group(key, row));
            },
        );
        differing(
            &self.rules,
            snapshot,
            |row| row.key,
            |key, row| {
                writes.push(RowWrite::Rule(key, row));
            },
        );
        differing(
            &self.hosts,
            snapshot,
            |row| row.key.clone(),
            |key, row| {
                writes.push(RowWrite::Host(key, row));
            },
        );
        writes
    }

    /// Lists a port under its network, host and groups.
    pub(crate) fn list(&mut self, row: &Row<Ports>, host: Option<HostIndex>) {
        let port = &row.value;
        if let Some(host) = host {
            self.members.insert((port.network_id, port.id));
            self.bound.insert((host, port.id));
        }
        for group in &port.security_groups {
            self.grouped.insert((*group, port.id));
        }
    }

    pub(crate) fn unlist(&mut self, row: &Row<Ports>, host: Option<HostIndex>) {
        let port = &row.value;
        if let Some(host) = host {
            self.members.remove(&(port.network_id, port.id));
            self.bound.remove(&(host, port.id));
        }
        for group in &port.security_groups {
            self.grouped.remove(&(*group, port.id));
        }
    }

    pub(crate) fn members(&self, network: NetworkId) -> impl Iterator<Item = PortId> {
        under(&self.members, network)
    }

    pub(crate) fn bound(&self, host: HostIndex) -> impl Iterator<Item = PortId> {
        under(&self.bound, host)
    }

    pub(crate) fn grouped(&self, group: SecurityGroupId) -> impl Iterator<Item = PortId> {
        under(&self.grouped, group)
    }

    pub(crate) fn subnets_of(&self, network: NetworkId) -> impl Iterator<Item = &Row<Subnets>> {
        let range = (network, SubnetId(Uuid::nil()))..=(network, SubnetId(Uuid::max()));
        self.subnets.range(range).map(|(_, row)| row.as_ref())
    }

    pub(crate) fn rules_of(&self, group: SecurityGroupId) -> impl Iterator<Item = &Row<Rules>> {
        let range = (group, RuleId(Uuid::nil()))..=(group, RuleId(Uuid::max()));
        self.rules.range(range).map(|(_, row)| row.as_ref())
    }
}

fn under<P: Ord + Copy>(set: &BTreeSet<(P, PortId)>, parent: P) -> impl Iterator<Item = PortId> {
    let range = (parent, PortId(Uuid::nil()))..=(parent, PortId(Uuid::max()));
    set.range(range).map(|(_, port)| *port)
}

/// Calls `write` for every row that the snapshot has in another version, and for every row that it has not.
fn differing<K: Ord + Clone, T: Table>(
    rows: &BTreeMap<K, Arc<Row<T>>>,
    snapshot: &Snapshot,
    key_of: impl Fn(&Row<T>) -> K,
    mut write: impl FnMut(K, Option<Arc<Row<T>>>),
) {
    let mut kept = BTreeSet::new();
    for row in snapshot.scan::<T>(()) {
        let key = key_of(&row);
        let known = rows.get(&key);
        if known.is_some() {
            kept.insert(key.clone());
        }
        if known.is_none_or(|known| known.revision() != row.revision()) {
            write(key, Some(row));
        }
    }
    for key in rows.keys().filter(|key| !kept.contains(*key)) {
        write(key.clone(), None);
    }
}
