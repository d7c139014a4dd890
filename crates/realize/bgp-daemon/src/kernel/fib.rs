//! What of ours the kernel should have and what it has, and the steps from one to the other. A set of next hops is a
//! next-hop group (Linux 5.3), so when a way to them changes, one object changes and not a million routes. It does no
//! I/O, and it never makes a step that touches what carries another protocol's number.

use super::hops::{HopSet, hash, ways_to};
use super::lengths::Lengths;
use super::next_hop::{NextHop, Tunnel, Want};
use super::wire::{Hop, Object, ObjectContent, Route, RouteKey, RouteKind, Way};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::net::IpAddr;

/// Ids of our next-hop objects start here; others number theirs from one.
const FIRST_ID: u32 = 179_000_000;

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    SetObject(Object),
    DeleteObject(u32),
    /// `replace` only where the route that is there is ours.
    SetRoute {
        route: Route,
        replace: bool,
    },
    DeleteRoute(Route),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Blackhole,
    Set(u32),
}

/// What the kernel has under a key, as far as it has to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Have {
    Blackhole,
    Object(u32),
    /// The hash of hops written in the route itself.
    Hops(u64),
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    want: Option<Target>,
    have: Option<Have>,
    /// This run has said what it wants; else an earlier run's route is kept until the sweep.
    judged: bool,
}

#[derive(Debug)]
pub(crate) struct Fib {
    protocol: u8,
    /// Whether the kernel knows next-hop objects.
    objects: bool,
    entries: HashMap<RouteKey, Entry>,
    /// Of what is wanted.
    lengths: Lengths,
    dirty: BTreeSet<RouteKey>,
    sets: Vec<Option<HopSet>>,
    set_ids: HashMap<Vec<(NextHop, u16)>, u32>,
    dirty_sets: BTreeSet<u32>,
    /// What is in the kernel with our protocol's number.
    kernel_objects: BTreeMap<u32, ObjectContent>,
    next_id: u32,
    /// Routes of an earlier run are kept until then.
    swept: bool,
    installed: usize,
    /// [`Self::tunnels`] may not be what it was.
    tunnels_changed: bool,
}

impl Fib {
    pub(crate) fn new(protocol: u8, objects: bool) -> Self {
        Self {
            protocol,
            objects,
            entries: HashMap::new(),
            lengths: Lengths::default(),
            dirty: BTreeSet::new(),
            sets: Vec::new(),
            set_ids: HashMap::new(),
            dirty_sets: BTreeSet::new(),
            kernel_objects: BTreeMap::new(),
            next_id: FIRST_ID,
            swept: false,
            installed: 0,
            tunnels_changed: false,
        }
    }

    /// Routes of ours in the kernel.
    pub(crate) fn installed(&self) -> usize {
        self.installed
    }

    /// Routes that are wanted, installable or not.
    pub(crate) fn wanted(&self) -> usize {
        self.sets.iter().flatten().map(|set| set.routes).sum()
    }

    /// Their devices may have changed.
    pub(crate) fn tunnels_changed(&mut self) {
        self.tunnels_changed = true;
    }

    pub(crate) fn take_tunnels_changed(&mut self) -> bool {
        std::mem::take(&mut self.tunnels_changed)
    }

    /// The tunnels that wanted routes lead into.
    pub(crate) fn tunnels(&self) -> impl Iterator<Item = &Tunnel> {
        let next_hops = self.sets.iter().flatten().flat_map(|set| &set.next_hops);
        next_hops.filter_map(|(next_hop, _)| match next_hop {
            NextHop::Tunnel(tunnel) => Some(tunnel),
            NextHop::Routed { .. } | NextHop::OnLink { .. } => None,
        })
    }

    /// Sets what a route should do, or that it should not be.
    pub(crate) fn want(
        &mut self,
        key: RouteKey,
        want: Option<Want>,
        resolve: impl Fn(&NextHop) -> Vec<(Hop, u16)>,
    ) {
        let target = want.map(|want| match want {
            Want::Blackhole => Target::Blackhole,
            Want::Forward(next_hops) => Target::Set(self.set_of(next_hops, resolve)),
        });
        let entry = self.entries.entry(key).or_default();
        let before = std::mem::replace(&mut entry.want, target);
        let judged = std::mem::replace(&mut entry.judged, true);
        if before == target && judged {
            self.release(target);
            return;
        }
        let entry = *entry;
        match (before, target) {
            (None, Some(_)) => self.lengths.add(key.table, key.prefix),
            (Some(_), None) => self.lengths.remove(key.table, key.prefix),
            _ => {}
        }
        self.release(before);
        self.dirty.insert(key);
        self.suggest(&entry);
    }

    /// Whether a route of ours leads to an address; the longest that covers it decides.
    pub(crate) fn leads_to(&self, table: u32, metric: u32, address: IpAddr) -> bool {
        let wanted = self.lengths.covering(table, address).find_map(|prefix| {
            let key = RouteKey {
                table,
                prefix,
                metric,
            };
            self.entries.get(&key)?.want
        });
        match wanted {
            Some(Target::Set(id)) => {
                let set = self.sets[id as usize].as_ref();
                set.is_some_and(|set| !set.ways.is_empty())
            }
            Some(Target::Blackhole) | None => false,
        }
    }

    /// A route of an earlier run tells which group its set should adopt.
    fn suggest(&mut self, entry: &Entry) {
        if let (Some(Target::Set(id)), Some(Have::Object(group))) = (entry.want, entry.have)
            && let Some(set) = &mut self.sets[id as usize]
        {
            set.adopt = set.adopt.or(Some(group));
        }
    }

    /// The set with these next hops, with one more route that uses it.
    fn set_of(
        &mut self,
        next_hops: Vec<(NextHop, u16)>,
        resolve: impl Fn(&NextHop) -> Vec<(Hop, u16)>,
    ) -> u32 {
        if let Some(id) = self.set_ids.get(&next_hops) {
            if let Some(set) = &mut self.sets[*id as usize] {
                set.routes += 1;
            }
            return *id;
        }
        let free = self.sets.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.sets.push(None);
            self.sets.len() - 1
        });
        let id = slot as u32;
        self.sets[slot] = Some(HopSet {
            ways: ways_to(&next_hops, resolve),
            next_hops: next_hops.clone(),
            routes: 1,
            group: None,
            adopt: None,
        });
        self.set_ids.insert(next_hops, id);
        self.tunnels_changed = true;
        self.dirty_sets.insert(id);
        id
    }

    fn release(&mut self, target: Option<Target>) {
        let Some(Target::Set(id)) = target else {
            return;
        };
        let slot = &mut self.sets[id as usize];
        if let Some(set) = slot {
            set.routes -= 1;
            if set.routes == 0 {
                self.set_ids.remove(&set.next_hops);
                self.tunnels_changed = true;
                *slot = None;
                self.dirty_sets.remove(&id);
            }
        }
    }

    /// The ways to next hops may have changed.
    pub(crate) fn resolve(&mut self, resolve: impl Fn(&NextHop) -> Vec<(Hop, u16)>) {
        let mut rewritten = HashSet::new();
        for (id, set) in (0..).zip(&mut self.sets) {
            let Some(set) = set else { continue };
            let ways = ways_to(&set.next_hops, &resolve);
            if ways == set.ways {
                continue;
            }
            if !self.objects || ways.is_empty() != set.ways.is_empty() {
                rewritten.insert(id);
            }
            set.ways = ways;
            self.dirty_sets.insert(id);
        }
        if !rewritten.is_empty() {
            let uses = |entry: &Entry| matches!(entry.want, Some(Target::Set(id)) if rewritten.contains(&id));
            let keys = self.entries.iter().filter(|(_, entry)| uses(entry));
            self.dirty.extend(keys.map(|(key, _)| *key));
        }
    }

    /// What the kernel has of ours, completely: what is missing is made again, what is too much is removed.
    pub(crate) fn compare(&mut self, routes: Vec<Route>, objects: Vec<Object>) {
        let ours = objects
            .into_iter()
            .filter(|object| object.protocol == self.protocol);
        let objects: BTreeMap<_, _> = ours.map(|object| (object.id, object.content)).collect();
        if objects != self.kernel_objects {
            let live = self.sets.iter().zip(0..).filter(|(set, _)| set.is_some());
            self.dirty_sets.extend(live.map(|(_, id)| id));
        }
        if let Some(highest) = objects.keys().next_back() {
            self.next_id = self.next_id.max(highest + 1);
        }
        self.kernel_objects = objects;
        self.installed = 0;
        for entry in self.entries.values_mut() {
            entry.have = None;
        }
        for route in routes {
            self.noticed(&route);
        }
        for (key, entry) in &self.entries {
            if self.matches(entry) != Some(true) {
                self.dirty.insert(*key);
            }
        }
    }

    /// A route of ours is in the kernel as it is here.
    pub(crate) fn noticed(&mut self, route: &Route) {
        if route.protocol != self.protocol {
            return;
        }
        let have = match (&route.way, route.kind) {
            (_, RouteKind::Blackhole) => Have::Blackhole,
            (Way::Object(id), _) => Have::Object(*id),
            (Way::Hops(hops), _) => Have::Hops(hash(hops)),
        };
        let entry = self.entries.entry(route.key).or_default();
        self.installed += usize::from(entry.have.is_none());
        entry.have = Some(have);
        let entry = *entry;
        self.dirty.insert(route.key);
        self.suggest(&entry);
    }

    /// A route of ours is gone from the kernel. True if it should not be.
    pub(crate) fn vanished(&mut self, key: RouteKey) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        self.installed -= usize::from(entry.have.take().is_some());
        self.dirty.insert(key);
        entry.want.is_some()
    }

    /// A key that another's route held is free.
    pub(crate) fn freed(&mut self, key: RouteKey) {
        if self
            .entries
            .get(&key)
            .is_some_and(|entry| entry.have.is_none())
        {
            self.dirty.insert(key);
        }
    }

    /// From now on, what is not wanted is removed.
    pub(crate) fn sweep(&mut self) {
        if !std::mem::replace(&mut self.swept, true) {
            let keys = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.want.is_none());
            self.dirty.extend(keys.map(|(key, _)| *key));
        }
    }

    /// Nothing is wanted any more.
    pub(crate) fn clear(&mut self) {
        self.swept = true;
        self.forget(|_| true);
    }

    /// Nothing is wanted in this table any more.
    pub(crate) fn forget_table(&mut self, table: u32) {
        self.forget(|key| key.table == table);
    }

    fn forget(&mut self, which: impl Fn(&RouteKey) -> bool) {
        let keys: Vec<_> = self
            .entries
            .keys()
            .filter(|key| which(key))
            .copied()
            .collect();
        for key in keys {
            self.want(key, None, |_| Vec::new());
            self.dirty.insert(key);
        }
    }

    /// Whether the kernel has what is wanted; `None` if nothing is wanted and an earlier run's route is kept.
    fn matches(&self, entry: &Entry) -> Option<bool> {
        match (self.wanted_have(entry), entry.have) {
            (None, Some(_)) if !self.swept && !entry.judged => None,
            (want, have) => Some(want == have),
        }
    }

    fn wanted_have(&self, entry: &Entry) -> Option<Have> {
        match entry.want? {
            Target::Blackhole => Some(Have::Blackhole),
            Target::Set(id) => {
                let set = self.sets[id as usize].as_ref()?;
                match (set.ways.is_empty(), self.objects) {
                    (true, _) => None,
                    (false, true) => set.group.map(Have::Object),
                    (false, false) => Some(Have::Hops(hash(&set.ways))),
                }
            }
        }
    }

    /// The steps that are due, in their order: objects, routes that need them, then what is not needed any more. They
    /// are taken as done; [`Fib::refused`] hears of those that were not.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.object_steps(&mut steps);
        let mut deletions = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.entries.get(&key).copied() else {
                continue;
            };
            if self.matches(&entry) != Some(false) {
                self.forget_if_empty(key, &entry);
                continue;
            }
            let have = self.wanted_have(&entry);
            match have {
                Some(_) => steps.push(Step::SetRoute {
                    route: self.route(key, &entry),
                    replace: entry.have.is_some(),
                }),
                None => deletions.push(Step::DeleteRoute(self.route(key, &entry))),
            }
            let entry = self.entries.entry(key).or_default();
            self.installed += usize::from(have.is_some());
            self.installed -= usize::from(entry.have.is_some());
            entry.have = have;
            let entry = *entry;
            self.forget_if_empty(key, &entry);
        }
        steps.extend(deletions);
        self.unused_objects(&mut steps);
        steps
    }

    fn forget_if_empty(&mut self, key: RouteKey, entry: &Entry) {
        if entry.want.is_none() && entry.have.is_none() {
            self.entries.remove(&key);
        }
    }

    fn route(&self, key: RouteKey, entry: &Entry) -> Route {
        let (kind, way) = match entry.want {
            Some(Target::Set(id)) => {
                let set = self.sets[id as usize].as_ref();
                let way = match set.and_then(|set| set.group) {
                    Some(group) if self.objects => Way::Object(group),
                    _ => Way::Hops(set.map_or_else(Vec::new, |set| set.ways.clone())),
                };
                (RouteKind::Unicast, way)
            }
            _ => (RouteKind::Blackhole, Way::Hops(Vec::new())),
        };
        Route {
            key,
            protocol: self.protocol,
            kind,
            way,
        }
    }

    fn object_steps(&mut self, steps: &mut Vec<Step>) {
        let dirty = std::mem::take(&mut self.dirty_sets);
        if !self.objects {
            return;
        }
        for id in dirty {
            let Some(set) = self.sets[id as usize].take() else {
                continue;
            };
            let set = self.group_steps(set, steps);
            self.sets[id as usize] = Some(set);
        }
    }

    fn group_steps(&mut self, mut set: HopSet, steps: &mut Vec<Step>) -> HopSet {
        if set.ways.is_empty() {
            set.group = None;
            return set;
        }
        let mut members: Vec<(u32, u16)> = Vec::new();
        for (hop, weight) in &set.ways {
            members.push((self.object(ObjectContent::Hop(*hop), steps), *weight));
        }
        members.sort_unstable();
        let content = ObjectContent::Group(members);
        let group = match set.group {
            // Another process may have removed it meanwhile; then it is made again under its id.
            Some(group) => {
                self.put_object(group, content, steps);
                group
            }
            None => {
                let same = |id: &u32| self.kernel_objects.get(id) == Some(&content);
                let mut sets = self.sets.iter().flatten();
                match set.adopt.filter(same) {
                    Some(adopted) if sets.all(|set| set.group != Some(adopted)) => adopted,
                    _ => {
                        let id = self.free_id();
                        self.put_object(id, content, steps);
                        id
                    }
                }
            }
        };
        set.group = Some(group);
        set
    }

    fn put_object(&mut self, id: u32, content: ObjectContent, steps: &mut Vec<Step>) {
        if self.kernel_objects.get(&id) != Some(&content) {
            self.kernel_objects.insert(id, content.clone());
            steps.push(Step::SetObject(Object {
                id,
                protocol: self.protocol,
                content,
            }));
        }
    }

    /// The object with a content, made if it is not there.
    fn object(&mut self, content: ObjectContent, steps: &mut Vec<Step>) -> u32 {
        let mut same = self
            .kernel_objects
            .iter()
            .filter(|(_, have)| **have == content);
        if let Some(id) = same.next().map(|(id, _)| *id) {
            return id;
        }
        let id = self.free_id();
        self.put_object(id, content, steps);
        id
    }

    /// An id is not used again: one that the kernel has lost may still be a set's.
    fn free_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Groups of no set go, then hops of no group; not while an earlier run's routes may use them.
    fn unused_objects(&mut self, steps: &mut Vec<Step>) {
        if !self.objects || !self.swept {
            return;
        }
        let groups: HashSet<u32> = self
            .sets
            .iter()
            .flatten()
            .filter_map(|set| set.group)
            .collect();
        let is_group = |content: &ObjectContent| matches!(content, ObjectContent::Group(_));
        self.drop_objects(steps, |id, content| {
            !is_group(content) || groups.contains(&id)
        });
        let members: HashSet<u32> = self
            .kernel_objects
            .values()
            .filter_map(|content| match content {
                ObjectContent::Group(members) => Some(members),
                ObjectContent::Hop(_) => None,
            })
            .flatten()
            .map(|(id, _)| *id)
            .collect();
        self.drop_objects(steps, |id, content| {
            is_group(content) || members.contains(&id)
        });
    }

    fn drop_objects(&mut self, steps: &mut Vec<Step>, keep: impl Fn(u32, &ObjectContent) -> bool) {
        self.kernel_objects.retain(|id, content| {
            let kept = keep(*id, content);
            if !kept {
                steps.push(Step::DeleteObject(*id));
            }
            kept
        });
    }

    /// A step was not done. True if that is a fault, and not the state of things: a route of another protocol is in
    /// the way, or what was to go is gone.
    pub(crate) fn refused(&mut self, step: &Step, error: &io::Error) -> bool {
        let gone = matches!(
            error.raw_os_error(),
            Some(libc::ESRCH | libc::ENOENT | libc::ENODEV)
        );
        match step {
            Step::SetObject(object) => {
                self.kernel_objects.remove(&object.id);
                true
            }
            Step::DeleteObject(_) | Step::DeleteRoute(_) => !gone,
            Step::SetRoute { route, .. } => {
                if let Some(entry) = self.entries.get_mut(&route.key) {
                    self.installed -= usize::from(entry.have.take().is_some());
                }
                error.raw_os_error() != Some(libc::EEXIST)
            }
        }
    }
}

impl Step {
    pub(super) fn message(&self) -> super::netlink::Message {
        match self {
            Self::SetObject(object) => object.set(),
            Self::DeleteObject(id) => Object::delete(*id),
            Self::SetRoute { route, replace } => route.set(*replace),
            Self::DeleteRoute(route) => route.delete(),
        }
    }
}

#[cfg(test)]
#[path = "fib/tests.rs"]
mod tests;
