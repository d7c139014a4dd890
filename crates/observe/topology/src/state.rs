//! One state of the map: objects, links, and the indexes that find them. Cloning is cheap; clones share what does not change.
//!
//! Everything that changes a state goes through the few functions here, which keep its indexes true.

use crate::declare::{Declarations, StampRule};
use crate::link::Link;
use crate::object::{Handle, Object, ObjectRef};
use crate::search::Search;
use crate::table::Table;
use crate::{LinkKey, LinkType, ObjectType, SourceKind, Status};
use foldhash::fast::FixedState;
use imbl::shared_ptr::DefaultSharedPtr;
use jiff::Timestamp;
use roaring::RoaringBitmap;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A persistent hash map with a fixed hash, so that a run can be repeated.
pub(crate) type PMap<K, V> = imbl::GenericHashMap<K, V, FixedState, DefaultSharedPtr>;

/// Links at one object, by handle, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Adjacent {
    pub(crate) out: Vec<u32>,
    pub(crate) into: Vec<u32>,
}

/// When a kind of source last vouched for a whole object, or last repeated what it says of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    pub(crate) kind: SourceKind,
    /// `None`: the whole object.
    pub(crate) attribute: Option<Arc<str>>,
    pub(crate) at: Timestamp,
}

/// The last word of each kind of source on one object. They stand beside the object, which repeating them does not change.
pub(crate) type Seen = Arc<Vec<Word>>;

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) objects: Table<Arc<Object>>,
    pub(crate) seen: Table<Seen>,
    pub(crate) status: Table<Arc<Status>>,
    pub(crate) links: Table<Arc<Link>>,
    pub(crate) link_status: PMap<LinkKey, Arc<Status>>,
    pub(crate) adjacent: Table<Arc<Adjacent>>,
    pub(crate) by_key: PMap<ObjectRef, u32>,
    /// By what objects say their parent is, known or not; `None` is the environment.
    pub(crate) by_parent: PMap<Option<ObjectRef>, Arc<RoaringBitmap>>,
    pub(crate) by_type: PMap<ObjectType, Arc<RoaringBitmap>>,
    pub(crate) link_types: PMap<LinkType, usize>,
    /// When objects were said to be gone, so that late news does not bring them back.
    pub(crate) tombs: PMap<ObjectRef, Timestamp>,
    pub(crate) search: Search,
    pub(crate) next_object: u32,
    pub(crate) next_link: u32,
    pub(crate) free_objects: imbl::OrdSet<u32>,
    pub(crate) free_links: imbl::OrdSet<u32>,
}

impl State {
    pub(crate) fn new(declarations: Arc<Declarations>) -> Self {
        Self {
            declarations,
            objects: Table::default(),
            seen: Table::default(),
            status: Table::default(),
            links: Table::default(),
            link_status: PMap::default(),
            adjacent: Table::default(),
            by_key: PMap::default(),
            by_parent: PMap::default(),
            by_type: PMap::default(),
            link_types: PMap::default(),
            tombs: PMap::default(),
            search: Search::default(),
            next_object: 0,
            next_link: 0,
            free_objects: imbl::OrdSet::new(),
            free_links: imbl::OrdSet::new(),
        }
    }

    /// The same objects, with no links yet.
    pub(crate) fn without_links(&self) -> Self {
        Self {
            links: Table::default(),
            adjacent: Table::default(),
            link_types: PMap::default(),
            free_links: imbl::OrdSet::new(),
            next_link: 0,
            ..self.clone()
        }
    }

    pub(crate) fn object(&self, handle: Handle) -> Option<&Arc<Object>> {
        self.objects.get(handle.0)
    }

    pub(crate) fn find(&self, key: &ObjectRef) -> Option<Handle> {
        self.by_key.get(key).copied().map(Handle)
    }

    pub(crate) fn children(&self, parent: Option<&ObjectRef>) -> impl Iterator<Item = Handle> {
        let set = match parent {
            Some(parent) => self.by_parent.get(&Some(parent.clone())),
            None => self.by_parent.get(&None),
        };
        set.into_iter().flat_map(|set| set.iter()).map(Handle)
    }

    pub(crate) fn of_type(&self, object_type: &ObjectType) -> impl Iterator<Item = Handle> {
        let set = self.by_type.get(object_type);
        set.into_iter().flat_map(|set| set.iter()).map(Handle)
    }

    /// Puts `object` at its handle, or at a new one. Returns the handle.
    pub(crate) fn put(&mut self, object: Object) -> Handle {
        let handle = match self.by_key.get(&object.key) {
            Some(handle) => *handle,
            None => {
                let handle = self.free_objects.remove_min().unwrap_or_else(|| {
                    self.next_object += 1;
                    self.next_object - 1
                });
                self.by_key.insert(object.key.clone(), handle);
                include(&mut self.by_type, object.key.object_type.clone(), handle);
                handle
            }
        };
        let parent = object.parent.clone();
        let old = self.objects.set(handle, Some(Arc::new(object)));
        if let Some(old) = &old {
            if old.parent == parent {
                return Handle(handle);
            }
            exclude(&mut self.by_parent, &old.parent, handle);
        }
        include(&mut self.by_parent, parent, handle);
        Handle(handle)
    }

    /// Puts an object at a handle of the caller's choice, as a record says.
    pub(crate) fn put_at(&mut self, handle: Handle, object: Arc<Object>) {
        if self.object(handle).is_some_and(|old| old.key != object.key) {
            self.take(handle);
        }
        if let Some(other) = self.find(&object.key).filter(|other| *other != handle) {
            self.take(other);
        }
        self.claim_object(handle.0);
        if self.by_key.insert(object.key.clone(), handle.0).is_none() {
            include(&mut self.by_type, object.key.object_type.clone(), handle.0);
        }
        let parent = object.parent.clone();
        if let Some(old) = self.objects.set(handle.0, Some(object)) {
            exclude(&mut self.by_parent, &old.parent, handle.0);
        }
        include(&mut self.by_parent, parent, handle.0);
    }

    fn claim_object(&mut self, handle: u32) {
        while self.next_object <= handle {
            self.free_objects.insert(self.next_object);
            self.next_object += 1;
        }
        self.free_objects.remove(&handle);
    }

    /// Takes an object out. Its links stay until they are derived anew, so its handle must not be given to another before that.
    pub(crate) fn take(&mut self, handle: Handle) -> Option<Arc<Object>> {
        let object = self.objects.set(handle.0, None)?;
        self.by_key.remove(&object.key);
        exclude(&mut self.by_parent, &object.parent, handle.0);
        exclude(&mut self.by_type, &object.key.object_type, handle.0);
        self.seen.set(handle.0, None);
        self.status.set(handle.0, None);
        Some(object)
    }

    /// The last words on an object.
    pub(crate) fn words(&self, handle: Handle) -> &[Word] {
        self.seen.get(handle.0).map_or(&[], |seen| seen.as_slice())
    }

    /// Remembers a word that is newer than the one before it; false if it is not.
    pub(crate) fn remember(&mut self, handle: Handle, word: Word) -> bool {
        let mut seen = self.seen.get(handle.0).cloned().unwrap_or_default();
        let same = |other: &Word| other.kind == word.kind && other.attribute == word.attribute;
        match seen.iter().position(same) {
            Some(place) if seen[place].at >= word.at => return false,
            Some(place) => Arc::make_mut(&mut seen)[place].at = word.at,
            None => Arc::make_mut(&mut seen).push(word),
        }
        self.seen.set(handle.0, Some(seen));
        true
    }

    pub(crate) fn link_key(&self, link: &Link) -> Option<LinkKey> {
        Some(LinkKey {
            link_type: link.link_type.clone(),
            source: self.object(link.source)?.key.clone(),
            target: self.object(link.target)?.key.clone(),
            distinct: link.distinct.clone(),
        })
    }

    pub(crate) fn put_link(&mut self, link: Link) -> u32 {
        let slot = self.free_links.remove_min().unwrap_or_else(|| {
            self.next_link += 1;
            self.next_link - 1
        });
        self.link_in(slot, link);
        slot
    }

    fn link_in(&mut self, slot: u32, link: Link) {
        self.adjacency(link.source, |adjacent| insert(&mut adjacent.out, slot));
        self.adjacency(link.target, |adjacent| insert(&mut adjacent.into, slot));
        *self.link_types.entry(link.link_type.clone()).or_insert(0) += 1;
        self.links.set(slot, Some(Arc::new(link)));
    }

    /// Puts a link at a slot of the caller's choice, as a record says.
    pub(crate) fn put_link_at(&mut self, slot: u32, link: Link) {
        self.take_link(slot);
        while self.next_link <= slot {
            self.free_links.insert(self.next_link);
            self.next_link += 1;
        }
        self.free_links.remove(&slot);
        self.link_in(slot, link);
    }

    pub(crate) fn take_link(&mut self, slot: u32) -> Option<Arc<Link>> {
        let link = self.links.set(slot, None)?;
        self.adjacency(link.source, |adjacent| remove(&mut adjacent.out, slot));
        self.adjacency(link.target, |adjacent| remove(&mut adjacent.into, slot));
        if let Some(count) = self.link_types.get_mut(&link.link_type) {
            *count -= 1;
            if *count == 0 {
                self.link_types.remove(&link.link_type);
            }
        }
        self.free_links.insert(slot);
        Some(link)
    }

    fn adjacency(&mut self, handle: Handle, change: impl FnOnce(&mut Adjacent)) {
        let mut adjacent = self.adjacent.set(handle.0, None).unwrap_or_default();
        change(Arc::make_mut(&mut adjacent));
        let empty = adjacent.out.is_empty() && adjacent.into.is_empty();
        self.adjacent.set(handle.0, (!empty).then_some(adjacent));
    }

    /// Links at an object: leaving it first, then arriving.
    pub(crate) fn links_at(&self, handle: Handle) -> impl Iterator<Item = (u32, &Arc<Link>)> {
        self.outgoing(handle).chain(self.incoming(handle))
    }

    pub(crate) fn outgoing(&self, handle: Handle) -> impl Iterator<Item = (u32, &Arc<Link>)> {
        let adjacent = self.adjacent.get(handle.0);
        adjacent
            .into_iter()
            .flat_map(|adjacent| &adjacent.out)
            .filter_map(|slot| Some((*slot, self.links.get(*slot)?)))
    }

    pub(crate) fn incoming(&self, handle: Handle) -> impl Iterator<Item = (u32, &Arc<Link>)> {
        let adjacent = self.adjacent.get(handle.0);
        adjacent
            .into_iter()
            .flat_map(|adjacent| &adjacent.into)
            .filter_map(|slot| Some((*slot, self.links.get(*slot)?)))
    }

    /// What a declaration reads as an attribute: the object's own, what every object has, or what its links stamp on it.
    pub(crate) fn value<'s>(
        &'s self,
        handle: Handle,
        object: &'s Object,
        name: &str,
    ) -> Option<Cow<'s, Value>> {
        let text = |text: &str| Some(Cow::Owned(Value::String(text.to_owned())));
        match name {
            "id" => text(object.key.id.as_str()),
            "name" => text(object.name()),
            "type" => text(object.key.object_type.as_str()),
            "parent" => text(object.parent.as_ref()?.id.as_str()),
            "parent_type" => text(object.parent.as_ref()?.object_type.as_str()),
            _ => match object.get(name) {
                Some(value) => Some(Cow::Borrowed(value)),
                None => {
                    let rule = self.declarations.stamp(&object.key.object_type, name)?;
                    self.stamped(handle, rule).map(Cow::Borrowed)
                }
            },
        }
    }

    fn stamped(&self, handle: Handle, rule: &StampRule) -> Option<&Value> {
        let mut values = self
            .links_at(handle)
            .filter(|(_, link)| link.link_type == rule.link)
            .filter_map(|(_, link)| link.attributes.get(rule.value.as_ref()));
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    /// An object and what it sits under, from the inside out; ends at the environment, at an unknown parent, or where a circle closes.
    pub(crate) fn ancestry(&self, handle: Handle) -> Vec<Handle> {
        let mut out = vec![handle];
        let mut at = handle;
        while let Some(parent) = self
            .object(at)
            .and_then(|object| object.parent.as_ref())
            .and_then(|parent| self.find(parent))
        {
            if out.contains(&parent) {
                break;
            }
            out.push(parent);
            at = parent;
        }
        out
    }

    /// Everything below an object, itself excluded, parents before children.
    pub(crate) fn below(&self, handle: Handle) -> Vec<Handle> {
        let mut out = Vec::new();
        let mut next = vec![handle];
        while let Some(at) = next.pop() {
            if let Some(object) = self.object(at) {
                for child in self.children(Some(&object.key)) {
                    out.push(child);
                    next.push(child);
                }
            }
        }
        out
    }
}

fn include<K: std::hash::Hash + Eq + Clone>(
    map: &mut PMap<K, Arc<RoaringBitmap>>,
    key: K,
    handle: u32,
) {
    Arc::make_mut(map.entry(key).or_default()).insert(handle);
}

fn exclude<K: std::hash::Hash + Eq + Clone>(
    map: &mut PMap<K, Arc<RoaringBitmap>>,
    key: &K,
    handle: u32,
) {
    if let Some(set) = map.get_mut(key) {
        Arc::make_mut(set).remove(handle);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

fn insert(list: &mut Vec<u32>, slot: u32) {
    if let Err(at) = list.binary_search(&slot) {
        list.insert(at, slot);
    }
}

fn remove(list: &mut Vec<u32>, slot: u32) {
    if let Ok(at) = list.binary_search(&slot) {
        list.remove(at);
    }
}
