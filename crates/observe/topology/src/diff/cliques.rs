//! Cliques that differ between two versions.
//!
//! Only focal objects from which a changed link could be reached are looked at: steps are walked back from its ends.

use super::{ChangeKind, Diff};
use crate::clique::{Clique, follow};
use crate::declare::{CliqueType, Follow};
use crate::link::LinkKey;
use crate::object::{Handle, ObjectRef};
use crate::version::Version;
use crate::{LinkType, StatusLevel};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CliqueChange {
    pub focal: ObjectRef,
    pub clique_type: Arc<str>,
    pub kind: ChangeKind,
    pub links_added: Vec<LinkKey>,
    pub links_removed: Vec<LinkKey>,
    pub health_before: StatusLevel,
    pub health_after: StatusLevel,
}

impl Version {
    /// Cliques of at most `limit` focal objects that differ, by the links of a diff between the two versions; and whether there may be more.
    pub fn clique_changes(
        &self,
        after: &Self,
        diff: &Diff,
        limit: usize,
    ) -> (Vec<CliqueChange>, bool) {
        let mut focals: BTreeSet<ObjectRef> = BTreeSet::new();
        for (version, absent) in [(self, ChangeKind::Added), (after, ChangeKind::Removed)] {
            let links = diff.links.iter().filter(|link| link.kind != absent);
            let keys: Vec<&LinkKey> = links.map(|link| &link.key).collect();
            for handle in version.focals_of(&keys) {
                focals.extend(version.object(handle).map(|object| object.key.clone()));
            }
        }
        let more = focals.len() > limit;
        let changes = focals
            .iter()
            .take(limit)
            .flat_map(|focal| self.clique_change(after, focal))
            .collect();
        (changes, more)
    }

    fn clique_change(&self, after: &Self, focal: &ObjectRef) -> Vec<CliqueChange> {
        let of = |version: &Self| {
            let handle = version.find(focal);
            handle.map_or(Vec::new(), |handle| version.cliques(handle))
        };
        let (old, new) = (of(self), of(after));
        let names: BTreeSet<&Arc<str>> = old.iter().chain(&new).map(|c| &c.clique_type).collect();
        let find = |list: &[Arc<Clique>], name: &Arc<str>| {
            list.iter()
                .find(|clique| clique.clique_type == *name)
                .cloned()
        };
        names
            .into_iter()
            .filter_map(|name| {
                let (old, new) = (find(&old, name), find(&new, name));
                let links = |version: &Self, clique: &Option<Arc<Clique>>| -> BTreeSet<LinkKey> {
                    let links = clique.iter().flat_map(|clique| &clique.links);
                    links.filter_map(|link| version.link_key(link)).collect()
                };
                let level = |version: &Self, clique: &Option<Arc<Clique>>| {
                    clique.as_ref().map_or(StatusLevel::Unknown, |clique| {
                        version.clique_level(clique, version.at)
                    })
                };
                let (had, has) = (links(self, &old), links(after, &new));
                let change = CliqueChange {
                    focal: focal.clone(),
                    clique_type: name.clone(),
                    kind: match (&old, &new) {
                        (None, _) => ChangeKind::Added,
                        (_, None) => ChangeKind::Removed,
                        _ => ChangeKind::Changed,
                    },
                    links_added: has.difference(&had).cloned().collect(),
                    links_removed: had.difference(&has).cloned().collect(),
                    health_before: level(self, &old),
                    health_after: level(after, &new),
                };
                let same = change.links_added.is_empty()
                    && change.links_removed.is_empty()
                    && change.health_before == change.health_after;
                (!same).then_some(change)
            })
            .collect()
    }

    /// Focal objects whose cliques these links may be in.
    fn focals_of(&self, links: &[&LinkKey]) -> BTreeSet<Handle> {
        let types: BTreeSet<_> = self
            .declarations()
            .clique_types()
            .map(|c| &c.focal)
            .collect();
        let mut out = BTreeSet::new();
        for focal in types {
            for clique_type in self.clique_types_for(focal) {
                self.walk_back(clique_type, links, &mut out);
            }
        }
        out
    }

    fn walk_back(&self, clique_type: &CliqueType, links: &[&LinkKey], out: &mut BTreeSet<Handle>) {
        // Objects that, if reached before this step, bring a changed link in; from the last step to the first.
        let mut needed: BTreeSet<Handle> = BTreeSet::new();
        for step in clique_type.links.iter().rev() {
            let Ok((from, to)) = step.ends() else {
                continue;
            };
            let way = follow(&self.state, step);
            let of_type = |handle: &Handle, wanted| {
                self.object(*handle)
                    .is_some_and(|object| object.key.object_type == wanted)
            };
            let ends: Vec<Handle> = needed
                .iter()
                .copied()
                .filter(|h| of_type(h, to.clone()))
                .collect();
            for end in ends {
                self.before_step(end, step, way, &mut needed);
            }
            for link in links {
                let start = if link.link_type == *step && way != Follow::Backward {
                    &link.source
                } else if link.link_type == step.reversed() && way != Follow::Forward {
                    &link.target
                } else {
                    continue;
                };
                needed.extend(self.find(start).filter(|h| of_type(h, from.clone())));
                if way == Follow::Both {
                    needed.extend(self.find(&link.target));
                }
            }
        }
        out.extend(needed.into_iter().filter(|handle| {
            self.object(*handle)
                .is_some_and(|object| object.key.object_type == clique_type.focal)
        }));
    }

    /// Objects from which a step leads to `end`.
    fn before_step(
        &self,
        end: Handle,
        step: &LinkType,
        way: Follow,
        needed: &mut BTreeSet<Handle>,
    ) {
        for (_, link) in self.state.links_at(end) {
            let forward = way != Follow::Backward && link.link_type == *step && link.target == end;
            let backward =
                way != Follow::Forward && link.link_type == step.reversed() && link.source == end;
            if forward || backward {
                needed.insert(link.other(end));
            }
        }
    }
}
