//! The map of one environment: takes in readings and check results, and makes versions.
//!
//! Each change is whole or not at all: an error leaves the map as it was. Each change returns the record that makes it again, which the
//! caller writes to disk before it shows the new version to anyone.

use crate::declare::Declarations;
use crate::derive::{Deriver, LinkChange};
use crate::health::{CheckResult, Status, Taken, Target};
use crate::history::{History, Retention};
use crate::merge::{Merged, merge};
use crate::object::{Handle, ObjectRef};
use crate::record::{Record, VersionRecord};
use crate::search::Search;
use crate::state::State;
use crate::version::{Cause, Profile, Version};
use crate::{Link, LinkKey, LinkType, Reading, TopologyError};
use foldhash::fast::FixedState;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Readings that become one version.
#[derive(Debug, Clone)]
pub struct Batch {
    pub cause: Cause,
    /// When it is taken in, by the caller's clock.
    pub at: Timestamp,
    pub readings: Vec<Reading>,
}

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<ObjectRef>,
    pub changed: Vec<ObjectRef>,
    pub removed: Vec<ObjectRef>,
    pub links_added: Vec<LinkKey>,
    pub links_changed: Vec<LinkKey>,
    pub links_removed: Vec<LinkKey>,
    /// Objects and links of which a check says something else than before.
    pub checked: Vec<Target>,
    /// Drafts and results that came too late, or told of what is not known.
    pub ignored: usize,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        let Self {
            added,
            changed,
            removed,
            links_added,
            links_changed,
            links_removed,
            checked,
            ignored: _,
        } = self;
        added.is_empty()
            && changed.is_empty()
            && removed.is_empty()
            && links_added.is_empty()
            && links_changed.is_empty()
            && links_removed.is_empty()
            && checked.is_empty()
    }
}

/// A change that was made.
#[derive(Debug, Clone)]
pub struct Committed {
    pub version: Arc<Version>,
    pub changes: Changes,
    /// To be written before the version is shown; `None` when nothing changed, and the version is the one before.
    pub record: Option<Record>,
}

/// See the module.
#[derive(Debug)]
pub struct Map {
    profile: Arc<Profile>,
    deriver: Deriver,
    names: HashSet<Arc<str>>,
    history: History,
    /// The state as the records tell it: facts that were said again stand in the last version, and are written with the next.
    recorded: State,
}

impl Map {
    /// An empty map; version 0.
    pub fn new(profile: Profile, declarations: Arc<Declarations>, at: Timestamp) -> Self {
        let profile = Arc::new(profile);
        let state = State::new(declarations);
        let deriver = Deriver::new(&state, profile.value());
        let recorded = state.clone();
        let start = Version::new(0, at, Cause::Start, profile.clone(), state);
        Self {
            profile,
            deriver,
            names: HashSet::new(),
            history: History::new(Arc::new(start)),
            recorded,
        }
    }

    /// A map whose last version is `history`'s last; the indexes are built anew from it.
    pub fn resume(profile: Arc<Profile>, history: History) -> Self {
        let head = history.head().clone();
        let deriver = Deriver::of(&head.state, profile.value());
        let mut names = HashSet::new();
        for (_, object) in head.state.objects.iter() {
            names.extend(object.all.iter().map(|attribute| attribute.name.clone()));
        }
        Self {
            profile,
            deriver,
            names,
            history,
            recorded: head.state.clone(),
        }
    }

    pub fn head(&self) -> &Arc<Version> {
        self.history.head()
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Takes readings in, as one version. A scan always makes a version, even when it found nothing new; events only when they said
    /// something new: that a whole object was seen, and what is gone, is remembered like any fact. That a part of an object was said
    /// again is no news; it is noted in the last version.
    ///
    /// # Errors
    /// Anything in the readings is refused: then nothing of them is taken in.
    pub fn apply(&mut self, batch: &Batch) -> Result<Committed, TopologyError> {
        let head = self.head().clone();
        let merged = merge(
            &head.state,
            &self.profile.name,
            &mut self.names,
            &batch.readings,
        )?;
        let Merged {
            mut state,
            touched,
            buried,
            news,
            ignored,
        } = merged;
        let links = self.deriver.derive(&mut state, &touched);
        let mut changes = Changes {
            ignored,
            ..Changes::default()
        };
        for (handle, before) in &touched {
            match (before, state.object(Handle(*handle))) {
                (None, Some(after)) => changes.added.push(after.key.clone()),
                (Some(_), Some(after)) => changes.changed.push(after.key.clone()),
                (Some(before), None) => changes.removed.push(before.key.clone()),
                (None, None) => {}
            }
        }
        note_links(&mut changes, &links);
        if changes.is_empty() && !news && batch.cause == Cause::Events {
            let version = Arc::new(head.heard_again(state));
            self.history.push(version.clone());
            return Ok(Committed {
                version,
                changes,
                record: None,
            });
        }
        Search::changed(&mut state, touched.keys().copied());
        Ok(self.commit(batch.at, batch.cause.clone(), state, changes, buried))
    }

    /// Takes check results and alerts in, as one version. A result for what is not on the map is counted as ignored. That a check says
    /// what it said before, in time, is no news; it is noted in the last version, and written with the next.
    pub fn check(&mut self, results: &[CheckResult], at: Timestamp) -> Committed {
        let head = self.head().clone();
        let mut state = head.state.clone();
        let mut changes = Changes::default();
        let mut checked = BTreeSet::new();
        let mut renewed = false;
        for result in results {
            match take_result(&mut state, &head, result, at) {
                Taken::Late => changes.ignored += 1,
                Taken::Renewed => renewed = true,
                Taken::Changed => drop(checked.insert(match &result.target {
                    Target::Object { object, .. } => Target::Object {
                        object: object.clone(),
                        part: None,
                    },
                    link @ Target::Link(_) => link.clone(),
                })),
            }
        }
        if checked.is_empty() {
            let version = match renewed {
                true => Arc::new(head.heard_again(state)),
                false => head,
            };
            self.history.push(version.clone());
            return Committed {
                version,
                changes,
                record: None,
            };
        }
        changes.checked = checked.into_iter().collect();
        self.commit(at, Cause::Checks, state, changes, Vec::new())
    }

    /// Names the present state. A pinned snapshot is kept for ever: the design, or the state before a change.
    ///
    /// # Errors
    /// The name is taken.
    pub fn snapshot(
        &mut self,
        name: &str,
        pinned: bool,
        at: Timestamp,
    ) -> Result<Committed, TopologyError> {
        if self.history.named(name).is_some() {
            return Err(TopologyError::VersionNameTaken(name.to_owned()));
        }
        let state = self.head().state.clone();
        let mut committed = self.commit(at, Cause::Snapshot, state, Changes::default(), Vec::new());
        self.history.label(committed.version.number, name, pinned);
        if let Some(Record::Version(record)) = &mut committed.record {
            record.label = Some((name.into(), pinned));
        }
        Ok(committed)
    }

    /// Goes on with other declarations: all links are derived anew.
    pub fn redeclare(&mut self, declarations: Arc<Declarations>, at: Timestamp) -> Committed {
        self.rederive(declarations, Cause::Declarations, at)
    }

    /// Goes on with other words for what the environment is, by which link rules and clique types are chosen: all links are derived anew.
    /// The name stays.
    pub fn reprofile(&mut self, profile: Profile, at: Timestamp) -> Committed {
        let name = self.profile.name.clone();
        self.profile = Arc::new(Profile { name, ..profile });
        let declarations = self.head().declarations().clone();
        self.rederive(declarations, Cause::Settings, at)
    }

    fn rederive(
        &mut self,
        declarations: Arc<Declarations>,
        cause: Cause,
        at: Timestamp,
    ) -> Committed {
        let head = self.head().clone();
        let mut state = head.state.without_links();
        state.declarations = declarations;
        self.deriver = Deriver::new(&state, self.profile.value());
        let touched = state
            .objects
            .iter()
            .map(|(handle, _)| (handle, None))
            .collect();
        let made = self.deriver.derive(&mut state, &touched);
        let links = link_difference(&head.state, &made);
        let kinds = |declarations: &Declarations| -> Vec<_> {
            let types = declarations.object_types();
            types
                .map(|rule| (rule.name.clone(), rule.attributes.clone()))
                .collect()
        };
        if kinds(&state.declarations) != kinds(head.declarations()) {
            let all: Vec<u32> = state.objects.iter().map(|(handle, _)| handle).collect();
            Search::changed(&mut state, all.into_iter());
        }
        let mut changes = Changes::default();
        note_links(&mut changes, &links);
        self.commit(at, cause, state, changes, Vec::new())
    }

    /// Forgets versions by policy; returns which.
    pub fn retain(&mut self, policy: &Retention, now: Timestamp) -> Vec<u64> {
        self.history.retain(policy, now)
    }

    /// Deletes a version by hand, pinned or not; the last one stays.
    ///
    /// # Errors
    /// There is no such version, or it is the last.
    pub fn forget(&mut self, number: u64) -> Result<(), TopologyError> {
        self.history.forget(number)
    }

    fn commit(
        &mut self,
        at: Timestamp,
        cause: Cause,
        state: State,
        changes: Changes,
        buried: Vec<(ObjectRef, Timestamp)>,
    ) -> Committed {
        let mut record = VersionRecord::between(&self.recorded, &state, buried);
        self.recorded = state.clone();
        let number = self.history.head().number + 1;
        let version = Version::new(number, at, cause.clone(), self.profile.clone(), state);
        let version = Arc::new(version);
        record.number = number;
        record.at = at;
        record.cause = cause;
        self.history.push(version.clone());
        Committed {
            version,
            changes,
            record: Some(Record::Version(Box::new(record))),
        }
    }
}

fn note_links(changes: &mut Changes, links: &[LinkChange]) {
    for change in links {
        let list = match (&change.before, &change.after) {
            (None, _) => &mut changes.links_added,
            (Some(_), Some(_)) => &mut changes.links_changed,
            (Some(_), None) => &mut changes.links_removed,
        };
        list.push(change.key.clone());
    }
}

/// What came, went and changed from the links of `before` to `made`, which are all links of the same objects.
fn link_difference(before: &State, made: &[LinkChange]) -> Vec<LinkChange> {
    fn identity(link: &Link) -> (&LinkType, Handle, Handle, Option<&str>) {
        let distinct = link.distinct.as_deref();
        (&link.link_type, link.source, link.target, distinct)
    }
    let mut old: HashMap<_, &Arc<Link>, FixedState> = before
        .links
        .iter()
        .map(|(_, link)| (identity(link), link))
        .collect();
    let mut out = Vec::new();
    for change in made {
        let was = change
            .after
            .as_ref()
            .and_then(|link| old.remove(&identity(link)));
        if was != change.after.as_ref() {
            out.push(LinkChange {
                key: change.key.clone(),
                before: was.cloned(),
                after: change.after.clone(),
            });
        }
    }
    let gone = old.into_values();
    let mut gone: Vec<_> = gone
        .filter_map(|link| Some((before.link_key(link)?, link.clone())))
        .collect();
    gone.sort_by(|a, b| a.0.cmp(&b.0));
    out.extend(gone.into_iter().map(|(key, link)| LinkChange {
        key,
        before: Some(link),
        after: None,
    }));
    out
}

fn take_result(
    state: &mut State,
    version: &Version,
    result: &CheckResult,
    now: Timestamp,
) -> Taken {
    match &result.target {
        Target::Object { object, .. } => {
            let Some(handle) = state.find(object) else {
                return Taken::Late;
            };
            let parts = parts(version, handle);
            let mut status = state.status.get(handle.0).cloned().unwrap_or_default();
            let changed = Arc::make_mut(&mut status).take(result, parts, now);
            let empty = status.is_empty();
            state.status.set(handle.0, (!empty).then_some(status));
            changed
        }
        Target::Link(key) => {
            if version.link(key).is_none() {
                return Taken::Late;
            }
            let mut status = state.link_status.get(key).cloned().unwrap_or_default();
            let changed = Arc::make_mut(&mut status).take(result, 0, now);
            put_link_status(state, key, status);
            changed
        }
    }
}

pub(crate) fn put_link_status(state: &mut State, key: &LinkKey, status: Arc<Status>) {
    if status.is_empty() {
        state.link_status.remove(key);
    } else {
        state.link_status.insert(key.clone(), status);
    }
}

/// How many parts an object has that are checked one by one.
fn parts(version: &Version, handle: Handle) -> usize {
    let count = || {
        let object = version.object(handle)?;
        let parts = version.rule(object)?.parts.clone()?;
        Some(match object.get(&parts)? {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        })
    };
    count().unwrap_or(0)
}
