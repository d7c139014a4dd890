//! Takes readings into a state: whose word counts, what is gone, what is stale. All of a batch or nothing.
//!
//! The rules in short. Of sources of one rank the newest is believed; of different ranks the first; what the others say is kept beside it.
//! Newest is by when a source last said so, not by when it began to; saying it again changes no object. A draft older than a whole account of
//! the same kind of source says nothing new. An object in the scope of a complete reading that nobody names
//! is gone, with what is below it, unless it was seen later; in an incomplete one it is stale. What was deleted stays deleted for older
//! news. Links are not touched here.

mod claims;
mod guard;

use crate::object::{Handle, Object, ObjectRef, Origin, PARENT, Stale};
use crate::state::{State, Word};
use crate::{
    Coverage, Draft, Environment, Extent, ObjectKey, ObjectType, Reading, Scope, SourceKind,
    TopologyError,
};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Deletions are remembered for this long (by the clock of the readings), and at most this many.
const TOMB_HOURS: i64 = 24;
const MAX_TOMBS: usize = 200_000;

/// What a batch did to the objects: each touched handle with what stood there before.
pub(crate) struct Merged {
    pub(crate) state: State,
    pub(crate) touched: BTreeMap<u32, Option<Arc<Object>>>,
    pub(crate) buried: Vec<(ObjectRef, Timestamp)>,
    /// A whole object was seen or one was buried, which no object shows.
    pub(crate) news: bool,
    /// Late or partial drafts that said nothing the map could use.
    pub(crate) ignored: usize,
}

struct Merge<'m> {
    state: State,
    names: &'m mut HashSet<Arc<str>>,
    origins: HashMap<(SourceKind, Arc<str>), Arc<Origin>>,
    touched: BTreeMap<u32, Option<Arc<Object>>>,
    buried: Vec<(ObjectRef, Timestamp)>,
    freed: Vec<Handle>,
    news: bool,
    ignored: usize,
}

/// `names` keeps one copy of each attribute name.
pub(crate) fn merge(
    state: &State,
    environment: &Environment,
    names: &mut HashSet<Arc<str>>,
    readings: &[Reading],
) -> Result<Merged, TopologyError> {
    guard::check(state, environment, readings)?;
    let mut merge = Merge {
        state: state.clone(),
        names,
        origins: HashMap::new(),
        touched: BTreeMap::new(),
        buried: Vec::new(),
        freed: Vec::new(),
        news: false,
        ignored: 0,
    };
    let mut named: HashSet<ObjectRef> = HashSet::new();
    let parts = parts(readings);
    for reading in readings {
        let origin = merge.origin(reading);
        for draft in &reading.drafts {
            named.insert(ObjectRef::from(&draft.key));
            let parts = parts.get(&(&draft.key, &reading.source.kind));
            let parts = parts.map_or(&[][..], Vec::as_slice);
            merge.draft(draft, parts, &origin, reading.source.read_at);
        }
    }
    for reading in readings {
        merge.scope(reading, &named);
        for key in &reading.gone {
            merge.gone(&ObjectRef::from(key), reading.source.read_at);
        }
    }
    guard::circles(&merge.state, merge.touched.keys().copied())?;
    merge.forget_old_tombs(readings);
    Ok(merge.finish())
}

type Parts<'r> = HashMap<(&'r ObjectKey, &'r SourceKind), Vec<(Timestamp, &'r Draft)>>;

/// What each kind of source says of objects by the way, with the time of it.
fn parts(readings: &[Reading]) -> Parts<'_> {
    let mut out = Parts::new();
    for reading in readings {
        let parts = reading.drafts.iter().filter(|d| d.extent == Extent::Part);
        for part in parts {
            let key = (&part.key, &reading.source.kind);
            let all = out.entry(key).or_default();
            all.push((reading.source.read_at, part));
        }
    }
    out
}

impl Merge<'_> {
    fn finish(mut self) -> Merged {
        // A handle is freed only now, so that none changes its object within a batch.
        for handle in self.freed.drain(..) {
            if self.state.object(handle).is_none() {
                self.state.free_objects.insert(handle.0);
            }
        }
        let state = &self.state;
        self.touched.retain(|handle, before| {
            before.as_deref() != state.object(Handle(*handle)).map(|after| &**after)
        });
        Merged {
            state: self.state,
            touched: self.touched,
            news: self.news || !self.buried.is_empty(),
            buried: self.buried,
            ignored: self.ignored,
        }
    }

    fn origin(&mut self, reading: &Reading) -> Arc<Origin> {
        let key = (reading.source.kind.clone(), reading.source.detail.clone());
        let fresh = || {
            Arc::new(Origin {
                kind: reading.source.kind.clone(),
                detail: reading.source.detail.clone(),
            })
        };
        self.origins.entry(key).or_insert_with(fresh).clone()
    }

    fn touch(&mut self, handle: Handle, before: Option<&Arc<Object>>) {
        self.touched
            .entry(handle.0)
            .or_insert_with(|| before.cloned());
    }

    fn draft(
        &mut self,
        draft: &Draft,
        parts: &[(Timestamp, &Draft)],
        origin: &Arc<Origin>,
        at: Timestamp,
    ) {
        let key = self.shared(ObjectRef::from(&draft.key));
        if self.state.tombs.get(&key).is_some_and(|gone| *gone >= at) {
            self.ignored += 1;
            return;
        }
        let handle = self.state.find(&key);
        let before = handle.and_then(|handle| self.state.object(handle)).cloned();
        let outdated = handle.is_some_and(|handle| self.outdated(handle, &origin.kind, at));
        self.ignored += usize::from(outdated);
        let mut object = match (&before, draft.extent) {
            (Some(before), _) => Object::clone(before),
            (None, Extent::Part) => {
                self.ignored += 1;
                return;
            }
            (None, Extent::Whole) => Object {
                key: key.clone(),
                parent: None,
                all: Vec::with_capacity(draft.attributes.len() + 2),
                stale: None,
            },
        };
        let mut speaker = claims::Speaker {
            origin,
            at,
            declarations: &self.state.declarations,
            outdated,
            parts,
            words: handle.map_or(&[], |handle| self.state.words(handle)),
            names: self.names,
        };
        let repeated = speaker.state(&mut object, draft);
        let parent = object.get(PARENT).and_then(Value::as_str);
        let parent = parent.and_then(ObjectRef::parse);
        object.parent = parent.map(|parent| self.shared(parent));
        if object.stale.as_ref().is_some_and(|stale| stale.since <= at) {
            object.stale = None;
        }
        if before.as_deref() == Some(&object) {
            if let Some(handle) = handle {
                self.heard(handle, draft.extent, &origin.kind, at, repeated);
            }
            return;
        }
        self.state.tombs.remove(&key);
        let handle = self.state.put(object);
        self.touch(handle, before.as_ref());
        self.heard(handle, draft.extent, &origin.kind, at, repeated);
    }

    /// The same name, in texts that objects share where one has it already.
    fn shared(&self, key: ObjectRef) -> ObjectRef {
        let known = self.state.by_key.get_key_value(&key);
        if let Some((known, _)) = known {
            return known.clone();
        }
        match self.state.declarations.object_type(&key.object_type) {
            Some(rule) => ObjectRef {
                object_type: rule.name.clone(),
                id: key.id,
            },
            None => key,
        }
    }

    /// Has this kind of source given a newer account of the whole object?
    fn outdated(&self, handle: Handle, kind: &SourceKind, at: Timestamp) -> bool {
        let mut words = self.state.words(handle).iter();
        words.any(|word| word.attribute.is_none() && word.kind == *kind && word.at > at)
    }

    /// Remembers when it was said. An account of the whole object stands for all its attributes.
    fn heard(
        &mut self,
        handle: Handle,
        extent: Extent,
        kind: &SourceKind,
        at: Timestamp,
        repeated: Vec<Arc<str>>,
    ) {
        let word = |attribute| Word {
            kind: kind.clone(),
            attribute,
            at,
        };
        match extent {
            Extent::Whole => self.news |= self.state.remember(handle, word(None)),
            Extent::Part => {
                for attribute in repeated {
                    self.state.remember(handle, word(Some(attribute)));
                }
            }
        }
    }

    fn scope(&mut self, reading: &Reading, named: &HashSet<ObjectRef>) {
        let Scope::All { types, within } = &reading.scope else {
            return;
        };
        let at = reading.source.read_at;
        for handle in self.in_scope(types, within.as_ref().map(ObjectRef::from).as_ref()) {
            let Some(object) = self.state.object(handle).cloned() else {
                continue;
            };
            if named.contains(&object.key) || self.last_news(handle, &object) > at {
                continue;
            }
            match &reading.coverage {
                Coverage::Complete => self.gone(&object.key, at),
                Coverage::Incomplete { reason } => {
                    if object.stale.is_none() {
                        let mut stale = Object::clone(&object);
                        stale.stale = Some(Stale {
                            since: at,
                            reason: reason.clone(),
                        });
                        self.state.put(stale);
                        self.touch(handle, Some(&object));
                    }
                }
            }
        }
    }

    fn in_scope(&self, types: &[ObjectType], within: Option<&ObjectRef>) -> Vec<Handle> {
        match within {
            None => types.iter().flat_map(|t| self.state.of_type(t)).collect(),
            Some(top) => {
                let Some(top) = self.state.find(top) else {
                    return Vec::new();
                };
                let mut below = self.state.below(top);
                below.retain(|handle| {
                    self.state
                        .object(*handle)
                        .is_some_and(|object| types.contains(&object.key.object_type))
                });
                below
            }
        }
    }

    /// When anything was last said of the object.
    fn last_news(&self, handle: Handle, object: &Object) -> Timestamp {
        let words = self.state.words(handle).iter().map(|word| word.at);
        let claimed = object
            .all
            .iter()
            .flat_map(|a| std::iter::once(&a.believed).chain(&a.others))
            .map(|claim| claim.at);
        words.chain(claimed).max().unwrap_or(Timestamp::MIN)
    }

    /// Takes an object and what is below it out, if nothing newer is known of it.
    fn gone(&mut self, key: &ObjectRef, at: Timestamp) {
        let Some(handle) = self.state.find(key) else {
            self.bury(key, at);
            return;
        };
        let newer = self
            .state
            .object(handle)
            .is_some_and(|object| self.last_news(handle, object) > at);
        if newer {
            self.ignored += 1;
            return;
        }
        for below in self.state.below(handle) {
            let newer = self
                .state
                .object(below)
                .is_none_or(|object| self.last_news(below, object) > at);
            if !newer {
                self.remove(below, at);
            }
        }
        self.remove(handle, at);
    }

    fn remove(&mut self, handle: Handle, at: Timestamp) {
        let Some(object) = self.state.take(handle) else {
            return;
        };
        self.touch(handle, Some(&object));
        self.freed.push(handle);
        self.bury(&object.key, at);
    }

    fn bury(&mut self, key: &ObjectRef, at: Timestamp) {
        let tomb = self.state.tombs.entry(key.clone()).or_insert(at);
        *tomb = (*tomb).max(at);
        self.buried.push((key.clone(), at));
    }

    fn forget_old_tombs(&mut self, readings: &[Reading]) {
        // Walking all tombs is left to the rare batch that finds too many.
        if self.state.tombs.len() <= MAX_TOMBS {
            return;
        }
        let Some(newest) = readings.iter().map(|r| r.source.read_at).max() else {
            return;
        };
        let oldest = newest
            .checked_sub(TOMB_HOURS.hours())
            .unwrap_or(Timestamp::MIN);
        let mut kept: Vec<(ObjectRef, Timestamp)> = self
            .state
            .tombs
            .iter()
            .filter(|(_, at)| **at >= oldest)
            .map(|(key, at)| (key.clone(), *at))
            .collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(MAX_TOMBS / 2);
        self.state.tombs = kept.into_iter().collect();
    }
}
