//! A whole plan of one host, and the difference between two.

use crate::{Endpoint, Member, RuleSet, Segment, SetMember, Tunnel, Unit, UnitKey};
use model::{HostName, NetworkId, PortId, SecurityGroupId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use uuid_bounds::{MAX_PORT, MIN_PORT};

/// Every unit one host should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPlan {
    units: BTreeMap<UnitKey, Arc<Unit>>,
}

/// What turns one plan into another. A key stands in one of the two lists at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    pub upserts: Vec<Arc<Unit>>,
    pub deletes: Vec<UnitKey>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.deletes.is_empty()
    }
}

macro_rules! unit_by_key {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $kind:ident;)*) => {$(
        pub fn $name(&self, $($arg: $ty),*) -> Option<&$kind> {
            match self.units.get(&UnitKey::$kind($($arg.clone()),*)).map(Arc::as_ref) {
                Some(Unit::$kind(unit)) => Some(unit),
                _ => None,
            }
        }
    )*};
}

impl HostPlan {
    pub fn len(&self) -> usize {
        self.units.len()
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub fn get(&self, key: &UnitKey) -> Option<&Arc<Unit>> {
        self.units.get(key)
    }

    pub fn insert(&mut self, unit: Arc<Unit>) -> Option<Arc<Unit>> {
        self.units.insert(unit.key(), unit)
    }

    pub fn remove(&mut self, key: &UnitKey) -> Option<Arc<Unit>> {
        self.units.remove(key)
    }

    /// In key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&UnitKey, &Arc<Unit>)> {
        self.units.iter()
    }

    pub fn apply(&mut self, delta: &Delta) {
        for key in &delta.deletes {
            self.units.remove(key);
        }
        for unit in &delta.upserts {
            self.insert(unit.clone());
        }
    }

    /// The delta with `self.apply(delta) == target`; units in key order.
    pub fn diff(&self, target: &HostPlan) -> Delta {
        let changed = |(key, unit): &(&UnitKey, &Arc<Unit>)| self.units.get(*key) != Some(*unit);
        Delta {
            upserts: target
                .iter()
                .filter(changed)
                .map(|(_, unit)| unit.clone())
                .collect(),
            deletes: self
                .units
                .keys()
                .filter(|key| !target.units.contains_key(*key))
                .cloned()
                .collect(),
        }
    }

    unit_by_key! {
        tunnel(host: &HostName) -> Tunnel;
        rule_set(group: SecurityGroupId) -> RuleSet;
        segment(network: NetworkId) -> Segment;
        member(network: NetworkId, port: PortId) -> Member;
        endpoint(port: PortId) -> Endpoint;
    }

    /// The members of a network, by port id.
    pub fn members(&self, network: NetworkId) -> impl Iterator<Item = &Member> {
        let range = UnitKey::Member(network, MIN_PORT)..=UnitKey::Member(network, MAX_PORT);
        self.units
            .range(range)
            .filter_map(|(_, unit)| match unit.as_ref() {
                Unit::Member(member) => Some(member),
                _ => None,
            })
    }

    /// The address set of a group, by port id.
    pub fn set_members(&self, group: SecurityGroupId) -> impl Iterator<Item = &SetMember> {
        let range = UnitKey::SetMember(group, MIN_PORT)..=UnitKey::SetMember(group, MAX_PORT);
        self.units
            .range(range)
            .filter_map(|(_, unit)| match unit.as_ref() {
                Unit::SetMember(member) => Some(member),
                _ => None,
            })
    }

    /// The ports bound to this host, by port id.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let range = (
            Bound::Included(UnitKey::Endpoint(MIN_PORT)),
            Bound::Unbounded,
        );
        self.units
            .range(range)
            .filter_map(|(_, unit)| match unit.as_ref() {
                Unit::Endpoint(endpoint) => Some(endpoint),
                _ => None,
            })
    }
}

impl FromIterator<Arc<Unit>> for HostPlan {
    fn from_iter<I: IntoIterator<Item = Arc<Unit>>>(units: I) -> Self {
        Self {
            units: units.into_iter().map(|unit| (unit.key(), unit)).collect(),
        }
    }
}

mod uuid_bounds {
    use model::PortId;
    use uuid::Uuid;

    pub(super) const MIN_PORT: PortId = PortId(Uuid::nil());
    pub(super) const MAX_PORT: PortId = PortId(Uuid::max());
}
