//! Root cause: the one object to blame for trouble, with the chain explained.
//!
//! A declared rule says which faults of which type explain what: everything that depends on the object, or what certain steps reach. A fault
//! that another fault explains is a consequence, not a cause. Everything is worked out from the health at hand, so it clears by itself
//! when the cause recovers.

use crate::clique::follow;
use crate::declare::{CauseRule, Follow};
use crate::health::StatusLevel;
use crate::link::Link;
use crate::object::{Handle, Object};
use crate::version::Version;
use foldhash::fast::FixedState;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;

/// One cause and what it explains.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCause {
    pub cause: Handle,
    pub rule: Arc<str>,
    pub level: StatusLevel,
    /// For people: `NIC eno1 has no link`.
    pub because: String,
    /// The status the rule gives to what is explained.
    pub effect: StatusLevel,
    /// What is explained, nearest first, each with the object nearer to the cause.
    pub explained: Vec<(Handle, Handle)>,
}

impl RootCause {
    /// From the cause to an explained object.
    pub fn chain(&self, to: Handle) -> Vec<Handle> {
        let from: HashMap<Handle, Handle> = self.explained.iter().copied().collect();
        let mut chain = vec![to];
        while let Some(earlier) = chain.last().and_then(|at| from.get(at)) {
            chain.push(*earlier);
        }
        chain.reverse();
        chain
    }
}

/// All causes of trouble at one time, worst and widest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCauses {
    pub now: Timestamp,
    roots: Vec<RootCause>,
    /// The worst that is explained of each object.
    worst: HashMap<Handle, StatusLevel, FixedState>,
}

impl RootCauses {
    fn new(now: Timestamp, roots: Vec<RootCause>) -> Self {
        let mut worst: HashMap<Handle, StatusLevel, FixedState> = HashMap::default();
        for root in &roots {
            for (hit, _) in &root.explained {
                let level = worst.entry(*hit).or_insert(root.effect);
                *level = (*level).max(root.effect);
            }
        }
        Self { now, roots, worst }
    }

    /// Those that are this object, or explain it.
    pub fn of(&self, handle: Handle) -> impl Iterator<Item = &RootCause> {
        self.roots.iter().filter(move |root| {
            root.cause == handle || root.explained.iter().any(|(hit, _)| *hit == handle)
        })
    }
}

impl Deref for RootCauses {
    type Target = [RootCause];

    fn deref(&self) -> &[RootCause] {
        &self.roots
    }
}

impl Version {
    /// All causes of trouble at `now`. A fault explained by another is not listed.
    pub fn root_causes(&self, now: Timestamp) -> RootCauses {
        let mut found: Vec<RootCause> = Vec::new();
        for (handle, status) in self.state.status.iter() {
            let (handle, level) = (Handle(handle), status.level(now));
            let Some(object) = self.object(handle) else {
                continue;
            };
            for rule in &self.state.declarations.causes {
                if rule.object_type == object.key.object_type && rule.statuses.contains(&level) {
                    found.push(self.explain(handle, object, level, rule));
                }
            }
        }
        let explained: BTreeMap<Handle, BTreeSet<Handle>> = {
            let mut by: BTreeMap<Handle, BTreeSet<Handle>> = BTreeMap::new();
            for root in &found {
                for (hit, _) in &root.explained {
                    by.entry(*hit).or_default().insert(root.cause);
                }
            }
            by
        };
        // Two that explain each other are both listed: neither can be told from the other.
        let mutual = |a: &Handle, b: &Handle| explained.get(b).is_some_and(|by| by.contains(a));
        found.retain(|root| {
            let by = explained.get(&root.cause);
            !by.into_iter()
                .flatten()
                .any(|other| !mutual(&root.cause, other))
        });
        found.sort_by(|a, b| {
            (b.level, b.explained.len())
                .cmp(&(a.level, a.explained.len()))
                .then_with(|| a.cause.cmp(&b.cause))
        });
        RootCauses::new(now, found)
    }

    /// What an object's health is when its causes are counted in: its own, or worse by what explains it.
    pub fn level_with_causes(&self, handle: Handle, causes: &RootCauses) -> StatusLevel {
        let own = self.level(handle, causes.now);
        causes
            .worst
            .get(&handle)
            .map_or(own, |worst| own.max(*worst))
    }

    /// The health of a link: what its own checks say, and what its ends mean for it. Both ends fine: fine; one end failing: a warning.
    pub fn link_level(&self, link: &Link, now: Timestamp) -> StatusLevel {
        // Most clouds check no links; then the key need not be made.
        let checked = !self.state.link_status.is_empty();
        let own = checked
            .then(|| self.link_key(link))
            .flatten()
            .and_then(|key| Some(self.link_status(&key)?.level(now)));
        let (source, target) = (self.level(link.source, now), self.level(link.target, now));
        let ends = match (source, target) {
            (StatusLevel::Error, StatusLevel::Error) => StatusLevel::Error,
            (StatusLevel::Error, _) | (_, StatusLevel::Error) => StatusLevel::Warning,
            (source, target) => source.max(target),
        };
        own.map_or(ends, |own| match ends {
            StatusLevel::Unknown => own,
            ends => own.max(ends),
        })
    }

    fn explain(
        &self,
        cause: Handle,
        object: &Object,
        level: StatusLevel,
        rule: &CauseRule,
    ) -> RootCause {
        let mut explained = if rule.follow.is_empty() {
            let hit = self.impact(&[cause]).hit;
            hit.iter()
                .map(|hurt| (hurt.handle, hurt.because_of))
                .collect()
        } else {
            self.follow(cause, rule)
        };
        if !rule.same.is_empty() {
            explained.retain(|(handle, _)| self.shares(cause, *handle, rule));
        }
        RootCause {
            cause,
            rule: rule.name.clone(),
            level,
            because: rule.because.replace("{name}", object.name()),
            effect: rule.effect,
            explained,
        }
    }

    fn follow(&self, cause: Handle, rule: &CauseRule) -> Vec<(Handle, Handle)> {
        let mut reached: Vec<Handle> = vec![cause];
        let mut seen = BTreeSet::from([cause]);
        let mut out = Vec::new();
        for step in &rule.follow {
            let Ok((from, _)) = step.ends() else {
                continue;
            };
            let way = follow(&self.state, step);
            let starts: Vec<Handle> = reached
                .iter()
                .copied()
                .filter(|handle| {
                    self.object(*handle)
                        .is_some_and(|o| o.key.object_type == from)
                })
                .collect();
            for start in starts {
                for (_, link) in self.state.links_at(start) {
                    let forward =
                        way != Follow::Backward && link.source == start && link.link_type == *step;
                    let backward = way != Follow::Forward
                        && link.target == start
                        && link.link_type == step.reversed();
                    let end = link.other(start);
                    if (forward || backward) && self.shares(cause, end, rule) && seen.insert(end) {
                        reached.push(end);
                        out.push((end, start));
                    }
                }
            }
        }
        out
    }

    fn shares(&self, cause: Handle, other: Handle, rule: &CauseRule) -> bool {
        rule.same.iter().all(|name| {
            let of = |handle| {
                self.value(handle, name)
                    .filter(|value| **value != Value::Null)
            };
            match (of(cause), of(other)) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            }
        })
    }
}
