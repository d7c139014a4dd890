//! Host names as small numbers, because the interest sets mention hosts by the million.

use model::HostName;
use std::collections::HashMap;
use store::Revision;

/// Stands for a host name within one planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostIndex(u32);

impl HostIndex {
    pub(crate) const MIN: Self = Self(0);
    pub(crate) const MAX: Self = Self(u32::MAX);
}

/// Every host name met so far. A name keeps its number when the host is deleted, since it usually comes back.
#[derive(Default)]
pub(crate) struct HostTable {
    names: Vec<HostName>,
    numbers: HashMap<HostName, HostIndex>,
    targets: Vec<Revision>,
}

impl HostTable {
    /// The number of a name, a new one if need be; `revision` is the target of a new one.
    pub(crate) fn intern(&mut self, name: &HostName, revision: Revision) -> HostIndex {
        if let Some(known) = self.get(name) {
            return known;
        }
        let number = u32::try_from(self.names.len()).expect("invariant: fewer than 2^32 hosts");
        self.names.push(name.clone());
        self.targets.push(revision);
        self.numbers.insert(name.clone(), HostIndex(number));
        HostIndex(number)
    }

    pub(crate) fn get(&self, name: &HostName) -> Option<HostIndex> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, host: HostIndex) -> &HostName {
        &self.names[host.0 as usize]
    }

    /// The last revision that changed the host's plan.
    pub(crate) fn target(&self, host: HostIndex) -> Revision {
        self.targets[host.0 as usize]
    }

    pub(crate) fn touch(&mut self, host: HostIndex, revision: Revision) {
        self.targets[host.0 as usize] = revision;
    }
}
