//! What one change does to the plans: each unit once, with the hosts it goes to.

use crate::hosts::{HostIndex, HostTable};
use crate::interest::{Counted, Interest, Move};
use crate::rows::Rows;
use model::{HostName, NetworkId, PortId, SecurityGroupId};
use plan::{Unit, UnitKey};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use store::Revision;
use uuid::Uuid;

/// What a revision changed in the plans of all hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDelta {
    pub revision: Revision,
    /// In key order. A key stands here once for each kind of edit, and for a host at most once.
    pub changes: Vec<UnitChange>,
}

/// One edit of the plans of some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitChange {
    pub key: UnitKey,
    pub edit: Edit,
    /// Never empty.
    pub hosts: Arc<[HostName]>,
}

/// What happens to a unit in a host's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The plan did not have the unit.
    Insert(Arc<Unit>),
    /// The plan had the unit with other contents.
    Replace(Arc<Unit>),
    /// The plan had the unit.
    Delete,
}

impl PlanDelta {
    /// The part that concerns one host.
    pub fn for_host(&self, host: &HostName) -> plan::Delta {
        let mut delta = plan::Delta::default();
        for change in self.changes.iter().filter(|c| c.hosts.contains(host)) {
            match &change.edit {
                Edit::Insert(unit) | Edit::Replace(unit) => delta.upserts.push(unit.clone()),
                Edit::Delete => delta.deletes.push(change.key.clone()),
            }
        }
        delta
    }
}

/// What hosts need as one: they have all of its units or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Tunnel(HostIndex),
    Set(SecurityGroupId),
    RuleSet(SecurityGroupId),
    Network(NetworkId),
    Endpoint(PortId),
}

impl Topic {
    /// `None` for the tunnel of a host that nobody has met.
    pub(crate) fn of(key: &UnitKey, hosts: &HostTable) -> Option<Self> {
        Some(match key {
            UnitKey::Tunnel(host) => Self::Tunnel(hosts.get(host)?),
            UnitKey::SetMember(group, _) => Self::Set(*group),
            UnitKey::RuleSet(group) => Self::RuleSet(*group),
            UnitKey::Segment(network) | UnitKey::Member(network, _) => Self::Network(*network),
            UnitKey::Endpoint(port) => Self::Endpoint(*port),
        })
    }

    /// The keys that may belong to it, from the first to the last.
    fn ranges(self, hosts: &HostTable) -> Vec<RangeInclusive<UnitKey>> {
        let (least, most) = (PortId(Uuid::nil()), PortId(Uuid::max()));
        let one = |key: UnitKey| key.clone()..=key;
        match self {
            Self::Tunnel(host) => vec![one(UnitKey::Tunnel(hosts.name(host).clone()))],
            Self::Set(g) => vec![UnitKey::SetMember(g, least)..=UnitKey::SetMember(g, most)],
            Self::RuleSet(group) => vec![one(UnitKey::RuleSet(group))],
            Self::Network(n) => vec![
                one(UnitKey::Segment(n)),
                UnitKey::Member(n, least)..=UnitKey::Member(n, most),
            ],
            Self::Endpoint(port) => vec![one(UnitKey::Endpoint(port))],
        }
    }

    /// The keys that belong to it now; some may have no unit.
    pub(crate) fn keys(self, rows: &Rows, hosts: &HostTable) -> Vec<UnitKey> {
        match self {
            Self::Tunnel(host) => vec![UnitKey::Tunnel(hosts.name(host).clone())],
            Self::Set(group) => rows
                .grouped(group)
                .map(|port| UnitKey::SetMember(group, port))
                .collect(),
            Self::RuleSet(group) => vec![UnitKey::RuleSet(group)],
            Self::Network(network) => std::iter::once(UnitKey::Segment(network))
                .chain(rows.members(network).map(|p| UnitKey::Member(network, p)))
                .collect(),
            Self::Endpoint(port) => vec![UnitKey::Endpoint(port)],
        }
    }
}

/// The units that a set of row writes touches, as they were before.
pub(crate) type Touched = BTreeMap<UnitKey, Option<Unit>>;

/// Puts a delta together after rows and interest have their new state.
pub(crate) struct Emission<'a> {
    rows: &'a Rows,
    hosts: &'a HostTable,
    touched: Touched,
    moves: BTreeMap<(Topic, HostIndex), Move>,
    /// Each unit that goes out, computed once.
    units: BTreeMap<UnitKey, Option<Arc<Unit>>>,
    edits: BTreeMap<UnitKey, Targets>,
}

/// The hosts of each kind of edit of one unit.
#[derive(Default)]
struct Targets {
    insert: Vec<HostIndex>,
    replace: Vec<HostIndex>,
    delete: Vec<HostIndex>,
}

impl<'a> Emission<'a> {
    pub(crate) fn new(
        rows: &'a Rows,
        hosts: &'a HostTable,
        interest: &mut Interest,
        touched: Touched,
    ) -> Self {
        let mut moves = BTreeMap::new();
        collect_moves(&mut moves, &mut interest.tunnels, Topic::Tunnel);
        collect_moves(&mut moves, &mut interest.sets, Topic::Set);
        collect_moves(&mut moves, &mut interest.rule_sets, Topic::RuleSet);
        collect_moves(&mut moves, &mut interest.networks, Topic::Network);
        collect_moves(&mut moves, &mut interest.endpoints, Topic::Endpoint);
        Self {
            rows,
            hosts,
            touched,
            moves,
            units: BTreeMap::new(),
            edits: BTreeMap::new(),
        }
    }

    /// The delta and the hosts in it, ascending.
    pub(crate) fn run(
        mut self,
        interest: &Interest,
        revision: Revision,
    ) -> (PlanDelta, Vec<HostIndex>) {
        self.edit_touched(interest);
        for ((topic, host), moved) in self.moves.clone() {
            match moved {
                Move::Entered => self.enter(topic, host),
                Move::Left => self.leave(topic, host),
            }
        }
        self.finish(revision)
    }

    /// Hosts that needed a touched unit before and need it still.
    fn edit_touched(&mut self, interest: &Interest) {
        for (key, before) in std::mem::take(&mut self.touched) {
            let after = self.unit(&key);
            if before.as_ref() != after.as_deref()
                && let Some(topic) = Topic::of(&key, self.hosts)
            {
                let stayed = interest
                    .hosts_of(topic)
                    .into_iter()
                    .filter(|host| !self.moves.contains_key(&(topic, *host)));
                let targets = self.edits.entry(key.clone()).or_default();
                let list = match (&before, &after) {
                    (None, _) => &mut targets.insert,
                    (Some(_), Some(_)) => &mut targets.replace,
                    (Some(_), None) => &mut targets.delete,
                };
                list.extend(stayed);
            }
            self.touched.insert(key, before);
        }
    }

    fn enter(&mut self, topic: Topic, host: HostIndex) {
        for key in topic.keys(self.rows, self.hosts) {
            if self.unit(&key).is_some() {
                self.edits.entry(key).or_default().insert.push(host);
            }
        }
    }

    fn leave(&mut self, topic: Topic, host: HostIndex) {
        let mut gone: Vec<UnitKey> = topic
            .keys(self.rows, self.hosts)
            .into_iter()
            .filter(|key| !self.touched.contains_key(key) && self.rows.unit(key).is_some())
            .collect();
        for range in topic.ranges(self.hosts) {
            let had = self.touched.range(range).filter(|(_, unit)| unit.is_some());
            gone.extend(had.map(|(key, _)| key.clone()));
        }
        for key in gone {
            self.edits.entry(key).or_default().delete.push(host);
        }
    }

    fn unit(&mut self, key: &UnitKey) -> Option<Arc<Unit>> {
        if let Some(known) = self.units.get(key) {
            return known.clone();
        }
        let unit = self.rows.unit(key).map(Arc::new);
        self.units.insert(key.clone(), unit.clone());
        unit
    }

    fn finish(self, revision: Revision) -> (PlanDelta, Vec<HostIndex>) {
        let mut changes = Vec::new();
        let mut all = Vec::new();
        for (key, targets) in self.edits {
            let unit = self.units.get(&key).cloned().flatten();
            let edits = [
                (targets.delete, Some(Edit::Delete)),
                (targets.insert, unit.clone().map(Edit::Insert)),
                (targets.replace, unit.map(Edit::Replace)),
            ];
            for (mut hosts, edit) in edits {
                let Some(edit) = edit.filter(|_| !hosts.is_empty()) else {
                    continue;
                };
                hosts.sort_unstable();
                all.extend_from_slice(&hosts);
                changes.push(UnitChange {
                    key: key.clone(),
                    edit,
                    hosts: hosts
                        .iter()
                        .map(|host| self.hosts.name(*host).clone())
                        .collect(),
                });
            }
        }
        all.sort_unstable();
        all.dedup();
        (PlanDelta { revision, changes }, all)
    }
}

fn collect_moves<A: Ord + Copy>(
    moves: &mut BTreeMap<(Topic, HostIndex), Move>,
    counted: &mut Counted<A>,
    topic: fn(A) -> Topic,
) {
    let taken = counted.take_moves().into_iter();
    moves.extend(taken.map(|(about, host, moved)| ((topic(about), host), moved)));
}

impl Interest {
    /// The hosts that need the topic, ascending.
    pub(crate) fn hosts_of(&self, topic: Topic) -> Vec<HostIndex> {
        match topic {
            Topic::Tunnel(host) => self.tunnels.hosts(host).collect(),
            Topic::Set(group) => self.sets.hosts(group).collect(),
            Topic::RuleSet(group) => self.rule_sets.hosts(group).collect(),
            Topic::Network(network) => self.networks.hosts(network).collect(),
            Topic::Endpoint(port) => self.endpoints.hosts(port).collect(),
        }
    }
}
