//! The whole map in a few hundred nodes: objects with everything below them, and how many links there are between them.

use super::{Layout, Thing, place};
use crate::health::StatusLevel;
use crate::object::{Handle, ObjectRef};
use crate::version::{Tenants, Version};
use crate::{LinkType, ObjectType};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverviewQuery {
    /// Levels of the tree are opened from the top while no more nodes than this come of it.
    pub budget: usize,
    /// Objects to open besides.
    pub open: BTreeSet<ObjectRef>,
    /// Only objects of these tenants, as if there were no others; everything if absent.
    pub tenants: Option<BTreeSet<Arc<str>>>,
}

/// An object and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Supernode {
    pub key: ObjectRef,
    pub name: String,
    /// Objects in it, itself included, by type.
    pub counts: BTreeMap<ObjectType, usize>,
    /// The worst health in it.
    #[serde(rename = "status")]
    pub level: StatusLevel,
    /// Objects in it that are stale.
    pub stale: usize,
    /// It can be opened: something is hidden in it.
    pub closed: bool,
}

/// Links between two supernodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Edge {
    pub source: ObjectRef,
    pub target: ObjectRef,
    pub counts: BTreeMap<LinkType, usize>,
    #[serde(rename = "status")]
    pub level: StatusLevel,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Overview {
    pub nodes: Vec<Supernode>,
    pub edges: Vec<Edge>,
    pub layout: Layout,
}

/// An overview a version keeps: what was asked, and from when until when health is as it shows it.
#[derive(Debug)]
pub(crate) struct Kept {
    asked: OverviewQuery,
    holds: Range<Timestamp>,
    overview: Arc<Overview>,
}

/// A version keeps at most this many.
const KEPT: usize = 8;

impl Version {
    /// See [`Overview`], with the health at `now`. The same version and query give the same picture; with the last layout, what was in it
    /// stays where it was.
    pub fn overview(
        &self,
        query: &OverviewQuery,
        now: Timestamp,
        last: Option<&Layout>,
    ) -> Arc<Overview> {
        let kept = |all: &Vec<Kept>| {
            let mut all = all.iter();
            let found = all.find(|kept| kept.asked == *query && kept.holds.contains(&now));
            found.map(|kept| kept.overview.clone())
        };
        let known = self.overviews.lock().ok().and_then(|all| kept(&all));
        let first = known.unwrap_or_else(|| {
            let made = Arc::new(self.make_overview(query, now));
            if let Ok(mut all) = self.overviews.lock() {
                all.retain(|kept| kept.asked != *query);
                if all.len() >= KEPT {
                    all.remove(0);
                }
                all.push(Kept {
                    asked: query.clone(),
                    holds: now..self.next_expiry(now),
                    overview: made.clone(),
                });
            }
            made
        });
        match last {
            None => first,
            Some(last) => {
                let mut overview = Overview::clone(&first);
                overview.layout = self.place_overview(&overview, Some(last));
                Arc::new(overview)
            }
        }
    }

    /// Until when no check gets too old.
    fn next_expiry(&self, now: Timestamp) -> Timestamp {
        let objects = self.state.status.iter().map(|(_, status)| status);
        let next = objects
            .chain(self.state.link_status.values())
            .filter_map(|status| status.next_expiry(now));
        next.min().unwrap_or(Timestamp::MAX)
    }

    fn make_overview(&self, query: &OverviewQuery, now: Timestamp) -> Overview {
        let holder = self.holders(query);
        let mut nodes: BTreeMap<Handle, Supernode> = BTreeMap::new();
        for (handle, object) in self.objects() {
            let Some(top) = holder.get(handle.0 as usize).copied().flatten() else {
                continue;
            };
            let Some(top_object) = self.object(top) else {
                continue;
            };
            let node = nodes.entry(top).or_insert_with(|| Supernode {
                key: top_object.key.clone(),
                name: top_object.name().to_owned(),
                counts: BTreeMap::new(),
                level: StatusLevel::Unknown,
                stale: 0,
                closed: false,
            });
            *node
                .counts
                .entry(object.key.object_type.clone())
                .or_insert(0) += 1;
            node.level = worse(node.level, self.level(handle, now));
            node.stale += usize::from(object.stale.is_some());
            node.closed |= handle != top;
        }
        let mut edges: BTreeMap<(Handle, Handle), Edge> = BTreeMap::new();
        for link in self.links() {
            let of = |handle: Handle| holder.get(handle.0 as usize).copied().flatten();
            let (Some(a), Some(b)) = (of(link.source), of(link.target)) else {
                continue;
            };
            if a == b {
                continue;
            }
            let (a, b) = (a.min(b), a.max(b));
            let (Some(source), Some(target)) = (self.object(a), self.object(b)) else {
                continue;
            };
            let edge = edges.entry((a, b)).or_insert_with(|| Edge {
                source: source.key.clone(),
                target: target.key.clone(),
                counts: BTreeMap::new(),
                level: StatusLevel::Unknown,
            });
            *edge.counts.entry(link.link_type.clone()).or_insert(0) += 1;
            edge.level = worse(edge.level, self.link_level(link, now));
        }
        let mut overview = Overview {
            nodes: nodes.into_values().collect(),
            edges: edges.into_values().collect(),
            layout: Layout::default(),
        };
        overview.layout = self.place_overview(&overview, None);
        overview
    }

    fn place_overview(&self, overview: &Overview, last: Option<&Layout>) -> Layout {
        let mut near: BTreeMap<&ObjectRef, Vec<ObjectRef>> = BTreeMap::new();
        for edge in &overview.edges {
            let (source, target) = (&edge.source, &edge.target);
            near.entry(source).or_default().push(target.clone());
            near.entry(target).or_default().push(source.clone());
        }
        let mut things: Vec<Thing> = overview
            .nodes
            .iter()
            .map(|node| {
                let rule = self.state.declarations.object_type(&node.key.object_type);
                Thing {
                    key: node.key.clone(),
                    layer: rule.map_or(0, |rule| i32::from(rule.layer)),
                    name: node.name.clone(),
                    near: near.remove(&node.key).unwrap_or_default(),
                }
            })
            .collect();
        things.sort_by(|a, b| (a.layer, &a.name, &a.key).cmp(&(b.layer, &b.name, &b.key)));
        place(&things, last)
    }

    /// For each handle, the shown object it is in. What the tenants do not own is passed through: what lies below it moves up.
    fn holders(&self, query: &OverviewQuery) -> Vec<Option<Handle>> {
        let size = self.state.next_object as usize;
        let mut owners = Tenants::new(self);
        let mut own = |handle: Handle| {
            query.tenants.as_ref().is_none_or(|tenants| {
                let tenant = owners.of(handle);
                tenant.is_some_and(|tenant| tenants.contains(&tenant))
            })
        };
        let mut met = vec![false; size];
        let mut depth: Vec<u32> = vec![u32::MAX; size];
        let mut order: Vec<(Handle, Option<Handle>)> = Vec::with_capacity(self.object_count());
        let mut next: VecDeque<(Handle, Option<Handle>, u32)> = self
            .state
            .children(None)
            .chain(self.orphans())
            .map(|root| (root, None, 0))
            .collect();
        while let Some((at, above, level)) = next.pop_front() {
            let Some(object) = self.object(at) else {
                continue;
            };
            if std::mem::replace(&mut met[at.0 as usize], true) {
                continue;
            }
            let children = self.state.children(Some(&object.key));
            if own(at) {
                depth[at.0 as usize] = level;
                order.push((at, above));
                next.extend(children.map(|child| (child, Some(at), level + 1)));
            } else {
                next.extend(children.map(|child| (child, above, level)));
            }
        }
        let opened = opened(&depth, query.budget);
        let mut holder: Vec<Option<Handle>> = vec![None; size];
        for (at, above) in order {
            let held = above.and_then(|above| {
                let holder = holder[above.0 as usize]?;
                let open = holder == above
                    && (depth[at.0 as usize] <= opened
                        || self
                            .object(above)
                            .is_some_and(|o| query.open.contains(&o.key)));
                (!open).then_some(holder)
            });
            holder[at.0 as usize] = Some(held.unwrap_or(at));
        }
        holder
    }
}

/// The deepest level down to which all objects fit the budget.
fn opened(depth: &[u32], budget: usize) -> u32 {
    let mut levels: BTreeMap<u32, usize> = BTreeMap::new();
    for level in depth.iter().filter(|level| **level != u32::MAX) {
        *levels.entry(*level).or_insert(0) += 1;
    }
    let mut sum = 0;
    let mut opened = 0;
    for (level, count) in levels {
        sum += count;
        if sum > budget {
            break;
        }
        opened = level;
    }
    opened
}

/// The worse of two of which something is known: a picture of the whole would be grey otherwise. Of what nobody checked nothing is known.
fn worse(a: StatusLevel, b: StatusLevel) -> StatusLevel {
    match (a, b) {
        (known, StatusLevel::Unknown) | (StatusLevel::Unknown, known) => known,
        (a, b) => a.max(b),
    }
}
