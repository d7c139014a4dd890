//! Impact: what an object's failure hits.
//!
//! What depends on it by the direction link types declare, and what lies below it, on and on. Of a thing that spans the cloud, such as a
//! network, it is the clique; and such a thing is hit by a failure below it, but does not carry the failure on to all others it serves.

use crate::declare::{Depends, ImpactBy};
use crate::object::{Handle, ObjectRef};
use crate::version::Version;
use crate::{LinkType, ObjectType};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One object that is hit, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hurt {
    pub handle: Handle,
    /// The object nearer to the failure.
    pub because_of: Handle,
    /// How: along a link of this type, or by lying below it.
    pub along: Option<LinkType>,
    pub distance: u32,
}

/// Everything a failure hits, nearest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impact {
    pub failed: Vec<Handle>,
    pub hit: Vec<Hurt>,
}

/// How many are hit, each way of counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ImpactCounts {
    pub total: usize,
    pub by_type: BTreeMap<ObjectType, usize>,
    pub by_tenant: BTreeMap<Arc<str>, usize>,
    /// By host or switch.
    pub by_place: BTreeMap<Arc<str>, usize>,
    pub by_network: BTreeMap<Arc<str>, usize>,
}

impl Version {
    /// What the failure of these objects, together, hits.
    pub fn impact(&self, failed: &[Handle]) -> Impact {
        let mut impact = Impact::default();
        let mut seen: HashMap<Handle, ()> = HashMap::new();
        for handle in failed {
            if self.object(*handle).is_some() && seen.insert(*handle, ()).is_none() {
                impact.failed.push(*handle);
            }
        }
        let mut wave: Vec<Handle> = impact.failed.clone();
        let mut distance = 0;
        while !wave.is_empty() {
            distance += 1;
            let mut next = Vec::new();
            for at in wave {
                let mut hurt = |handle: Handle, along: Option<LinkType>| {
                    if seen.insert(handle, ()).is_none() {
                        next.push(handle);
                        impact.hit.push(Hurt {
                            handle,
                            because_of: at,
                            along,
                            distance,
                        });
                    }
                };
                self.hurt_by(at, distance == 1, &mut hurt);
            }
            wave = next;
        }
        impact
    }

    /// Calls `hurt` with what the failure of one object hits directly.
    fn hurt_by(&self, at: Handle, failed: bool, hurt: &mut impl FnMut(Handle, Option<LinkType>)) {
        let Some(object) = self.object(at) else {
            return;
        };
        let by = self
            .rule(object)
            .map_or(ImpactBy::Dependents, |rule| rule.impact);
        if by == ImpactBy::Clique {
            if failed {
                for clique in self.cliques(at) {
                    clique.nodes.iter().for_each(|node| hurt(*node, None));
                }
            } else {
                return;
            }
        }
        for child in self.state.children(Some(&object.key)) {
            hurt(child, None);
        }
        if by == ImpactBy::Clique {
            return;
        }
        let depends = |link_type: &LinkType| {
            self.state
                .declarations
                .link_rule(link_type)
                .map_or(Depends::Neither, |rule| rule.depends)
        };
        let mut known: Option<(&LinkType, Depends)> = None;
        for (_, link) in self.state.links_at(at) {
            let direction = match known {
                Some((link_type, direction)) if *link_type == link.link_type => direction,
                _ => depends(&link.link_type),
            };
            known = Some((&link.link_type, direction));
            let hit = match direction {
                Depends::Source => link.target == at,
                Depends::Target => link.source == at,
                Depends::Both => true,
                Depends::Neither => false,
            };
            if hit {
                hurt(link.other(at), Some(link.link_type.clone()));
            }
        }
    }

    /// Counts of an impact: by type, tenant, host or switch, and network.
    pub fn impact_counts(&self, impact: &Impact) -> ImpactCounts {
        let mut counts = ImpactCounts {
            total: impact.hit.len(),
            ..ImpactCounts::default()
        };
        // Many share a parent, so what parents say is worked out once.
        let mut places: HashMap<ObjectRef, Option<Arc<str>>> = HashMap::new();
        for hurt in &impact.hit {
            let Some(object) = self.object(hurt.handle) else {
                continue;
            };
            *counts
                .by_type
                .entry(object.key.object_type.clone())
                .or_insert(0) += 1;
            if let Some(tenant) = self.tenant(hurt.handle) {
                *counts.by_tenant.entry(tenant).or_insert(0) += 1;
            }
            let rule = self.rule(object);
            let own = rule.and_then(|rule| {
                let value = self.value(hurt.handle, &rule.place)?;
                Some(Arc::from(value.as_str().filter(|text| !text.is_empty())?))
            });
            let place = own.or_else(|| {
                let parent = object.parent.clone()?;
                let above = || self.place(self.find(&parent)?);
                places.entry(parent.clone()).or_insert_with(above).clone()
            });
            if let Some(place) = place {
                *counts.by_place.entry(place).or_insert(0) += 1;
            }
            for network in self.networks(hurt.handle) {
                *counts.by_network.entry(network).or_insert(0) += 1;
            }
        }
        counts
    }

    /// The networks an object is on, by its attribute of that name.
    fn networks(&self, handle: Handle) -> Vec<Arc<str>> {
        match self.value(handle, "network").as_deref() {
            Some(serde_json::Value::String(one)) => vec![one.as_str().into()],
            Some(serde_json::Value::Array(many)) => many
                .iter()
                .filter_map(|value| value.as_str().map(Arc::from))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// From a failed object to one that is hit, with the steps between.
    pub fn impact_chain(&self, impact: &Impact, hit: Handle) -> Vec<Handle> {
        let from: HashMap<Handle, Handle> = impact
            .hit
            .iter()
            .map(|h| (h.handle, h.because_of))
            .collect();
        let mut chain = vec![hit];
        let mut at = hit;
        while let Some(earlier) = from.get(&at) {
            chain.push(*earlier);
            at = *earlier;
        }
        chain.reverse();
        chain
    }
}
