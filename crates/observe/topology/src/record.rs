//! What is written to disk: each version as what it changed, and messages, as records in the order they were made.
//!
//! A record is whole or unreadable; framing, checksums and the disk are the caller's. Reading records back gives the same versions, up to
//! the last record that was written: a version whose record is missing never was.

mod replay;

use crate::health::Status;
use crate::link::{Link, LinkKey, LinkState};
use crate::message::Message;
use crate::object::{Handle, Object, ObjectRef};
use crate::state::{State, Word};
use crate::version::{Cause, Version};
use crate::{LinkType, SourceKind, TopologyError};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use replay::Replayed;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    Version(Box<VersionRecord>),
    Message(Box<Message>),
    MessageViewed(u64),
    /// Versions no longer kept.
    Forgotten(Vec<u64>),
}

impl Record {
    /// JSON, without line breaks.
    ///
    /// # Errors
    /// Never for records made here.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TopologyError> {
        serde_json::to_vec(self).map_err(|error| TopologyError::Record {
            sequence: 0,
            reason: error.to_string(),
        })
    }

    /// # Errors
    /// The bytes are not a record; `sequence` is for the message only.
    pub fn from_bytes(sequence: u64, bytes: &[u8]) -> Result<Self, TopologyError> {
        serde_json::from_slice(bytes).map_err(|error| TopologyError::Record {
            sequence,
            reason: error.to_string(),
        })
    }
}

/// What one version changed against the one before it, or, for the first one written, everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub number: u64,
    pub at: Timestamp,
    pub cause: Cause,
    /// Name, and whether it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<(Arc<str>, bool)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<(u32, Arc<Object>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects_gone: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buried: Vec<(ObjectRef, Timestamp)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<SeenRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links_gone: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    status: Vec<(u32, Option<Arc<Status>>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    link_status: Vec<(LinkKey, Option<Arc<Status>>)>,
}

impl Default for VersionRecord {
    fn default() -> Self {
        Self {
            number: 0,
            at: Timestamp::UNIX_EPOCH,
            cause: Cause::Start,
            label: None,
            objects: Vec::new(),
            objects_gone: Vec::new(),
            buried: Vec::new(),
            seen: Vec::new(),
            links: Vec::new(),
            links_gone: Vec::new(),
            status: Vec::new(),
            link_status: Vec::new(),
        }
    }
}

/// Objects one kind of source vouched for at one time, whole or in one attribute, as runs of handles: `4-9,12`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SeenRecord {
    kind: SourceKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<Arc<str>>,
    at: Timestamp,
    objects: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LinkRecord {
    slot: u32,
    #[serde(rename = "type")]
    link_type: LinkType,
    source: u32,
    target: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distinct: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_label: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_label: Option<Arc<str>>,
    state: LinkState,
    #[serde(default)]
    weight: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<Arc<str>, Value>,
}

impl LinkRecord {
    fn of(slot: u32, link: &Link) -> Self {
        Self {
            slot,
            link_type: link.link_type.clone(),
            source: link.source.0,
            target: link.target.0,
            distinct: link.distinct.clone(),
            name: link.name.clone(),
            source_label: link.source_label.clone(),
            target_label: link.target_label.clone(),
            state: link.state,
            weight: link.weight,
            place: link.place.clone(),
            attributes: link.attributes.clone(),
        }
    }

    fn link(self) -> Link {
        Link {
            link_type: self.link_type,
            source: Handle(self.source),
            target: Handle(self.target),
            distinct: self.distinct,
            name: self.name,
            source_label: self.source_label,
            target_label: self.target_label,
            state: self.state,
            weight: self.weight,
            implicit: false,
            place: self.place,
            attributes: self.attributes,
        }
    }
}

impl VersionRecord {
    /// What leads from one state to another. The cost follows the difference.
    pub(crate) fn between(
        before: &State,
        after: &State,
        buried: Vec<(ObjectRef, Timestamp)>,
    ) -> Self {
        let mut record = Self {
            buried,
            ..Self::default()
        };
        before
            .objects
            .compare(&after.objects, |handle, old, new| match new {
                Some(new) if old.is_none_or(|old| !Arc::ptr_eq(old, new) && old != new) => {
                    record.objects.push((handle, new.clone()));
                }
                None if old.is_some() => record.objects_gone.push(handle),
                _ => {}
            });
        before
            .links
            .compare(&after.links, |slot, old, new| match new {
                Some(new) if old.is_none_or(|old| !Arc::ptr_eq(old, new) && old != new) => {
                    record.links.push(LinkRecord::of(slot, new));
                }
                None if old.is_some() => record.links_gone.push(slot),
                _ => {}
            });
        let mut seen: BTreeMap<Word, RoaringBitmap> = BTreeMap::new();
        before.seen.compare(&after.seen, |handle, old, new| {
            for word in new.into_iter().flat_map(|new| new.iter()) {
                if !old.is_some_and(|old| old.contains(word)) {
                    seen.entry(word.clone()).or_default().insert(handle);
                }
            }
        });
        record.seen = seen
            .into_iter()
            .map(|(word, objects)| SeenRecord {
                kind: word.kind,
                attribute: word.attribute,
                at: word.at,
                objects: runs(&objects),
            })
            .collect();
        before.status.compare(&after.status, |handle, old, new| {
            let gone = after.objects.get(handle).is_none();
            if old != new && !gone {
                record.status.push((handle, new.cloned()));
            }
        });
        if !before.link_status.ptr_eq(&after.link_status) {
            record.link_status = link_statuses(before, after);
        }
        record
    }

    /// A version as a record of its own, for a fresh log.
    pub fn full(version: &Version) -> Self {
        let empty = State::new(version.declarations().clone());
        let state = &version.state;
        let buried = state.tombs.iter().map(|(key, at)| (key.clone(), *at));
        let mut buried: Vec<_> = buried.collect();
        buried.sort();
        Self {
            number: version.number,
            at: version.at,
            cause: version.cause.clone(),
            ..Self::between(&empty, state, buried)
        }
    }

    /// What leads from one kept version to a later one.
    pub fn step(before: &Version, after: &Version) -> Self {
        let tombs = &before.state.tombs;
        let mut buried: Vec<_> = after
            .state
            .tombs
            .iter()
            .filter(|(key, at)| tombs.get(*key) != Some(*at))
            .map(|(key, at)| (key.clone(), *at))
            .collect();
        buried.sort();
        Self {
            number: after.number,
            at: after.at,
            cause: after.cause.clone(),
            ..Self::between(&before.state, &after.state, buried)
        }
    }
}

fn link_statuses(before: &State, after: &State) -> Vec<(LinkKey, Option<Arc<Status>>)> {
    let (old, new) = (&before.link_status, &after.link_status);
    let set = new
        .iter()
        .filter(|(key, status)| old.get(*key) != Some(*status))
        .map(|(key, status)| (key.clone(), Some(status.clone())));
    let cleared = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), None));
    let mut out: Vec<_> = set.chain(cleared).collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

/// `4-9,12` for 4 to 9 and 12.
fn runs(set: &RoaringBitmap) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut run: Option<(u32, u32)> = None;
    let text = |(first, last): (u32, u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    for value in set {
        run = match run {
            Some((first, last)) if last + 1 == value => Some((first, value)),
            other => {
                out.extend(other.map(text));
                Some((value, value))
            }
        };
    }
    out.extend(run.map(text));
    out.join(",")
}

fn from_runs(text: &str) -> Option<RoaringBitmap> {
    let mut set = RoaringBitmap::new();
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if last < first || last >= MAX_SLOT {
            return None;
        }
        set.insert_range(first..=last);
    }
    Some(set)
}

/// More objects or links than this in one environment are not read back: the record is damaged.
const MAX_SLOT: u32 = 1 << 26;
