//! From intent to plans: which units there are, and which host needs which.
//!
//! The planner holds the rows plans depend on (shared with the store, not copied), and counts of who needs what.
//! Units are computed from rows when asked for, so memory follows the rows. A change recomputes the units it touches
//! and nothing else; what comes out is exactly the difference between the plans before and after. Nothing here does I/O,
//! reads a clock or depends on an order of hashing: the same history gives the same deltas.

mod delta;
mod hosts;
mod interest;
mod rows;
mod units;

pub use delta::{Edit, PlanDelta, UnitChange};
pub use units::RowRef;

use delta::{Emission, Topic, Touched};
use hosts::HostTable;
use interest::{Interest, Need};
use model::{HostName, PortId, Remote};
use operations::tables::{Ports, Rules};
use plan::{HostPlan, Unit, UnitKey};
use rows::{RowWrite, Rows};
use std::sync::Arc;
use store::{ChangeSet, Revision, Row, Snapshot};

/// The plans of all hosts at one revision.
#[derive(Default)]
pub struct Planner {
    rows: Rows,
    hosts: HostTable,
    interest: Interest,
    revision: Revision,
}

impl Planner {
    /// The plans as of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut planner = Self {
            revision: snapshot.revision(),
            ..Self::default()
        };
        for write in planner.rows.writes_to(snapshot) {
            planner.write(write);
        }
        planner.interest.forget_moves();
        planner
    }

    /// Takes the next revision. Change sets must come in the store's order, without gaps.
    pub fn apply(&mut self, changes: &ChangeSet) -> PlanDelta {
        let writes = changes.changes.iter().filter_map(RowWrite::of).collect();
        self.advance(changes.revision, writes)
    }

    /// Goes to the snapshot's state from whatever state this is in, for when change sets are missing.
    pub fn reset(&mut self, snapshot: &Snapshot) -> PlanDelta {
        self.advance(snapshot.revision(), self.rows.writes_to(snapshot))
    }

    /// The revision all plans are of.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The whole plan of a host; empty for a host nobody knows.
    pub fn host_plan(&self, host: &HostName) -> HostPlan {
        let keys = self.topics(host).into_iter();
        keys.flat_map(|topic| topic.keys(&self.rows, &self.hosts))
            .filter_map(|key| self.unit(&key).map(Arc::new))
            .collect()
    }

    /// A unit as it is in the plan of every host that needs it.
    pub fn unit(&self, key: &UnitKey) -> Option<Unit> {
        self.rows.unit(key)
    }

    /// The hosts whose plan has the unit, or would if it existed.
    pub fn hosts(&self, key: &UnitKey) -> Vec<HostName> {
        let topic = Topic::of(key, &self.hosts);
        let hosts = topic.map(|topic| self.interest.hosts_of(topic));
        let names = hosts
            .into_iter()
            .flatten()
            .map(|host| self.hosts.name(host).clone());
        names.collect()
    }

    /// The host a port is bound to; `None` if it is bound to none or does not exist.
    pub fn host_of(&self, port: PortId) -> Option<&HostName> {
        self.rows.ports.get(&port)?.value.binding.host.as_ref()
    }

    /// The rows behind a unit; empty if there is no such unit.
    pub fn explain(&self, key: &UnitKey) -> Vec<RowRef> {
        match self.unit(key) {
            Some(_) => self.rows.sources(key),
            None => Vec::new(),
        }
    }

    /// The last revision that changed the host's plan, or made the host known: a host that has applied it has all
    /// there is. What happened before this planner's first snapshot counts as of that snapshot. 0 for unknown hosts.
    pub fn target(&self, host: &HostName) -> Revision {
        self.hosts
            .get(host)
            .map_or(Revision(0), |host| self.hosts.target(host))
    }

    fn advance(&mut self, revision: Revision, writes: Vec<RowWrite>) -> PlanDelta {
        let mut touched = Touched::new();
        for write in &writes {
            self.touch(write, &mut touched);
        }
        self.revision = revision;
        for write in writes {
            self.write(write);
        }
        let emission = Emission::new(&self.rows, &self.hosts, &mut self.interest, touched);
        let (delta, hosts) = emission.run(&self.interest, revision);
        for host in hosts {
            self.hosts.touch(host, revision);
        }
        delta
    }

    /// Notes the units that the write may change, as they are before it.
    fn touch(&self, write: &RowWrite, touched: &mut Touched) {
        let mut note = |key: UnitKey| {
            touched.entry(key).or_insert_with_key(|key| self.unit(key));
        };
        match write {
            RowWrite::Network(id, _) | RowWrite::Subnet((id, _), _) => note(UnitKey::Segment(*id)),
            RowWrite::Group(id, _) | RowWrite::Rule((id, _), _) => note(UnitKey::RuleSet(*id)),
            RowWrite::Host(name, _) => note(UnitKey::Tunnel(name.clone())),
            RowWrite::Port(id, after) => {
                for row in self.rows.ports.get(id).into_iter().chain(after) {
                    note(UnitKey::Endpoint(*id));
                    note(UnitKey::Member(row.value.network_id, *id));
                    for group in &row.value.security_groups {
                        note(UnitKey::SetMember(*group, *id));
                    }
                }
            }
        }
    }

    fn write(&mut self, write: RowWrite) {
        match write {
            RowWrite::Network(id, row) => put(&mut self.rows.networks, id, row),
            RowWrite::Subnet(id, row) => put(&mut self.rows.subnets, id, row),
            RowWrite::Group(id, row) => put(&mut self.rows.groups, id, row),
            RowWrite::Host(name, row) => {
                self.hosts.intern(&name, self.revision);
                put(&mut self.rows.hosts, name, row);
            }
            RowWrite::Rule(id, row) => {
                if let Some(remote) = row.as_deref().and_then(remote_group) {
                    self.interest.refer(id.0, remote);
                }
                if let Some(remote) = self.rows.rules.get(&id).and_then(|row| remote_group(row)) {
                    self.interest.unrefer(id.0, remote);
                }
                put(&mut self.rows.rules, id, row);
            }
            RowWrite::Port(id, row) => self.write_port(id, row),
        }
    }

    fn write_port(&mut self, id: PortId, after: Option<Arc<Row<Ports>>>) {
        let before = self.rows.ports.remove(&id);
        let old = before.as_deref().and_then(|row| self.need(row));
        let new = after.as_deref().and_then(|row| self.need(row));
        // First what comes, then what goes, so that a need that stays never meets zero.
        if old != new {
            new.iter().for_each(|need| self.interest.attach(need));
            old.iter().for_each(|need| self.interest.detach(need));
        }
        if let Some(row) = before {
            self.rows.unlist(&row, old.map(|need| need.host));
        }
        if let Some(row) = after {
            self.rows.list(&row, new.map(|need| need.host));
            self.rows.ports.insert(id, row);
        }
    }

    /// `None` for a port on no host.
    fn need(&mut self, row: &Row<Ports>) -> Option<Need> {
        let host = row.value.binding.host.as_ref()?;
        Some(Need {
            port: row.value.id,
            host: self.hosts.intern(host, self.revision),
            network: row.value.network_id,
            groups: row.value.security_groups.iter().copied().collect(),
        })
    }

    /// Everything the host needs: the closure from its endpoints.
    fn topics(&self, host: &HostName) -> Vec<Topic> {
        let Some(host) = self.hosts.get(host) else {
            return Vec::new();
        };
        let mut topics = Vec::new();
        for id in self.rows.bound(host) {
            let Some(row) = self.rows.ports.get(&id) else {
                continue;
            };
            topics.push(Topic::Endpoint(id));
            topics.push(Topic::Network(row.value.network_id));
            topics.extend(
                row.value
                    .security_groups
                    .iter()
                    .map(|group| Topic::RuleSet(*group)),
            );
        }
        sort(&mut topics);
        for at in 0..topics.len() {
            match topics[at] {
                Topic::Network(network) => {
                    let peers = self.interest.networks.hosts(network);
                    topics.extend(peers.map(Topic::Tunnel));
                }
                Topic::RuleSet(group) => {
                    topics.extend(self.interest.remotes(group).map(Topic::Set));
                }
                Topic::Tunnel(_) | Topic::Set(_) | Topic::Endpoint(_) => {}
            }
        }
        sort(&mut topics);
        topics
    }
}

fn sort(topics: &mut Vec<Topic>) {
    topics.sort_unstable();
    topics.dedup();
}

fn remote_group(row: &Row<Rules>) -> Option<model::SecurityGroupId> {
    match row.value.remote {
        Remote::Group(group) => Some(group),
        Remote::Any | Remote::Prefix(_) => None,
    }
}

fn put<K: Ord, V>(rows: &mut std::collections::BTreeMap<K, V>, key: K, row: Option<V>) {
    match row {
        Some(row) => rows.insert(key, row),
        None => rows.remove(&key),
    };
}
