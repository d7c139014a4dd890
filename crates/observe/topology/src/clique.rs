//! Cliques: the part of the map reached from a focal object along an ordered list of link types.
//!
//! Each step takes every object of its first type reached so far, follows all links of its type, leaves out those that contradict the
//! focal object in a constrained attribute (a link without the attribute passes), and adds the other ends. A step is walked from target to
//! source when links of the reversed type exist, in both directions when it is its own reverse, and passed over when nothing matches.
//! A clique without links is none. Cliques are worked out on demand and kept with the version.

mod choose;
mod implied;

pub use choose::score;

use crate::declare::{CliqueType, Follow};
use crate::link::Link;
use crate::object::{Handle, ObjectRef};
use crate::state::State;
use crate::version::Version;
use crate::{LinkType, ObjectType, StatusLevel};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Clique {
    pub focal: ObjectRef,
    pub clique_type: Arc<str>,
    /// What the links must not contradict: the focal object's values.
    pub constraints: BTreeMap<Arc<str>, Value>,
    /// In the order they were reached.
    pub links: Vec<Arc<Link>>,
    /// The focal object first, then as reached.
    pub nodes: Vec<Handle>,
}

/// A version keeps at most this many focal objects' cliques.
const KEPT: usize = 50_000;

impl Version {
    /// The cliques of a focal object, by the best clique types for this environment: usually one, none when nothing is linked, several
    /// when several types are equally exact.
    pub fn cliques(&self, focal: Handle) -> Vec<Arc<Clique>> {
        if let Ok(kept) = self.cliques.lock()
            && let Some(cliques) = kept.get(&focal)
        {
            return cliques.clone();
        }
        let made: Vec<Arc<Clique>> = self
            .object(focal)
            .map(|object| self.clique_types_for(&object.key.object_type))
            .into_iter()
            .flatten()
            .filter_map(|clique_type| self.clique(focal, clique_type).map(Arc::new))
            .collect();
        if let Ok(mut kept) = self.cliques.lock() {
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(focal, made.clone());
        }
        made
    }

    /// Is there a clique type for objects of this type here?
    pub fn is_focal_type(&self, object_type: &ObjectType) -> bool {
        !self.clique_types_for(object_type).is_empty()
    }

    /// Walks one clique type from a focal object.
    pub fn clique(&self, focal: Handle, clique_type: &CliqueType) -> Option<Clique> {
        let object = self.object(focal)?;
        let constraints = self.constraints(focal, &object.key.object_type);
        let walk = Walk {
            state: &self.state,
            constraints: &constraints,
            implicit: clique_type.implicit,
            reached: BTreeMap::from([(object.key.object_type.clone(), BTreeSet::from([focal]))]),
            nodes: vec![focal],
            links: Vec::new(),
            taken: HashSet::new(),
        };
        let (links, nodes) = walk.steps(&clique_type.links);
        (!links.is_empty()).then(|| Clique {
            focal: object.key.clone(),
            clique_type: clique_type.name.clone(),
            constraints,
            links,
            nodes,
        })
    }

    /// The constrained attributes of a focal object that have a value.
    fn constraints(&self, focal: Handle, focal_type: &ObjectType) -> BTreeMap<Arc<str>, Value> {
        let declared = &self.state.declarations.constraints;
        let of = |environment: Option<&crate::Environment>| {
            declared
                .iter()
                .find(|c| c.focal == *focal_type && c.environment.as_ref() == environment)
        };
        let rule = of(Some(&self.profile.name)).or_else(|| of(None));
        let names = rule.into_iter().flat_map(|rule| &rule.attributes);
        names
            .filter_map(|name| {
                let own = self.value(focal, name).map(|value| value.into_owned());
                // A network constrains by itself.
                let itself = (focal_type.as_str() == name.as_ref())
                    .then(|| self.object(focal).map(|o| Value::from(o.key.id.as_str())))
                    .flatten();
                Some((name.clone(), own.or(itself)?))
            })
            .collect()
    }

    /// The worst health in a clique at `now`, of objects and links.
    pub fn clique_level(&self, clique: &Clique, now: Timestamp) -> StatusLevel {
        let nodes = clique.nodes.iter().map(|node| self.level(*node, now));
        let links = clique.links.iter().filter_map(|link| {
            let key = self.link_key(link)?;
            Some(self.link_status(&key)?.level(now))
        });
        nodes.chain(links).max().unwrap_or_default()
    }
}

struct Walk<'w> {
    state: &'w State,
    constraints: &'w BTreeMap<Arc<str>, Value>,
    implicit: bool,
    reached: BTreeMap<ObjectType, BTreeSet<Handle>>,
    nodes: Vec<Handle>,
    links: Vec<Arc<Link>>,
    /// By type and ends, implied links included.
    taken: HashSet<(LinkType, Handle, Handle, Option<Arc<str>>)>,
}

/// How a step is walked in this state.
pub(crate) fn follow(state: &State, step: &LinkType) -> Follow {
    let reversed = step.reversed();
    if reversed == *step {
        Follow::Both
    } else if state.link_types.contains_key(&reversed) {
        Follow::Backward
    } else {
        Follow::Forward
    }
}

impl Walk<'_> {
    fn steps(mut self, steps: &[LinkType]) -> (Vec<Arc<Link>>, Vec<Handle>) {
        for step in steps {
            let Ok((from, _)) = step.ends() else {
                continue;
            };
            let start: Vec<Handle> = self
                .reached
                .get(&from)
                .into_iter()
                .flatten()
                .copied()
                .collect();
            let follow = follow(self.state, step);
            for handle in start {
                self.step(handle, step, follow);
            }
        }
        (self.links, self.nodes)
    }

    fn step(&mut self, from: Handle, step: &LinkType, follow: Follow) {
        let state = self.state;
        if follow != Follow::Backward {
            for (_, link) in state.outgoing(from) {
                if link.link_type == *step {
                    self.take(link, link.target);
                }
            }
        }
        if follow != Follow::Forward {
            let link_type = step.reversed();
            for (_, link) in state.incoming(from) {
                if link.link_type == link_type {
                    self.take(link, link.source);
                }
            }
        }
        if self.implicit {
            for link in implied::steps(state, from, step) {
                let end = link.other(from);
                self.take(&Arc::new(link), end);
            }
        }
    }

    fn take(&mut self, link: &Arc<Link>, end: Handle) {
        if self
            .constraints
            .iter()
            .any(|(name, wanted)| contradicts(link, name, wanted))
        {
            return;
        }
        let id = (
            link.link_type.clone(),
            link.source,
            link.target,
            link.distinct.clone(),
        );
        if !self.taken.insert(id) {
            return;
        }
        self.links.push(link.clone());
        if let Some(object) = self.state.object(end) {
            let reached = self
                .reached
                .entry(object.key.object_type.clone())
                .or_default();
            if reached.insert(end) {
                self.nodes.push(end);
            }
        }
    }
}

fn contradicts(link: &Link, name: &str, wanted: &Value) -> bool {
    let Some(value) = link.attributes.get(name).filter(|value| !value.is_null()) else {
        return false;
    };
    match wanted {
        Value::Array(list) => !list.contains(value),
        wanted => wanted != value,
    }
}
