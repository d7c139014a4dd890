//! Messages: what was said about objects, by events, checks, scans and outside systems; found by object and by text.
//!
//! Kept apart from the versions: an object's messages outlive it. Bounded: the oldest go first.

use crate::health::{CheckResult, StatusLevel, Target};
use crate::object::ObjectRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl From<StatusLevel> for Severity {
    fn from(level: StatusLevel) -> Self {
        match level {
            StatusLevel::Ok | StatusLevel::Unknown => Self::Info,
            StatusLevel::Warning => Self::Warning,
            StatusLevel::Error => Self::Error,
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Given when it is taken in; grows.
    #[serde(default)]
    pub id: u64,
    pub severity: Severity,
    /// The system that says it: `OpenStack`, `Sensu`, `Netwright`.
    pub source: Arc<str>,
    pub text: Arc<str>,
    /// When it happened, by its source.
    pub at: Timestamp,
    pub received_at: Timestamp,
    /// Objects it is about, the main one first.
    pub objects: Vec<ObjectRef>,
    /// The object to show it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ObjectRef>,
    #[serde(default)]
    pub viewed: bool,
}

impl Message {
    /// The message that tells of a check result.
    pub fn of_check(result: &CheckResult, received_at: Timestamp) -> Self {
        let objects = match &result.target {
            Target::Object { object, .. } => vec![object.clone()],
            Target::Link(key) => vec![key.source.clone(), key.target.clone()],
        };
        Self {
            id: 0,
            severity: result.level.into(),
            source: result.source.clone(),
            text: result.text.clone(),
            at: result.at,
            received_at,
            context: objects.first().cloned(),
            objects,
            viewed: false,
        }
    }
}

/// Which messages are asked for; empty fields ask for all.
#[derive(Debug, Clone, Default)]
pub struct MessageQuery {
    pub objects: Vec<ObjectRef>,
    pub severities: Vec<Severity>,
    pub source: Option<Arc<str>>,
    /// Part of the text or of an object's id, case ignored.
    pub text: String,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only messages with a smaller id: the next page.
    pub before: Option<u64>,
    pub limit: usize,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    all: BTreeMap<u64, Message>,
    by_object: BTreeMap<ObjectRef, BTreeSet<u64>>,
    next: u64,
}

/// At most this many are kept.
const KEPT: usize = 200_000;

impl Messages {
    /// Takes a message in and gives it its id.
    pub fn add(&mut self, mut message: Message) -> &Message {
        message.id = self.next_id();
        let id = message.id;
        self.restore(message);
        &self.all[&id]
    }

    /// The id the next message is given.
    pub fn next_id(&self) -> u64 {
        self.next.max(1)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.all.values()
    }

    /// Takes a message in as a record holds it.
    pub(crate) fn restore(&mut self, message: Message) {
        self.next = self.next.max(message.id + 1);
        for object in &message.objects {
            self.by_object
                .entry(object.clone())
                .or_default()
                .insert(message.id);
        }
        self.all.insert(message.id, message);
        while self.all.len() > KEPT {
            if let Some((id, old)) = self.all.pop_first() {
                for object in &old.objects {
                    if let Some(ids) = self.by_object.get_mut(object) {
                        ids.remove(&id);
                        if ids.is_empty() {
                            self.by_object.remove(object);
                        }
                    }
                }
            }
        }
    }

    pub fn get(&self, id: u64) -> Option<&Message> {
        self.all.get(&id)
    }

    /// Marks a message as seen by someone; false if there is none.
    pub fn view(&mut self, id: u64) -> bool {
        self.all
            .get_mut(&id)
            .map(|message| message.viewed = true)
            .is_some()
    }

    /// How many there are of each severity.
    pub fn counts(&self) -> BTreeMap<Severity, usize> {
        let mut out = BTreeMap::new();
        for message in self.all.values() {
            *out.entry(message.severity).or_insert(0) += 1;
        }
        out
    }

    /// The newest messages that match, newest first, and how many match in all.
    pub fn find(&self, query: &MessageQuery) -> (Vec<&Message>, usize) {
        let needle = query.text.to_lowercase();
        let ids: Box<dyn Iterator<Item = u64>> = if query.objects.is_empty() {
            Box::new(self.all.keys().rev().copied())
        } else {
            let ids: BTreeSet<u64> = query
                .objects
                .iter()
                .filter_map(|object| self.by_object.get(object))
                .flatten()
                .copied()
                .collect();
            Box::new(ids.into_iter().rev())
        };
        let mut found = Vec::new();
        let mut total = 0;
        for message in ids.filter_map(|id| self.all.get(&id)) {
            if !matches(message, query, &needle) {
                continue;
            }
            total += 1;
            if found.len() < query.limit && query.before.is_none_or(|before| message.id < before) {
                found.push(message);
            }
        }
        (found, total)
    }
}

fn matches(message: &Message, query: &MessageQuery, needle: &str) -> bool {
    let severity = query.severities.is_empty() || query.severities.contains(&message.severity);
    let source = query
        .source
        .as_ref()
        .is_none_or(|source| *source == message.source);
    let time = query.from.is_none_or(|from| message.at >= from)
        && query.until.is_none_or(|until| message.at <= until);
    let text = needle.is_empty()
        || message.text.to_lowercase().contains(needle)
        || message
            .objects
            .iter()
            .any(|object| object.id.as_str().to_lowercase().contains(needle));
    severity && source && time && text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, object: &str, severity: Severity) -> Message {
        Message {
            id: 0,
            severity,
            source: "test".into(),
            text: text.into(),
            at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            objects: vec![ObjectRef::new("host", object).expect("valid")],
            context: None,
            viewed: false,
        }
    }

    #[test]
    fn messages_are_found_by_object_text_and_severity_newest_first() {
        let mut messages = Messages::default();
        messages.add(message("link lost", "cmp-1", Severity::Error));
        messages.add(message("link back", "cmp-1", Severity::Info));
        messages.add(message("disk full", "cmp-2", Severity::Error));
        let ids = |query: MessageQuery| {
            let (found, total) = messages.find(&MessageQuery { limit: 10, ..query });
            assert_eq!(found.len(), total);
            found.iter().map(|m| m.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(MessageQuery::default()), [3, 2, 1]);
        let objects = vec![ObjectRef::new("host", "cmp-1").expect("valid")];
        assert_eq!(
            ids(MessageQuery {
                objects,
                ..Default::default()
            }),
            [2, 1]
        );
        assert_eq!(
            ids(MessageQuery {
                text: "LINK".into(),
                ..Default::default()
            }),
            [2, 1]
        );
        let severities = vec![Severity::Error];
        assert_eq!(
            ids(MessageQuery {
                severities,
                ..Default::default()
            }),
            [3, 1]
        );
        let (page, total) = messages.find(&MessageQuery {
            limit: 1,
            before: Some(3),
            ..Default::default()
        });
        assert_eq!((page[0].id, total), (2, 3));
    }
}
