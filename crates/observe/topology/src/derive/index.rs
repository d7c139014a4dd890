//! The keys of one join: which objects have which, on either side, and what third objects bring together.

use super::FastMap;
use crate::ObjectType;
use crate::declare::{Join, KeyRule, LinkRule};
use crate::object::{Handle, Object};
use crate::state::State;
use crate::template::{Path, Values};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Place of an element in an object's list or map; `None` is the object itself.
pub(super) type Item = Option<u32>;

/// An object's key, and the element it is of.
pub(super) type Keyed = (Arc<str>, Item);

/// A source key and a target key that an object brings together.
type Bridge = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct Side {
    /// Objects with a key, once for each element that has it.
    pub(super) by_key: FastMap<Arc<str>, Vec<u32>>,
    pub(super) by_object: FastMap<u32, Vec<Keyed>>,
}

#[derive(Debug, Default)]
pub(super) struct Bridges {
    /// From source keys to target keys, with how many objects bring the two together, and back.
    pub(super) forward: FastMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    back: FastMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    by_object: FastMap<u32, Vec<Bridge>>,
}

#[derive(Debug, Default)]
pub(super) struct JoinIndex {
    pub(super) source: Side,
    pub(super) target: Side,
    pub(super) bridges: Option<Bridges>,
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

fn keys(rule: &KeyRule, state: &State, handle: Handle, object: &Object) -> Vec<Keyed> {
    let of = |item: Option<&Value>, at: Item| {
        let values = ObjectValues {
            state,
            handle,
            object,
            item,
        };
        let keys = rule.key.keys(&values);
        keys.into_iter().map(move |key| (Arc::from(key), at))
    };
    match &rule.each {
        None => of(None, None).collect(),
        Some(each) => {
            let Some(list) = attribute(state, handle, object, each, 0) else {
                return Vec::new();
            };
            let list: &Value = &list;
            elements(list)
                .enumerate()
                .flat_map(|(at, item)| of(Some(item), Some(at as u32)))
                .collect()
        }
    }
}

impl Side {
    /// Replaces an object's keys; returns all it had or has.
    fn set(&mut self, handle: u32, keys: Vec<Keyed>) -> BTreeSet<Arc<str>> {
        let mut all = BTreeSet::new();
        for (key, _) in self.by_object.remove(&handle).into_iter().flatten() {
            if let Some(list) = self.by_key.get_mut(&key) {
                if let Some(at) = list.iter().position(|h| *h == handle) {
                    list.swap_remove(at);
                }
                if list.is_empty() {
                    self.by_key.remove(&key);
                }
            }
            all.insert(key);
        }
        for (key, _) in &keys {
            self.by_key.entry(key.clone()).or_default().push(handle);
            all.insert(key.clone());
        }
        if !keys.is_empty() {
            self.by_object.insert(handle, keys);
        }
        all
    }

    fn with(&self, key: &str) -> impl Iterator<Item = u32> {
        self.by_key.get(key).into_iter().flatten().copied()
    }
}

impl Bridges {
    /// Replaces what an object brings together; returns all it did or does.
    fn set(&mut self, handle: u32, pairs: Vec<Bridge>) -> Vec<Bridge> {
        let mut all = self.by_object.remove(&handle).unwrap_or_default();
        for (source, target) in &all {
            less(&mut self.forward, source, target);
            less(&mut self.back, target, source);
        }
        for (source, target) in &pairs {
            more(&mut self.forward, source, target);
            more(&mut self.back, target, source);
        }
        all.extend(pairs.iter().cloned());
        if !pairs.is_empty() {
            self.by_object.insert(handle, pairs);
        }
        all
    }
}

fn more(map: &mut FastMap<Arc<str>, BTreeMap<Arc<str>, u32>>, from: &Arc<str>, to: &Arc<str>) {
    let ends = map.entry(from.clone()).or_default();
    *ends.entry(to.clone()).or_insert(0) += 1;
}

fn less(map: &mut FastMap<Arc<str>, BTreeMap<Arc<str>, u32>>, from: &Arc<str>, to: &Arc<str>) {
    let Some(ends) = map.get_mut(from) else {
        return;
    };
    if let Some(count) = ends.get_mut(to) {
        *count -= 1;
        if *count == 0 {
            ends.remove(to);
        }
    }
    if ends.is_empty() {
        map.remove(from);
    }
}

impl JoinIndex {
    pub(super) fn reindex(
        &mut self,
        rule: &LinkRule,
        join: &Join,
        state: &State,
        handle: Handle,
        pairs: &mut Vec<(u32, u32)>,
    ) {
        let object = state.object(handle);
        let of_type = |t: &ObjectType| object.filter(|object| object.key.object_type == *t);
        let side = |end: &KeyRule, t: &ObjectType| {
            let object = of_type(t);
            object.map_or(Vec::new(), |object| keys(end, state, handle, object))
        };
        let source = side(&join.source, &rule.source);
        for key in self.source.set(handle.0, source) {
            self.targets_of(&key, |target| {
                pairs.push((handle.0, target));
            });
        }
        let target = side(&join.target, &rule.target);
        for key in self.target.set(handle.0, target) {
            self.sources_of(&key, |source| {
                pairs.push((source, handle.0));
            });
        }
        let Some(through) = &join.through else {
            return;
        };
        let mut bridged = Vec::new();
        if let Some(object) = of_type(&through.object_type) {
            let values = ObjectValues {
                state,
                handle,
                object,
                item: None,
            };
            for source in through.source.keys(&values) {
                for target in through.target.keys(&values) {
                    bridged.push((source.as_str().into(), target.into()));
                }
            }
        }
        let bridges = self.bridges.get_or_insert_default();
        for (source, target) in bridges.set(handle.0, bridged) {
            for s in self.source.with(&source) {
                pairs.extend(self.target.with(&target).map(|t| (s, t)));
            }
        }
    }

    fn targets_of(&self, key: &str, mut each: impl FnMut(u32)) {
        match &self.bridges {
            None => self.target.with(key).for_each(each),
            Some(bridges) => {
                for target in bridges
                    .forward
                    .get(key)
                    .into_iter()
                    .flat_map(BTreeMap::keys)
                {
                    self.target.with(target).for_each(&mut each);
                }
            }
        }
    }

    fn sources_of(&self, key: &str, mut each: impl FnMut(u32)) {
        match &self.bridges {
            None => self.source.with(key).for_each(each),
            Some(bridges) => {
                for source in bridges.back.get(key).into_iter().flat_map(BTreeMap::keys) {
                    self.source.with(source).for_each(&mut each);
                }
            }
        }
    }

    /// All pairs an object is in by its present keys.
    pub(super) fn pairs_of(&self, handle: Handle, pairs: &mut Vec<(u32, u32)>) {
        for (key, _) in self.source.by_object.get(&handle.0).into_iter().flatten() {
            self.targets_of(key, |target| {
                pairs.push((handle.0, target));
            });
        }
        for (key, _) in self.target.by_object.get(&handle.0).into_iter().flatten() {
            self.sources_of(key, |source| {
                pairs.push((source, handle.0));
            });
        }
    }

    /// The elements by which a pair is brought together, in order: of the source, of the target.
    pub(super) fn bindings(&self, source: u32, target: u32) -> Vec<(Item, Item)> {
        let mut out = Vec::new();
        let theirs = self.target.by_object.get(&target);
        for (key, item) in self.source.by_object.get(&source).into_iter().flatten() {
            for (other, other_item) in theirs.into_iter().flatten() {
                let joined = match &self.bridges {
                    None => key == other,
                    Some(bridges) => bridges
                        .forward
                        .get(key)
                        .is_some_and(|ends| ends.contains_key(other)),
                };
                if joined {
                    out.push((*item, *other_item));
                }
            }
        }
        out.sort_unstable();
        out
    }
}
