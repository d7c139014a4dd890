//! Neighbours of objects and ways between them.

use crate::LinkType;
use crate::link::Link;
use crate::object::Handle;
use crate::version::Version;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Part of the map: objects and the links among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subgraph {
    /// In the order they were reached.
    pub nodes: Vec<Handle>,
    pub links: Vec<Arc<Link>>,
    /// More was in reach than was asked for.
    pub truncated: bool,
}

/// How far and along what to go.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Links from the start.
    pub depth: usize,
    /// Empty: all.
    pub link_types: Vec<LinkType>,
    pub max_nodes: usize,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            depth: 1,
            link_types: Vec::new(),
            max_nodes: 1_000,
        }
    }
}

impl Version {
    /// What is linked to the starts, in either direction, up to a depth; with all links among what was reached.
    pub fn neighbours(&self, starts: &[Handle], reach: &Reach) -> Subgraph {
        let allowed =
            |link: &Link| reach.link_types.is_empty() || reach.link_types.contains(&link.link_type);
        let mut out = Subgraph::default();
        let mut seen: BTreeSet<Handle> = BTreeSet::new();
        let mut next: VecDeque<(Handle, usize)> = VecDeque::new();
        for start in starts {
            if self.object(*start).is_some() && seen.insert(*start) {
                out.nodes.push(*start);
                next.push_back((*start, 0));
            }
        }
        while let Some((at, depth)) = next.pop_front() {
            if depth == reach.depth {
                continue;
            }
            for (_, link) in self.state.links_at(at) {
                let end = link.other(at);
                if !allowed(link) || seen.contains(&end) {
                    continue;
                }
                if out.nodes.len() >= reach.max_nodes {
                    out.truncated = true;
                    continue;
                }
                seen.insert(end);
                out.nodes.push(end);
                next.push_back((end, depth + 1));
            }
        }
        for node in &out.nodes {
            let inside = self
                .state
                .outgoing(*node)
                .filter(|(_, link)| allowed(link) && seen.contains(&link.target));
            out.links.extend(inside.map(|(_, link)| link.clone()));
        }
        out
    }

    /// The shortest ways between two objects along links in either direction, at most `limit`, each as the links passed. A network does
    /// not connect what it carries, so types that span the cloud are not passed through.
    pub fn paths(&self, from: Handle, to: Handle, limit: usize) -> Vec<Vec<Arc<Link>>> {
        let mut distance: HashMap<Handle, usize> = HashMap::from([(from, 0)]);
        let mut before: BTreeMap<Handle, Vec<(Handle, Arc<Link>)>> = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(at) = next.pop_front() {
            let here = distance[&at];
            if distance.get(&to).is_some_and(|end| *end <= here) {
                break;
            }
            if at != from && self.spans(at) {
                continue;
            }
            for (_, link) in self.state.links_at(at) {
                let end = link.other(at);
                match distance.get(&end) {
                    None => {
                        distance.insert(end, here + 1);
                        next.push_back(end);
                    }
                    Some(known) if *known != here + 1 => continue,
                    Some(_) => {}
                }
                before.entry(end).or_default().push((at, link.clone()));
            }
        }
        let mut out = Vec::new();
        if from != to {
            self.backtrack(from, to, &before, &mut Vec::new(), limit, &mut out);
        }
        out
    }

    fn spans(&self, handle: Handle) -> bool {
        self.object(handle)
            .and_then(|object| self.rule(object))
            .is_some_and(|rule| rule.impact == crate::ImpactBy::Clique)
    }

    fn backtrack(
        &self,
        from: Handle,
        at: Handle,
        before: &BTreeMap<Handle, Vec<(Handle, Arc<Link>)>>,
        way: &mut Vec<Arc<Link>>,
        limit: usize,
        out: &mut Vec<Vec<Arc<Link>>>,
    ) {
        if at == from {
            out.push(way.iter().rev().cloned().collect());
            return;
        }
        for (earlier, link) in before.get(&at).into_iter().flatten() {
            if out.len() >= limit {
                return;
            }
            way.push(link.clone());
            self.backtrack(from, *earlier, before, way, limit, out);
            way.pop();
        }
    }
}
