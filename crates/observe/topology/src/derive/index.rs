//! The keys of one join: which objects have which, on either side, and what third objects bring together.
//!
//! Keys are numbers here: each text is kept once, for as long as an object or a bridge has it.

use super::FastMap;
use crate::declare::{Join, KeyRule, LinkRule};
use crate::object::{Handle, Object};
use crate::state::State;
use crate::template::{Path, Values};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Place of an element in an object's list or map; `None` is the object itself.
pub(super) type Item = Option<u32>;

/// Number of a key.
type Key = u32;

/// An object's key, and the element it is of.
type Keyed = (Key, Item);

/// A source key and a target key that an object brings together.
type Bridge = (Key, Key);

/// Which end of the link a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Target,
}

/// Who has a key; an object is listed once for each element that has it.
#[derive(Debug)]
struct Holders {
    /// `None` when the number is free.
    text: Option<Arc<str>>,
    sources: Vec<u32>,
    targets: Vec<u32>,
    /// How many bridges have it at either end.
    bridges: u32,
}

#[derive(Debug, Default)]
struct KeyTable {
    numbers: FastMap<Arc<str>, Key>,
    holders: Vec<Holders>,
    free: Vec<Key>,
}

#[derive(Debug, Default)]
struct Bridges {
    /// From source keys to target keys, with how many objects bring the two together, and back.
    forward: FastMap<Key, BTreeMap<Key, u32>>,
    back: FastMap<Key, BTreeMap<Key, u32>>,
    by_object: FastMap<u32, Vec<Bridge>>,
}

#[derive(Debug, Default)]
pub(super) struct JoinIndex {
    keys: KeyTable,
    source: FastMap<u32, Vec<Keyed>>,
    target: FastMap<u32, Vec<Keyed>>,
    bridges: Option<Bridges>,
}

/// An object, and the element at hand, as templates see them.
pub(super) struct ObjectValues<'v> {
    pub(super) state: &'v State,
    pub(super) handle: Handle,
    pub(super) object: &'v Object,
    pub(super) item: Option<&'v Value>,
}

impl Values for ObjectValues<'_> {
    fn value(&self, path: &Path) -> Option<Cow<'_, Value>> {
        if path.head() == "item" {
            return path.walk(self.item?, 1).map(Cow::Borrowed);
        }
        attribute(self.state, self.handle, self.object, path, 0)
    }
}

/// The value of an object's attribute, named by the step at `skip`, and what further steps lead to in it.
pub(super) fn attribute<'v>(
    state: &'v State,
    handle: Handle,
    object: &'v Object,
    path: &Path,
    skip: usize,
) -> Option<Cow<'v, Value>> {
    let name = path.steps().get(skip)?;
    match state.value(handle, object, name)? {
        Cow::Borrowed(value) => path.walk(value, skip + 1).map(Cow::Borrowed),
        Cow::Owned(value) if path.steps().len() == skip + 1 => Some(Cow::Owned(value)),
        Cow::Owned(value) => path.walk(&value, skip + 1).cloned().map(Cow::Owned),
    }
}

/// The elements of a list or map, in order.
pub(super) fn elements(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Calls `each` with the keys of an object and the elements they are of.
fn keys(
    rule: &KeyRule,
    state: &State,
    handle: Handle,
    object: &Object,
    each: &mut impl FnMut(&str, Item),
) {
    let mut of = |item: Option<&Value>, at: Item| {
        let values = ObjectValues {
            state,
            handle,
            object,
            item,
        };
        rule.key.keys(&values, |key| each(key, at));
    };
    match &rule.each {
        None => of(None, None),
        Some(path) => {
            let list = attribute(state, handle, object, path, 0);
            let items = list.iter().flat_map(|list| elements(list)).enumerate();
            items.for_each(|(at, item)| of(Some(item), Some(at as u32)));
        }
    }
}

impl KeyTable {
    fn number(&mut self, text: &str) -> Key {
        if let Some(key) = self.numbers.get(text) {
            return *key;
        }
        let text: Arc<str> = text.into();
        let holders = Holders {
            text: Some(text.clone()),
            sources: Vec::new(),
            targets: Vec::new(),
            bridges: 0,
        };
        let key = match self.free.pop() {
            Some(key) => {
                self.holders[key as usize] = holders;
                key
            }
            None => {
                self.holders.push(holders);
                // As many keys as a u32 can number do not fit into memory.
                (self.holders.len() - 1) as Key
            }
        };
        self.numbers.insert(text, key);
        key
    }

    fn at(&self, end: End, key: Key) -> &[u32] {
        let holders = &self.holders[key as usize];
        match end {
            End::Source => &holders.sources,
            End::Target => &holders.targets,
        }
    }

    fn at_mut(&mut self, end: End, key: Key) -> &mut Vec<u32> {
        let holders = &mut self.holders[key as usize];
        match end {
            End::Source => &mut holders.sources,
            End::Target => &mut holders.targets,
        }
    }

    fn bridged(&mut self, (source, target): Bridge, by: i32) {
        for key in [source, target] {
            let count = &mut self.holders[key as usize].bridges;
            *count = count.saturating_add_signed(by);
        }
    }

    /// Forgets those of these keys that nobody has any more.
    fn release(&mut self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            let holders = &mut self.holders[key as usize];
            let unused =
                holders.sources.is_empty() && holders.targets.is_empty() && holders.bridges == 0;
            if unused && let Some(text) = holders.text.take() {
                self.numbers.remove(&text);
                self.free.push(key);
            }
        }
    }
}

impl Bridges {
    fn add(&mut self, (source, target): Bridge) {
        more(&mut self.forward, source, target);
        more(&mut self.back, target, source);
    }

    fn remove(&mut self, (source, target): Bridge) {
        less(&mut self.forward, source, target);
        less(&mut self.back, target, source);
    }

    /// Keys of the other end that a key is brought together with.
    fn across(&self, from: End, key: Key) -> impl Iterator<Item = Key> {
        let ends = match from {
            End::Source => self.forward.get(&key),
            End::Target => self.back.get(&key),
        };
        ends.into_iter().flat_map(BTreeMap::keys).copied()
    }
}

fn more(map: &mut FastMap<Key, BTreeMap<Key, u32>>, from: Key, to: Key) {
    *map.entry(from).or_default().entry(to).or_insert(0) += 1;
}

fn less(map: &mut FastMap<Key, BTreeMap<Key, u32>>, from: Key, to: Key) {
    let Some(ends) = map.get_mut(&from) else {
        return;
    };
    if let Some(count) = ends.get_mut(&to) {
        *count -= 1;
        if *count == 0 {
            ends.remove(&to);
        }
    }
    if ends.is_empty() {
        map.remove(&from);
    }
}

impl JoinIndex {
    /// Takes the keys of an object out and puts those it has now in; adds the pairs of both.
    pub(super) fn reindex(
        &mut self,
        rule: &LinkRule,
        join: &Join,
        state: &State,
        handle: Handle,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        for (end, keys, object_type) in [
            (End::Source, &join.source, &rule.source),
            (End::Target, &join.target, &rule.target),
        ] {
            let object = state
                .object(handle)
                .filter(|object| object.key.object_type == *object_type);
            self.reindex_end(end, keys, state, handle, object.map(|o| &**o), pairs);
        }
        if join.through.is_some() {
            self.reindex_bridges(join, state, handle, pairs);
        }
    }

    fn reindex_end(
        &mut self,
        end: End,
        rule: &KeyRule,
        state: &State,
        handle: Handle,
        object: Option<&Object>,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        let old = self
            .by_object_mut(end)
            .remove(&handle.0)
            .unwrap_or_default();
        for (key, _) in &old {
            let list = self.keys.at_mut(end, *key);
            if let Some(at) = list.iter().position(|h| *h == handle.0) {
                list.swap_remove(at);
            }
        }
        let mut new: Vec<Keyed> = Vec::new();
        if let Some(object) = object {
            keys(rule, state, handle, object, &mut |text, item| {
                let key = self.keys.number(text);
                self.keys.at_mut(end, key).push(handle.0);
                new.push((key, item));
            });
        }
        let mut all: Vec<Key> = old.iter().chain(&new).map(|(key, _)| *key).collect();
        all.sort_unstable();
        all.dedup();
        for key in &all {
            self.pairs_by(end, *key, handle, pairs);
        }
        self.keys.release(old.into_iter().map(|(key, _)| key));
        if !new.is_empty() {
            self.by_object_mut(end).insert(handle.0, new);
        }
    }

    fn reindex_bridges(
        &mut self,
        join: &Join,
        state: &State,
        handle: Handle,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        let Some(through) = &join.through else {
            return;
        };
        let mut new: Vec<Bridge> = Vec::new();
        if let Some(object) = state.object(handle)
            && object.key.object_type == through.object_type
        {
            let values = ObjectValues {
                state,
                handle,
                object,
                item: None,
            };
            let (mut sources, mut targets) = (Vec::new(), Vec::new());
            let numbers = &mut self.keys;
            through
                .source
                .keys(&values, |key| sources.push(numbers.number(key)));
            through
                .target
                .keys(&values, |key| targets.push(numbers.number(key)));
            let across = |source| targets.iter().map(move |target| (source, *target));
            new.extend(sources.iter().flat_map(|source| across(*source)));
            if new.is_empty() {
                numbers.release(sources.into_iter().chain(targets));
            }
        }
        let bridges = self.bridges.get_or_insert_default();
        let old = bridges.by_object.remove(&handle.0).unwrap_or_default();
        for bridge in &new {
            self.keys.bridged(*bridge, 1);
            bridges.add(*bridge);
        }
        for bridge in &old {
            self.keys.bridged(*bridge, -1);
            bridges.remove(*bridge);
        }
        for (source, target) in old.iter().chain(&new) {
            for s in self.keys.at(End::Source, *source) {
                let targets = self.keys.at(End::Target, *target);
                pairs.extend(targets.iter().map(|t| (*s, *t)));
            }
        }
        if !new.is_empty() {
            bridges.by_object.insert(handle.0, new);
        }
        self.keys.release(
            old.into_iter()
                .flat_map(|(source, target)| [source, target]),
        );
    }

    fn by_object(&self, end: End) -> &FastMap<u32, Vec<Keyed>> {
        match end {
            End::Source => &self.source,
            End::Target => &self.target,
        }
    }

    fn by_object_mut(&mut self, end: End) -> &mut FastMap<u32, Vec<Keyed>> {
        match end {
            End::Source => &mut self.source,
            End::Target => &mut self.target,
        }
    }

    /// The pairs `handle` is in because it has, or had, a key at one end.
    fn pairs_by(&self, end: End, key: Key, handle: Handle, pairs: &mut Vec<(u32, u32)>) {
        let mut with = |others: &[u32]| match end {
            End::Source => pairs.extend(others.iter().map(|other| (handle.0, *other))),
            End::Target => pairs.extend(others.iter().map(|other| (*other, handle.0))),
        };
        let other = match end {
            End::Source => End::Target,
            End::Target => End::Source,
        };
        match &self.bridges {
            None => with(self.keys.at(other, key)),
            Some(bridges) => bridges
                .across(end, key)
                .for_each(|key| with(self.keys.at(other, key))),
        }
    }

    /// All pairs an object is in by its present keys.
    pub(super) fn pairs_of(&self, handle: Handle, pairs: &mut Vec<(u32, u32)>) {
        for end in [End::Source, End::Target] {
            let keys = self.by_object(end).get(&handle.0);
            for (key, _) in keys.into_iter().flatten() {
                self.pairs_by(end, *key, handle, pairs);
            }
        }
    }

    /// The elements by which a pair is brought together, in order: of the source, of the target.
    pub(super) fn bindings(&self, source: u32, target: u32) -> Vec<(Item, Item)> {
        let mut out = Vec::new();
        let theirs = self.target.get(&target).map_or(&[][..], Vec::as_slice);
        for (key, item) in self.source.get(&source).into_iter().flatten() {
            let ends = match &self.bridges {
                None => None,
                Some(bridges) => match bridges.forward.get(key) {
                    Some(ends) => Some(ends),
                    None => continue,
                },
            };
            for (other, other_item) in theirs {
                if ends.map_or(key == other, |ends| ends.contains_key(other)) {
                    out.push((*item, *other_item));
                }
            }
        }
        out.sort_unstable();
        out
    }
}
