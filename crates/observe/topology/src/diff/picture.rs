//! Everything that changed between two versions in at most so many nodes: changed objects by themselves while they fit, else counted in
//! the object above them.

use super::{ChangeKind, Diff};
use crate::health::StatusLevel;
use crate::layout::{Layout, Thing, place};
use crate::link::LinkKey;
use crate::object::{Handle, ObjectRef};
use crate::version::Version;
use crate::{LinkType, OverviewQuery};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// An object that changed, that has changes in it, or that is next to one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedNode {
    pub key: ObjectRef,
    pub name: String,
    /// What became of the object itself; absent if only something in it or a link of it changed, or nothing.
    pub own: Option<ChangeKind>,
    /// Changed objects that it stands for, itself included, by what became of them.
    pub changes: BTreeMap<ChangeKind, usize>,
    /// Its health in the later version; of a removed one, in the earlier.
    #[serde(rename = "status")]
    pub level: StatusLevel,
    /// It can be opened: changes are hidden in it.
    pub closed: bool,
}

/// Links between two nodes, in either version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedEdge {
    pub source: ObjectRef,
    pub target: ObjectRef,
    pub counts: BTreeMap<LinkType, usize>,
    /// Of those links, how many changed and how; what is in `counts` and not here is as it was.
    pub changes: BTreeMap<ChangeKind, usize>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ChangesPicture {
    pub nodes: Vec<ChangedNode>,
    pub edges: Vec<ChangedEdge>,
    pub layout: Layout,
}

/// A place in the tree of what changed.
#[derive(Default)]
struct Branch {
    key: Option<ObjectRef>,
    /// Shown for its own sake: it changed, or a link of it did.
    wanted: bool,
    own: Option<ChangeKind>,
    below: BTreeMap<ObjectRef, usize>,
}

/// The tree of what changed; 0 is the environment.
struct Tree(Vec<Branch>);

impl Tree {
    fn want(&mut self, way: Vec<ObjectRef>, own: Option<ChangeKind>) {
        let mut at = 0;
        for key in way {
            let next = self.0.len();
            let next = *self.0[at].below.entry(key.clone()).or_insert(next);
            if next == self.0.len() {
                self.0.push(Branch {
                    key: Some(key),
                    ..Branch::default()
                });
            }
            at = next;
        }
        let branch = &mut self.0[at];
        branch.wanted = true;
        branch.own = branch.own.or(own);
    }

    /// For each branch the one it is shown in, from the top down while no more than `budget` are shown; none for those opened on the way.
    fn holders(&self, query: &OverviewQuery) -> Vec<Option<usize>> {
        let mut holder: Vec<Option<usize>> = vec![None; self.0.len()];
        let mut shown = self.0[0].below.len();
        let mut next: VecDeque<(usize, Option<usize>)> =
            self.0[0].below.values().map(|at| (*at, None)).collect();
        while let Some((at, held)) = next.pop_front() {
            let branch = &self.0[at];
            if held.is_some() {
                holder[at] = held;
                next.extend(branch.below.values().map(|below| (*below, held)));
                continue;
            }
            let more = (shown + branch.below.len()).saturating_sub(usize::from(!branch.wanted));
            let asked = branch
                .key
                .as_ref()
                .is_some_and(|key| query.open.contains(key));
            let opens = branch.below.is_empty() || asked || more <= query.budget;
            if opens && !branch.below.is_empty() {
                shown = more;
            }
            holder[at] = (branch.wanted || !opens).then_some(at);
            let held = (!opens).then_some(at);
            next.extend(branch.below.values().map(|below| (*below, held)));
        }
        holder
    }
}

impl Version {
    /// What changed from this version to `after`, and, where there is room, what it is linked to. `diff` is between the two.
    pub fn changes_picture(
        &self,
        after: &Self,
        diff: &Diff,
        query: &OverviewQuery,
    ) -> ChangesPicture {
        let tree = self.changed_tree(after, diff);
        let holder = tree.holders(query);
        let mut places: HashMap<ObjectRef, usize> = HashMap::new();
        let mut nodes: Vec<ChangedNode> = Vec::new();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        for (at, branch) in tree.0.iter().enumerate() {
            let (Some(key), Some(held)) = (&branch.key, holder[at]) else {
                continue;
            };
            if held == at {
                numbers.insert(at, nodes.len());
                nodes.push(self.changed_node(after, key, branch.own));
            }
            let Some(node) = numbers.get(&held).copied() else {
                continue;
            };
            places.insert(key.clone(), node);
            nodes[node].closed |= held != at;
            if let Some(kind) = branch.own {
                *nodes[node].changes.entry(kind).or_insert(0) += 1;
            }
        }
        if !nodes.iter().any(|node| node.closed) {
            self.add_neighbours(after, query.budget, &mut nodes, &mut places);
        }
        let edges = self.changed_edges(after, diff, &nodes, &places);
        let layout = lay_out(after, &nodes, &edges);
        ChangesPicture {
            nodes,
            edges,
            layout,
        }
    }

    fn changed_tree(&self, after: &Self, diff: &Diff) -> Tree {
        let mut tree = Tree(vec![Branch::default()]);
        let way = |key: &ObjectRef| {
            let found = after.find(key).map(|handle| (after, handle));
            let (version, handle) = found.or_else(|| Some((self, self.find(key)?)))?;
            let keys = version.ancestry(handle).into_iter().rev();
            Some(
                keys.filter_map(|handle| Some(version.object(handle)?.key.clone()))
                    .collect(),
            )
        };
        for change in &diff.objects {
            if let Some(way) = way(&change.key) {
                tree.want(way, Some(change.kind));
            }
        }
        for link in &diff.links {
            for end in [&link.key.source, &link.key.target] {
                if let Some(way) = way(end) {
                    tree.want(way, None);
                }
            }
        }
        tree
    }

    fn changed_node(&self, after: &Self, key: &ObjectRef, own: Option<ChangeKind>) -> ChangedNode {
        let of = |version: &Self| {
            let handle = version.find(key)?;
            Some((
                version.object(handle)?.name().to_owned(),
                version.level(handle, version.at),
            ))
        };
        let (name, level) = of(after).or_else(|| of(self)).unwrap_or_default();
        ChangedNode {
            key: key.clone(),
            name,
            own,
            changes: BTreeMap::new(),
            level,
            closed: false,
        }
    }

    /// What is linked to what changed, as far as there is room.
    fn add_neighbours(
        &self,
        after: &Self,
        budget: usize,
        nodes: &mut Vec<ChangedNode>,
        places: &mut HashMap<ObjectRef, usize>,
    ) {
        let changed: Vec<ObjectRef> = nodes.iter().map(|node| node.key.clone()).collect();
        for (key, version) in changed.iter().flat_map(|key| [(key, after), (key, self)]) {
            let Some(handle) = version.find(key) else {
                continue;
            };
            let near: Vec<Handle> = version.links_at(handle).map(|l| l.other(handle)).collect();
            for near in near.iter().filter_map(|near| version.object(*near)) {
                if nodes.len() >= budget {
                    return;
                }
                if !places.contains_key(&near.key) {
                    places.insert(near.key.clone(), nodes.len());
                    nodes.push(self.changed_node(after, &near.key, None));
                }
            }
        }
    }

    fn changed_edges(
        &self,
        after: &Self,
        diff: &Diff,
        nodes: &[ChangedNode],
        places: &HashMap<ObjectRef, usize>,
    ) -> Vec<ChangedEdge> {
        let kinds: HashMap<&LinkKey, ChangeKind> =
            diff.links.iter().map(|l| (&l.key, l.kind)).collect();
        let mut edges: BTreeMap<(usize, usize), ChangedEdge> = BTreeMap::new();
        let mut note = |key: &LinkKey| {
            let (Some(a), Some(b)) = (places.get(&key.source), places.get(&key.target)) else {
                return;
            };
            if a == b {
                return;
            }
            let edge = edges
                .entry((*a.min(b), *a.max(b)))
                .or_insert_with(|| ChangedEdge {
                    source: nodes[*a].key.clone(),
                    target: nodes[*b].key.clone(),
                    counts: BTreeMap::new(),
                    changes: BTreeMap::new(),
                });
            *edge.counts.entry(key.link_type.clone()).or_insert(0) += 1;
            if let Some(kind) = kinds.get(key) {
                *edge.changes.entry(*kind).or_insert(0) += 1;
            }
        };
        for key in after.links().filter_map(|link| after.link_key(link)) {
            note(&key);
        }
        for link in &diff.links {
            if link.kind == ChangeKind::Removed {
                note(&link.key);
            }
        }
        edges.into_values().collect()
    }
}

fn lay_out(version: &Version, nodes: &[ChangedNode], edges: &[ChangedEdge]) -> Layout {
    let mut near: HashMap<&ObjectRef, Vec<ObjectRef>> = HashMap::new();
    for edge in edges {
        let (source, target) = (&edge.source, &edge.target);
        near.entry(source).or_default().push(target.clone());
        near.entry(target).or_default().push(source.clone());
    }
    let mut things: Vec<Thing> = nodes
        .iter()
        .map(|node| {
            let rule = version.declarations().object_type(&node.key.object_type);
            Thing {
                key: node.key.clone(),
                layer: rule.map_or(0, |rule| i32::from(rule.layer)),
                name: node.name.clone(),
                near: near.remove(&node.key).unwrap_or_default(),
            }
        })
        .collect();
    things.sort_by(|a, b| (a.layer, &a.name, &a.key).cmp(&(b.layer, &b.name, &b.key)));
    place(&things, None)
}
