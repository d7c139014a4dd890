//! Derives the links of a state by the declared rules, and keeps them derived as objects change.
//!
//! The work follows the change: for each rule, the keys of touched objects are taken out of its indexes and put back in, the pairs that
//! this may concern are worked out, and only those are looked at again. The result is the same as deriving everything from the last state;
//! a property test holds the two together. Rules run in an order in which each comes after those whose links it reads.

mod index;
mod pair;

use crate::declare::LinkRule;
use crate::link::Link;
use crate::object::{Handle, Object, ObjectRef};
use crate::state::State;
use crate::{LinkKey, LinkType, ObjectType};
use foldhash::fast::FixedState;
use index::JoinIndex;
use roaring::RoaringBitmap;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

type FastMap<K, V> = HashMap<K, V, FixedState>;
type FastSet<K> = HashSet<K, FixedState>;

/// A link that came, went or says something else.
#[derive(Debug, Clone)]
pub(crate) struct LinkChange {
    pub(crate) key: LinkKey,
    pub(crate) before: Option<Arc<Link>>,
    pub(crate) after: Option<Arc<Link>>,
}

/// Indexes of all rules over one state. Built anew from any state, at the cost of reading it once.
#[derive(Debug)]
pub(crate) struct Deriver {
    rules: Vec<RuleIndex>,
    /// What conditions and texts read as `environment`.
    environment: Value,
}

#[derive(Debug, Default)]
struct RuleIndex {
    joins: Vec<JoinIndex>,
    /// Slots of the links of each pair.
    links: FastMap<(u32, u32), Vec<u32>>,
    /// Objects that pairs look up, both ways.
    watched: FastMap<ObjectRef, FastSet<(u32, u32)>>,
    watches: FastMap<(u32, u32), Vec<ObjectRef>>,
}

type Touched = BTreeMap<u32, Option<Arc<Object>>>;

impl Deriver {
    pub(crate) fn new(state: &State, environment: Value) -> Self {
        let rules = state
            .declarations
            .links
            .iter()
            .map(|rule| RuleIndex {
                joins: rule.joins.iter().map(|_| JoinIndex::default()).collect(),
                ..RuleIndex::default()
            })
            .collect();
        Self { rules, environment }
    }

    /// The indexes of a state whose links are derived already, as after reading it back from disk.
    pub(crate) fn of(state: &State, environment: Value) -> Self {
        let mut deriver = Self::new(state, environment);
        let declarations = state.declarations.clone();
        for (rule, index) in declarations.links.iter().zip(&mut deriver.rules) {
            for (handle, _) in state.objects.iter() {
                index.reindex(rule, state, Handle(handle), &mut Vec::new());
            }
        }
        let places: HashMap<&LinkType, usize> = declarations
            .links
            .iter()
            .enumerate()
            .map(|(n, rule)| (&rule.link_type, n))
            .collect();
        for (slot, link) in state.links.iter() {
            if let Some(place) = places.get(&link.link_type) {
                let pair = (link.source.0, link.target.0);
                let index = &mut deriver.rules[*place];
                index.links.entry(pair).or_default().push(slot);
                let rule = &declarations.links[*place];
                let (_, watches) =
                    pair::links(rule, &index.joins, state, &deriver.environment, pair);
                index.watch(pair, watches);
            }
        }
        deriver
    }

    /// Brings the links of `state` in line with its objects. `touched` holds each changed handle with the object that was there.
    pub(crate) fn derive(&mut self, state: &mut State, touched: &Touched) -> Vec<LinkChange> {
        let declarations = state.declarations.clone();
        let mut changes: Vec<LinkChange> = Vec::new();
        // Ends of changed links, for the rules that read links of their type.
        let mut ends: BTreeMap<&LinkType, Vec<u32>> = declarations
            .links
            .iter()
            .flat_map(|rule| &rule.reads_links)
            .map(|link_type| (link_type, Vec::new()))
            .collect();
        let keys = Keys::new(state, touched);
        let by_type = by_type(state, touched);
        for (rule, index) in declarations.links.iter().zip(&mut self.rules) {
            let mut pairs = Vec::new();
            let new = index.take_objects(rule, state, &by_type, &mut pairs);
            index.take_watched(state, touched, &keys, &mut pairs);
            let read = rule.reads_links.iter().filter_map(|link| ends.get(link));
            for handle in read.flatten() {
                if !new.contains(*handle) {
                    linked(rule, state, Handle(*handle), &mut pairs);
                    index.partners(state, Handle(*handle), &mut pairs);
                }
            }
            pairs.sort_unstable();
            pairs.dedup();
            let made = changes.len();
            for pair in pairs {
                index.settle(rule, state, &self.environment, &keys, pair, &mut changes);
            }
            if let Some(ends) = ends.get_mut(&rule.link_type) {
                for change in &changes[made..] {
                    let link = change.before.as_ref().or(change.after.as_ref());
                    ends.extend(link.into_iter().flat_map(|l| [l.source.0, l.target.0]));
                }
                ends.sort_unstable();
                ends.dedup();
            }
        }
        changes
    }
}

/// Touched handles, each with the object that was there.
type Before<'t> = (u32, Option<&'t Object>);

/// Touched handles by the types of what is or was there.
fn by_type<'t>(state: &State, touched: &'t Touched) -> FastMap<ObjectType, Vec<Before<'t>>> {
    let mut out: FastMap<ObjectType, Vec<Before<'t>>> = FastMap::default();
    for (handle, before) in touched {
        let object = state.object(Handle(*handle)).or(before.as_ref());
        let Some(object) = object else {
            continue;
        };
        let entry = (*handle, before.as_deref());
        match out.get_mut(&object.key.object_type) {
            Some(list) => list.push(entry),
            None => {
                out.insert(object.key.object_type.clone(), vec![entry]);
            }
        }
    }
    out
}

/// The types a rule looks at, each once.
fn rule_types(rule: &LinkRule) -> Vec<&ObjectType> {
    let through = rule.joins.iter().filter_map(|join| join.through.as_ref());
    let mut types: Vec<&ObjectType> = [&rule.source, &rule.target]
        .into_iter()
        .chain(through.map(|t| &t.object_type))
        .collect();
    types.sort();
    types.dedup();
    types
}

/// Keys of touched handles before the change; the state knows those after it.
struct Keys {
    gone: HashMap<u32, ObjectRef>,
}

impl Keys {
    fn new(state: &State, touched: &Touched) -> Self {
        let gone = touched
            .iter()
            .filter(|(handle, _)| state.object(Handle(**handle)).is_none())
            .filter_map(|(handle, before)| Some((*handle, before.as_ref()?.key.clone())))
            .collect();
        Self { gone }
    }

    fn of<'k>(
        &self,
        before: Option<&'k Object>,
        after: Option<&'k Object>,
    ) -> impl Iterator<Item = &'k ObjectRef> + use<'k> {
        let before = before.map(|object| &object.key);
        let after = after.map(|object| &object.key);
        before
            .into_iter()
            .chain(after.filter(|key| Some(*key) != before))
    }

    fn link(&self, state: &State, link: &Link) -> Option<LinkKey> {
        let end = |handle: Handle| {
            state
                .object(handle)
                .map(|object| object.key.clone())
                .or_else(|| self.gone.get(&handle.0).cloned())
        };
        Some(LinkKey {
            link_type: link.link_type.clone(),
            source: end(link.source)?,
            target: end(link.target)?,
            distinct: link.distinct.clone(),
        })
    }
}

/// Pairs that have a link of the rule at `handle` now.
fn linked(rule: &LinkRule, state: &State, handle: Handle, pairs: &mut Vec<(u32, u32)>) {
    pairs.extend(
        state
            .links_at(handle)
            .filter(|(_, link)| link.link_type == rule.link_type)
            .map(|(_, link)| (link.source.0, link.target.0)),
    );
}

/// Can a change from one to the other make a difference to the rule?
fn concerns(rule: &LinkRule, before: Option<&Object>, after: Option<&Object>) -> bool {
    let of_type = |t: &ObjectType| {
        [before, after]
            .into_iter()
            .flatten()
            .any(|object| object.key.object_type == *t)
    };
    let through = rule.joins.iter().filter_map(|join| join.through.as_ref());
    if through
        .into_iter()
        .any(|through| of_type(&through.object_type))
    {
        return true;
    }
    let (source, target) = (of_type(&rule.source), of_type(&rule.target));
    match (before, after) {
        (Some(before), Some(after)) if before.key == after.key => {
            (source && before.differs_in(after, &rule.reads_source))
                || (target && before.differs_in(after, &rule.reads_target))
        }
        _ => source || target,
    }
}

impl RuleIndex {
    /// Indexes the touched objects the rule looks at anew; adds the pairs this may concern. Returns the handles that are new: all their
    /// pairs are among those added.
    fn take_objects(
        &mut self,
        rule: &LinkRule,
        state: &State,
        by_type: &FastMap<ObjectType, Vec<Before<'_>>>,
        pairs: &mut Vec<(u32, u32)>,
    ) -> RoaringBitmap {
        let mut new = RoaringBitmap::new();
        let types = rule_types(rule).into_iter();
        for (handle, before) in types.filter_map(|t| by_type.get(t)).flatten() {
            let after = state.object(Handle(*handle)).map(|after| &**after);
            if concerns(rule, *before, after) {
                // Where nothing was, no link is.
                if before.is_some() {
                    linked(rule, state, Handle(*handle), pairs);
                } else {
                    new.insert(*handle);
                }
                self.reindex(rule, state, Handle(*handle), pairs);
            }
        }
        new
    }

    /// Adds the pairs that look one of the touched objects up.
    fn take_watched(
        &self,
        state: &State,
        touched: &Touched,
        keys: &Keys,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        if self.watched.is_empty() {
            return;
        }
        for (handle, before) in touched {
            let after = state.object(Handle(*handle)).map(|after| &**after);
            for key in keys.of(before.as_deref(), after) {
                pairs.extend(self.watched.get(key).into_iter().flatten().copied());
            }
        }
    }

    /// Takes the keys of an object out and puts those it has now in; adds the pairs of both.
    fn reindex(
        &mut self,
        rule: &LinkRule,
        state: &State,
        handle: Handle,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        for (join, index) in rule.joins.iter().zip(&mut self.joins) {
            index.reindex(rule, join, state, handle, pairs);
        }
    }

    /// Pairs an object has by its keys.
    fn partners(&self, state: &State, handle: Handle, pairs: &mut Vec<(u32, u32)>) {
        if state.object(handle).is_some() {
            for index in &self.joins {
                index.pairs_of(handle, pairs);
            }
        }
    }

    fn watch(&mut self, pair: (u32, u32), keys: Vec<ObjectRef>) {
        for key in self.watches.remove(&pair).into_iter().flatten() {
            if let Some(pairs) = self.watched.get_mut(&key) {
                pairs.remove(&pair);
                if pairs.is_empty() {
                    self.watched.remove(&key);
                }
            }
        }
        for key in &keys {
            self.watched.entry(key.clone()).or_default().insert(pair);
        }
        if !keys.is_empty() {
            self.watches.insert(pair, keys);
        }
    }

    /// Makes the links of one pair what the rule says they are.
    fn settle(
        &mut self,
        rule: &LinkRule,
        state: &mut State,
        environment: &Value,
        keys: &Keys,
        pair: (u32, u32),
        changes: &mut Vec<LinkChange>,
    ) {
        let (mut wanted, watches) = pair::links(rule, &self.joins, state, environment, pair);
        self.watch(pair, watches);
        let mut kept = Vec::new();
        for slot in self.links.remove(&pair).unwrap_or_default() {
            let Some(old) = state.links.get(slot).cloned() else {
                continue;
            };
            let Some(key) = keys.link(state, &old) else {
                continue;
            };
            let place = wanted.iter().position(|new| new.distinct == old.distinct);
            let new = place.map(|place| wanted.remove(place));
            if new.as_ref() == Some(&*old) {
                kept.push(slot);
                continue;
            }
            let after = match new {
                Some(new) => {
                    let new = Arc::new(new);
                    state.links.set(slot, Some(new.clone()));
                    kept.push(slot);
                    Some(new)
                }
                None => {
                    state.take_link(slot);
                    state.link_status.remove(&key);
                    None
                }
            };
            changes.push(LinkChange {
                key,
                before: Some(old),
                after,
            });
        }
        for link in wanted {
            let Some(key) = keys.link(state, &link) else {
                continue;
            };
            let slot = state.put_link(link);
            kept.push(slot);
            changes.push(LinkChange {
                key,
                before: None,
                after: state.links.get(slot).cloned(),
            });
        }
        if !kept.is_empty() {
            self.links.insert(pair, kept);
        }
    }
}
