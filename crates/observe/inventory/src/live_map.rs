//! The map of one environment, kept on disk and shown to many: one writer at a time, readers never wait.
//!
//! A version is shown after its record is durable. That something was said again is shown with the last version and durable with the
//! next: what a restart loses of it is how long evidence holds. When a record cannot be written, the map goes back to what is shown, so that it never
//! holds what a restart would lose.

use crate::comparisons::Comparisons;
use crate::log::{RecordLog, lines};
use crate::{InventoryError, Result};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use topology::{
    Batch, CheckResult, Committed, Declarations, Environment, History, Map, Message, MessageQuery,
    Messages, Notification, ObjectRef, Profile, Record, Related, Rescan, Retention, Severity,
    TopologyError, Verdict, Version,
};

pub struct LiveMap {
    inner: Mutex<Inner>,
    shown: RwLock<Arc<History>>,
    messages: RwLock<Messages>,
    /// The last version's number, and a count of messages: what streams wait for.
    changed: watch::Sender<Mark>,
    pub(crate) comparisons: Comparisons,
}

/// How far a map has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub version: u64,
    pub messages: u64,
}

struct Inner {
    map: Map,
    log: RecordLog,
}

impl LiveMap {
    /// Opens the map kept in `dir`, or begins one there.
    pub fn open(
        dir: &Path,
        profile: Profile,
        declarations: Arc<Declarations>,
        now: Timestamp,
    ) -> Result<Self> {
        let (log, records) = RecordLog::open(dir)?;
        let texts = records.iter().map(String::as_bytes);
        let replayed = Map::replay(profile, declarations, now, texts)?;
        let history = Arc::new(replayed.map.history().clone());
        let mark = Mark {
            version: history.head().number,
            messages: 0,
        };
        Ok(Self {
            inner: Mutex::new(Inner {
                map: replayed.map,
                log,
            }),
            shown: RwLock::new(history),
            messages: RwLock::new(replayed.messages),
            changed: watch::channel(mark).0,
            comparisons: Comparisons::default(),
        })
    }

    pub fn environment(&self) -> Environment {
        self.head().profile.name.clone()
    }

    /// The versions that are kept.
    pub fn history(&self) -> Arc<History> {
        self.shown.read().clone()
    }

    pub fn head(&self) -> Arc<Version> {
        self.shown.read().head().clone()
    }

    /// Wakes when a version or a message has come.
    pub fn subscribe(&self) -> watch::Receiver<Mark> {
        self.changed.subscribe()
    }

    /// Takes readings in as one version. Writes to disk: not for an async thread.
    pub fn apply(&self, batch: &Batch) -> Result<Committed> {
        self.change(|map| Ok(map.apply(batch)?))
    }

    /// Takes check results in as one version, with a message for each that says something else than before. Writes to disk.
    pub fn check(&self, results: &[CheckResult], now: Timestamp) -> Result<Committed> {
        let committed = self.note_checks(results, now)?;
        let told = results
            .iter()
            .filter(|result| {
                committed
                    .changes
                    .checked
                    .iter()
                    .any(|target| same_target(target, &result.target))
            })
            .map(|result| Message::of_check(result, now));
        self.tell(told.collect())?;
        Ok(committed)
    }

    /// As [`LiveMap::check`], but tells nobody.
    pub(crate) fn note_checks(&self, results: &[CheckResult], now: Timestamp) -> Result<Committed> {
        self.change(|map| Ok(map.check(results, now)))
    }

    /// Takes notifications in, as few versions as possible, with a message for each that was applied; all of it is durable
    /// when it returns, by one write. A verdict for each, and what must be read again.
    pub fn take(
        &self,
        batch: &[Notification],
        now: Timestamp,
    ) -> Result<(Vec<Verdict>, Vec<Rescan>)> {
        let mut inner = self.inner.lock();
        let batch = &dated(batch, now)[..];
        let applied = discovery::events::apply(&mut inner.map, batch);
        let about = batch.iter().zip(&applied.verdicts).zip(applied.related);
        let messages = about.filter_map(|((notification, verdict), related)| {
            let related = related.filter(|_| *verdict == Verdict::Applied)?;
            Some(message_of(notification, &related, now))
        });
        let told = self.numbered(messages.collect());
        let mut records = applied.records;
        records.extend(
            told.iter()
                .map(|message| Record::Message(Box::new(message.clone()))),
        );
        if !records.is_empty() {
            self.write(&mut inner, &records)?;
            self.show(&inner);
            self.show_messages(&told);
        }
        Ok((applied.verdicts, applied.rescans))
    }

    /// Names the present state.
    pub fn snapshot(&self, name: &str, pinned: bool, now: Timestamp) -> Result<Committed> {
        self.check_name(name)?;
        self.change(|map| Ok(map.snapshot(name, pinned, now)?))
    }

    /// Whether a snapshot may have this name: it is free, and not taken for a version's number.
    pub(crate) fn check_name(&self, name: &str) -> Result<()> {
        if name.trim().is_empty() || name.len() > 255 || name.parse::<u64>().is_ok() {
            return Err(InventoryError::SnapshotName(name.to_owned()));
        }
        match self.history().named(name) {
            Some(_) => Err(TopologyError::VersionNameTaken(name.to_owned()).into()),
            None => Ok(()),
        }
    }

    /// Goes on with other declarations.
    pub fn redeclare(&self, declarations: Arc<Declarations>, now: Timestamp) -> Result<Committed> {
        self.change(|map| Ok(map.redeclare(declarations, now)))
    }

    /// Goes on with other words for what the environment is, if they are others.
    pub fn reprofile(&self, profile: Profile, now: Timestamp) -> Result<()> {
        if *self.head().profile != profile {
            self.change(|map| Ok(map.reprofile(profile, now)))?;
        }
        Ok(())
    }

    fn change(&self, make: impl FnOnce(&mut Map) -> Result<Committed>) -> Result<Committed> {
        let mut inner = self.inner.lock();
        let committed = make(&mut inner.map)?;
        if let Some(record) = &committed.record {
            self.write(&mut inner, std::slice::from_ref(record))?;
        }
        if !Arc::ptr_eq(&committed.version, &self.head()) {
            self.show(&inner);
        }
        Ok(committed)
    }

    /// Deletes a version by hand; the last one stays.
    pub fn forget(&self, number: u64) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.map.forget(number)?;
        self.write(&mut inner, &[Record::Forgotten(vec![number])])?;
        self.show(&inner);
        Ok(())
    }

    /// Forgets versions by policy, and writes the log anew when most of it is of versions nobody keeps.
    pub fn retain(&self, policy: &Retention, now: Timestamp) -> Result<usize> {
        let mut inner = self.inner.lock();
        let gone = inner.map.retain(policy, now);
        let count = gone.len();
        if count > 0 {
            self.write(&mut inner, &[Record::Forgotten(gone)])?;
            self.show(&inner);
        }
        if inner.log.is_long() {
            let mut records = inner.map.checkpoint();
            let messages = self.messages.read();
            records.extend(
                messages
                    .iter()
                    .map(|message| Record::Message(Box::new(message.clone()))),
            );
            let text = lines(&records)?;
            inner.log.rewrite(&text)?;
        }
        Ok(count)
    }

    /// Takes messages in; they are durable when it returns. Writes to disk.
    pub fn tell(&self, messages: Vec<Message>) -> Result<Vec<Message>> {
        if messages.is_empty() {
            return Ok(messages);
        }
        let mut inner = self.inner.lock();
        let told = self.numbered(messages);
        let records: Vec<Record> = told
            .iter()
            .map(|message| Record::Message(Box::new(message.clone())))
            .collect();
        inner.log.append(&lines(&records)?)?;
        self.show_messages(&told);
        Ok(told)
    }

    /// Messages with the ids they will be kept under; the caller holds the lock.
    fn numbered(&self, messages: Vec<Message>) -> Vec<Message> {
        let next = self.messages.read().next_id();
        (next..)
            .zip(messages)
            .map(|(id, message)| Message { id, ..message })
            .collect()
    }

    fn show_messages(&self, told: &[Message]) {
        let mut messages = self.messages.write();
        for message in told {
            messages.add(message.clone());
        }
        drop(messages);
        self.changed
            .send_modify(|mark| mark.messages += told.len() as u64);
    }

    /// Marks a message as seen; false if there is none.
    pub fn view_message(&self, id: u64) -> Result<bool> {
        let mut inner = self.inner.lock();
        if self.messages.read().get(id).is_none() {
            return Ok(false);
        }
        inner.log.append(&lines(&[Record::MessageViewed(id)])?)?;
        Ok(self.messages.write().view(id))
    }

    /// The newest messages that match, and how many match in all.
    pub fn find_messages(&self, query: &MessageQuery) -> (Vec<Message>, usize) {
        let messages = self.messages.read();
        let (found, total) = messages.find(query);
        (found.into_iter().cloned().collect(), total)
    }

    pub fn message(&self, id: u64) -> Option<Message> {
        self.messages.read().get(id).cloned()
    }

    pub fn message_counts(&self) -> std::collections::BTreeMap<Severity, usize> {
        self.messages.read().counts()
    }

    fn write(&self, inner: &mut Inner, records: &[Record]) -> Result<()> {
        let written = lines(records)
            .map_err(InventoryError::from)
            .and_then(|text| Ok(inner.log.append(&text)?));
        if written.is_err() {
            let history = self.history();
            inner.map = Map::resume(history.head().profile.clone(), (*history).clone());
        }
        written
    }

    fn show(&self, inner: &Inner) {
        let history = Arc::new(inner.map.history().clone());
        let version = history.head().number;
        *self.shown.write() = history;
        // A version that was only heard of again is no news.
        self.changed
            .send_if_modified(|mark| std::mem::replace(&mut mark.version, version) != version);
    }
}

fn same_target(checked: &topology::Target, told: &topology::Target) -> bool {
    use topology::Target::{Link, Object};
    match (checked, told) {
        (Object { object: a, .. }, Object { object: b, .. }) => a == b,
        (Link(a), Link(b)) => a == b,
        _ => false,
    }
}

/// What is dated ahead is of now: else no scan and no event could correct it for as long as its clock is ahead.
fn dated(batch: &[Notification], now: Timestamp) -> Cow<'_, [Notification]> {
    if batch
        .iter()
        .all(|notification| notification.timestamp <= now)
    {
        return Cow::Borrowed(batch);
    }
    let mut batch = batch.to_vec();
    for notification in &mut batch {
        notification.timestamp = notification.timestamp.min(now);
    }
    Cow::Owned(batch)
}

/// The message that tells of a notification.
fn message_of(notification: &Notification, related: &Related, now: Timestamp) -> Message {
    Message {
        id: 0,
        severity: Severity::Info,
        source: "OpenStack".into(),
        text: notification.event_type.clone(),
        at: notification.timestamp,
        received_at: now,
        objects: vec![ObjectRef::from(&related.object)],
        context: Some(ObjectRef::from(&related.context)),
        viewed: false,
    }
}
