//! Impact: what an object's failure hits.
//!
//! What depends on it by the direction link types declare, and what lies below it, on and on. Of a thing that spans the cloud, such as a
//! network, it is the clique; and such a thing is hit by a failure below it, but does not carry the failure on to all others it serves.

use crate::declare::{Depends, ImpactBy, TypeRule};
use crate::object::Handle;
use crate::version::{Tenants, Version};
use crate::{LinkType, ObjectRef, ObjectType};
use foldhash::fast::FixedState;
use serde::Serialize;
use serde_json::Value;
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
        let mut seen = vec![false; self.state.next_object as usize];
        for handle in failed {
            if self.object(*handle).is_some()
                && !std::mem::replace(&mut seen[handle.0 as usize], true)
            {
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
                    if !std::mem::replace(&mut seen[handle.0 as usize], true) {
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
        let mut tenants = Tenants::new(self);
        let mut of_tenant: Vec<usize> = Vec::new();
        let (mut by_place, mut by_network) = <(Count, Count)>::default();
        // What is hit comes in runs of one type.
        let mut runs: Vec<(&ObjectType, Option<&TypeRule>, usize)> = Vec::new();
        for hurt in &impact.hit {
            let Some(object) = self.object(hurt.handle) else {
                continue;
            };
            let rule = match runs.last_mut() {
                Some((object_type, rule, count)) if **object_type == object.key.object_type => {
                    *count += 1;
                    *rule
                }
                _ => {
                    let rule = self.rule(object);
                    runs.push((&object.key.object_type, rule, 1));
                    rule
                }
            };
            if let Some(tenant) = tenants.number_of(hurt.handle) {
                if of_tenant.len() <= tenant {
                    of_tenant.resize(tenant + 1, 0);
                }
                of_tenant[tenant] += 1;
            }
            let own = rule.and_then(|rule| self.value(hurt.handle, &rule.place));
            match own.as_deref().and_then(Value::as_str) {
                Some(place) if !place.is_empty() => one(&mut by_place, place),
                _ => {
                    if let Some(place) = self.place(hurt.handle) {
                        one(&mut by_place, &place);
                    }
                }
            }
            match self.value(hurt.handle, "network").as_deref() {
                Some(Value::String(network)) => one(&mut by_network, network),
                Some(Value::Array(networks)) => networks
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|network| one(&mut by_network, network)),
                _ => {}
            }
        }
        let mut by_type: BTreeMap<ObjectType, usize> = BTreeMap::new();
        for (object_type, _, count) in runs {
            *by_type.entry(object_type.clone()).or_insert(0) += count;
        }
        let counted = of_tenant.into_iter().enumerate();
        ImpactCounts {
            total: impact.hit.len(),
            by_type,
            by_tenant: counted
                .filter(|(_, count)| *count > 0)
                .map(|(tenant, count)| (tenants.name(tenant), count))
                .collect(),
            by_place: by_place.into_iter().collect(),
            by_network: self.by_name("network", by_network),
        }
    }

    /// Counts of objects by what people call them; their ids tell those of one name apart.
    fn by_name(&self, object_type: &str, counts: Count) -> BTreeMap<Arc<str>, usize> {
        let mut named = BTreeMap::new();
        for (id, count) in counts.into_iter().collect::<BTreeMap<_, _>>() {
            let key = ObjectRef::new(object_type, &*id).ok();
            let handle = key.and_then(|key| self.find(&key));
            let name = handle
                .and_then(|handle| self.object(handle))
                .map_or(&*id, |object| object.name());
            let label = match named.contains_key(name) {
                true => format!("{name} ({id})").into(),
                false => name.into(),
            };
            named.insert(label, count);
        }
        named
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

type Count = HashMap<Arc<str>, usize, FixedState>;

fn one(counts: &mut Count, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.into(), 1);
        }
    }
}
