//! Implied links: X-Z where links lead from X by others to Z.
//!
//! Along the way no object type repeats, and the declared attributes must agree where they are given; the implied link inherits them. It is
//! down if one of its parts is, and never stands in for a real link of the same ends. Only what is asked for is worked out: the closure of
//! a whole cloud is never built.

use crate::declare::Follow;
use crate::link::{Link, LinkState};
use crate::object::Handle;
use crate::state::State;
use crate::version::Version;
use crate::{LinkType, ObjectType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Version {
    /// All links implied to leave an object.
    pub fn implied_from(&self, handle: Handle) -> Vec<Link> {
        collect(&self.state, handle, None, false)
    }
}

/// Links implied at `from` that a clique step of this type may follow.
pub(super) fn steps(state: &State, from: Handle, step: &LinkType) -> Vec<Link> {
    let Ok((_, wanted)) = step.ends() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let follow = super::follow(state, step);
    if follow != Follow::Backward {
        out.extend(collect(state, from, Some(&wanted), false));
    }
    // Nothing leads forward: the step may be written from the target's side.
    if out.is_empty() || follow != Follow::Forward {
        out.extend(collect(state, from, Some(&wanted), true));
    }
    out
}

struct Way<'w> {
    state: &'w State,
    start: Handle,
    wanted: Option<&'w ObjectType>,
    backward: bool,
    types: Vec<ObjectType>,
    out: BTreeMap<Handle, Link>,
}

fn collect(state: &State, start: Handle, wanted: Option<&ObjectType>, backward: bool) -> Vec<Link> {
    let Some(object) = state.object(start) else {
        return Vec::new();
    };
    let mut way = Way {
        state,
        start,
        wanted,
        backward,
        types: vec![object.key.object_type.clone()],
        out: BTreeMap::new(),
    };
    way.go(start, 0, LinkState::Up, None, &BTreeMap::new());
    way.out.into_values().collect()
}

impl Way<'_> {
    fn go(
        &mut self,
        at: Handle,
        length: usize,
        link_state: LinkState,
        place: Option<&Arc<str>>,
        agreed: &BTreeMap<Arc<str>, Value>,
    ) {
        let state = self.state;
        let links: Vec<&Arc<Link>> = if self.backward {
            state.incoming(at).map(|(_, link)| link).collect()
        } else {
            state.outgoing(at).map(|(_, link)| link).collect()
        };
        for link in links {
            let end = link.other(at);
            let Some(object) = state.object(end) else {
                continue;
            };
            if self.types.contains(&object.key.object_type) {
                continue;
            }
            let Some(agreed) = agree(state, agreed, link) else {
                continue;
            };
            let worst = match (link_state, link.state) {
                (LinkState::Down, _) | (_, LinkState::Down) => LinkState::Down,
                (LinkState::Unknown, _) | (_, LinkState::Unknown) => LinkState::Unknown,
                _ => LinkState::Up,
            };
            let place = place.or(link.place.as_ref());
            if length > 0
                && self
                    .wanted
                    .is_none_or(|wanted| *wanted == object.key.object_type)
            {
                self.imply(end, worst, place, &agreed);
            }
            self.types.push(object.key.object_type.clone());
            self.go(end, length + 1, worst, place, &agreed);
            self.types.pop();
        }
    }

    fn imply(
        &mut self,
        end: Handle,
        link_state: LinkState,
        place: Option<&Arc<str>>,
        agreed: &BTreeMap<Arc<str>, Value>,
    ) {
        let (source, target) = if self.backward {
            (end, self.start)
        } else {
            (self.start, end)
        };
        let (Some(from), Some(to)) = (self.state.object(source), self.state.object(target)) else {
            return;
        };
        let name = format!("{}-{}", from.key.object_type, to.key.object_type);
        let Ok(link_type) = LinkType::new(name) else {
            return;
        };
        let real = self
            .state
            .outgoing(source)
            .any(|(_, link)| link.target == target && link.link_type == link_type);
        if real {
            return;
        }
        self.out.entry(end).or_insert_with(|| Link {
            link_type,
            source,
            target,
            distinct: None,
            name: None,
            source_label: None,
            target_label: None,
            state: link_state,
            weight: 0,
            implicit: true,
            place: place.cloned(),
            attributes: agreed.clone(),
        });
    }
}

/// What the way so far and a further link agree on; `None` if they contradict each other.
fn agree(
    state: &State,
    agreed: &BTreeMap<Arc<str>, Value>,
    link: &Link,
) -> Option<BTreeMap<Arc<str>, Value>> {
    let mut out = agreed.clone();
    for name in &state.declarations.implicit {
        let Some(value) = link.attributes.get(name) else {
            continue;
        };
        if *out.entry(name.clone()).or_insert_with(|| value.clone()) != *value {
            return None;
        }
    }
    Some(out)
}
