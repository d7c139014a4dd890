//! The versions that are kept: by number, by time, by name; and which are forgotten when.

use crate::TopologyError;
use crate::diff::ChangeKind;
use crate::object::{Object, ObjectRef};
use crate::version::Version;
use imbl::OrdMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is kept besides the last version and those with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Everything younger than this.
    pub all: SignedDuration,
    /// Of what is younger than `sparse`, the last version of each `step`.
    pub sparse: SignedDuration,
    pub step: SignedDuration,
    /// At most this many of those that are kept for being young alone. The last of each step do not count: a busy day leaves the year as
    /// it is. Named ones do not count either and are never forgotten.
    pub at_most: usize,
}

impl Default for Retention {
    /// Two days of everything, then the last version of each day for a year.
    fn default() -> Self {
        Self {
            all: SignedDuration::from_hours(48),
            sparse: SignedDuration::from_hours(24 * 365),
            step: SignedDuration::from_hours(24),
            at_most: 2_000,
        }
    }
}

/// A name for a version; a pinned one is a baseline others are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub name: Arc<str>,
    pub pinned: bool,
}

/// A version in which something happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub version: u64,
    pub at: Timestamp,
    pub kind: ChangeKind,
}

/// See the module. There is always a last version. Cloning is cheap: whoever is shown a version is shown them all.
#[derive(Debug, Clone)]
pub struct History {
    head: Arc<Version>,
    versions: OrdMap<u64, Arc<Version>>,
    labels: BTreeMap<u64, Label>,
}

impl History {
    pub(crate) fn new(head: Arc<Version>) -> Self {
        Self {
            versions: OrdMap::unit(head.number, head.clone()),
            labels: BTreeMap::new(),
            head,
        }
    }

    pub fn head(&self) -> &Arc<Version> {
        &self.head
    }

    /// All kept versions, oldest first, with their labels.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Arc<Version>, Option<&Label>)> {
        self.versions
            .iter()
            .map(|(number, version)| (version, self.labels.get(number)))
    }

    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Never: the last version stays.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// # Errors
    /// It was never made, or is no longer kept.
    pub fn version(&self, number: u64) -> Result<&Arc<Version>, TopologyError> {
        self.versions
            .get(&number)
            .ok_or(TopologyError::NoVersion(number))
    }

    pub fn named(&self, name: &str) -> Option<&Arc<Version>> {
        let number = self
            .labels
            .iter()
            .find(|(_, label)| label.name.as_ref() == name)?
            .0;
        self.versions.get(number)
    }

    pub fn label_of(&self, number: u64) -> Option<&Label> {
        self.labels.get(&number)
    }

    /// The kept version that was the last one at `time`.
    pub fn at(&self, time: Timestamp) -> Option<&Arc<Version>> {
        self.versions
            .values()
            .rev()
            .find(|version| version.at <= time)
    }

    /// When an object came, went, moved or changed, as far as versions are kept; oldest first. An object that is there in the oldest kept
    /// version came before what is known.
    pub fn timeline(&self, key: &ObjectRef) -> Vec<Moment> {
        let mut out = Vec::new();
        let mut before: Option<Option<&Object>> = None;
        for version in self.versions.values() {
            let now = version.get(key);
            let kind = match (before, now) {
                (Some(None), Some(_)) => Some(ChangeKind::Added),
                (Some(Some(_)), None) => Some(ChangeKind::Removed),
                (Some(Some(before)), Some(now)) if before.parent != now.parent => {
                    Some(ChangeKind::Moved)
                }
                (Some(Some(before)), Some(now)) if !before.same_facts(now) => {
                    Some(ChangeKind::Changed)
                }
                _ => None,
            };
            out.extend(kind.map(|kind| Moment {
                version: version.number,
                at: version.at,
                kind,
            }));
            before = Some(now);
        }
        out
    }

    pub(crate) fn push(&mut self, version: Arc<Version>) {
        self.versions.insert(version.number, version.clone());
        self.head = version;
    }

    pub(crate) fn label(&mut self, number: u64, name: &str, pinned: bool) {
        let label = Label {
            name: name.into(),
            pinned,
        };
        self.labels.insert(number, label);
    }

    pub(crate) fn forget(&mut self, number: u64) -> Result<(), TopologyError> {
        if number == self.head.number || self.versions.remove(&number).is_none() {
            return Err(TopologyError::NoVersion(number));
        }
        self.labels.remove(&number);
        Ok(())
    }

    pub(crate) fn retain(&mut self, policy: &Retention, now: Timestamp) -> Vec<u64> {
        let step = policy.step.as_secs().max(1);
        let mut steps = BTreeSet::new();
        let mut young = 0;
        let mut gone = Vec::new();
        for (number, version) in self.versions.iter().rev() {
            let last_of_step = steps.insert(version.at.as_second().div_euclid(step));
            if *number == self.head.number || self.labels.contains_key(number) {
                continue;
            }
            let age = now.duration_since(version.at);
            if last_of_step && age <= policy.sparse {
                continue;
            }
            if age <= policy.all && young < policy.at_most {
                young += 1;
            } else {
                gone.push(*number);
            }
        }
        for number in &gone {
            self.versions.remove(number);
        }
        gone
    }
}
