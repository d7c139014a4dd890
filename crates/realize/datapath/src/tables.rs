//! The contents of the policy maps as values: what the plan asks for and what the kernel holds have this one form,
//! so that they can be compared. Nothing here knows what a row means.

use std::collections::BTreeMap;

/// The policy maps. The order puts what a row refers to before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Map {
    Tunnels,
    Vteps,
    SetAddresses,
    SetPrefixes4,
    SetPrefixes6,
    Rules,
    Networks,
    Members,
    Neighbours,
    PairPrefixes,
    Flood,
    Sources,
    PortGroups,
    Ports,
}

impl Map {
    pub(crate) const ALL: [Map; 14] = [
        Self::Tunnels,
        Self::Vteps,
        Self::SetAddresses,
        Self::SetPrefixes4,
        Self::SetPrefixes6,
        Self::Rules,
        Self::Networks,
        Self::Members,
        Self::Neighbours,
        Self::PairPrefixes,
        Self::Flood,
        Self::Sources,
        Self::PortGroups,
        Self::Ports,
    ];

    /// The name in `bpf/maps.h`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tunnels => "tunnels",
            Self::Vteps => "vteps",
            Self::SetAddresses => "set_addresses",
            Self::SetPrefixes4 => "set_prefixes4",
            Self::SetPrefixes6 => "set_prefixes6",
            Self::Rules => "rules",
            Self::Networks => "networks",
            Self::Members => "members",
            Self::Neighbours => "neighbours",
            Self::PairPrefixes => "pair_prefixes",
            Self::Flood => "flood",
            Self::Sources => "sources",
            Self::PortGroups => "port_groups",
            Self::Ports => "ports",
        }
    }

    /// True if changing or deleting a row may forbid what was allowed.
    pub(crate) fn is_policy(self) -> bool {
        matches!(
            self,
            Self::SetAddresses
                | Self::SetPrefixes4
                | Self::SetPrefixes6
                | Self::Rules
                | Self::PortGroups
        )
    }
}

/// A row of a map by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) map: Map,
    pub(crate) key: Box<[u8]>,
}

/// What the maps hold or should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    rows: BTreeMap<Row, Box<[u8]>>,
}

/// What happens to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Insert(Box<[u8]>),
    Replace(Box<[u8]>),
    Delete,
}

/// What turns one [`Tables`] into another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablesDelta {
    changes: BTreeMap<Row, Change>,
}

impl TablesDelta {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many rows change.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// In an order that never shows a packet a reference to something absent: new rows with what they refer to
    /// first, then changed ones, then deletions the other way round.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&Row, &Change)> {
        let of_kind = |wanted: fn(&Change) -> bool| {
            self.changes
                .iter()
                .filter(move |(_, change)| wanted(change))
        };
        of_kind(|change| matches!(change, Change::Insert(_)))
            .chain(of_kind(|change| matches!(change, Change::Replace(_))))
            .chain(
                of_kind(|change| matches!(change, Change::Delete))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev(),
            )
    }

    /// True if something that was allowed may be forbidden afterwards.
    pub(crate) fn tightens(&self) -> bool {
        self.changes
            .iter()
            .any(|(row, change)| row.map.is_policy() && !matches!(change, Change::Insert(_)))
    }

    pub(crate) fn record(&mut self, row: Row, change: Change) {
        self.changes.insert(row, change);
    }
}

impl Tables {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Row, &[u8])> {
        self.rows.iter().map(|(row, value)| (row, value.as_ref()))
    }

    pub(crate) fn get(&self, row: &Row) -> Option<&[u8]> {
        self.rows.get(row).map(AsRef::as_ref)
    }

    pub(crate) fn insert(&mut self, row: Row, value: Box<[u8]>) {
        self.rows.insert(row, value);
    }

    /// Makes a row be `value`; `None` if it is already.
    pub(crate) fn set(&mut self, row: &Row, value: Option<Box<[u8]>>) -> Option<Change> {
        let before = self.rows.get(row);
        let change = match (before, value) {
            (None, None) => return None,
            (Some(before), Some(value)) if *before == value => return None,
            (None, Some(value)) => Change::Insert(value),
            (Some(_), Some(value)) => Change::Replace(value),
            (Some(_), None) => Change::Delete,
        };
        match &change {
            Change::Insert(value) | Change::Replace(value) => {
                self.rows.insert(row.clone(), value.clone());
            }
            Change::Delete => {
                self.rows.remove(row);
            }
        }
        Some(change)
    }

    /// The delta with `self + delta == target`.
    pub fn diff(&self, target: &Tables) -> TablesDelta {
        let mut delta = TablesDelta::default();
        for (row, value) in &target.rows {
            match self.rows.get(row) {
                None => delta.record(row.clone(), Change::Insert(value.clone())),
                Some(before) if before != value => {
                    delta.record(row.clone(), Change::Replace(value.clone()));
                }
                Some(_) => {}
            }
        }
        for row in self
            .rows
            .keys()
            .filter(|row| !target.rows.contains_key(row))
        {
            delta.record(row.clone(), Change::Delete);
        }
        delta
    }
}
