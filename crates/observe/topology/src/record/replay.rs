//! Reads records back: versions, labels and messages as they were.

use super::{MAX_SLOT, Record, VersionRecord, from_runs};
use crate::TopologyError;
use crate::declare::Declarations;
use crate::history::History;
use crate::map::{Map, put_link_status};
use crate::message::Messages;
use crate::object::Handle;
use crate::search::Search;
use crate::state::{State, Word};
use crate::version::{Cause, Profile, Version};
use jiff::Timestamp;
use std::sync::Arc;

/// What a log holds.
#[derive(Debug)]
pub struct Replayed {
    pub map: Map,
    pub messages: Messages,
}

impl Map {
    /// The map and messages that these records tell of, in their order. Versions from before a record the log begins with are gone.
    ///
    /// # Errors
    /// A record cannot be read, or does not follow from those before it. The log up to there is good.
    pub fn replay<'r>(
        profile: Profile,
        declarations: Arc<Declarations>,
        start: Timestamp,
        records: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Replayed, TopologyError> {
        let profile = Arc::new(profile);
        let state = State::new(declarations);
        let first = Version::new(0, start, Cause::Start, profile.clone(), state);
        let mut history = History::new(Arc::new(first));
        let mut messages = Messages::default();
        let mut begun = false;
        for (sequence, bytes) in records.into_iter().enumerate() {
            let sequence = sequence as u64;
            match Record::from_bytes(sequence, bytes)? {
                Record::Version(record) => {
                    let before = history.head().clone();
                    let version = version(&before, *record, sequence, &mut history)?;
                    history.push(Arc::new(version));
                    if !begun && before.number == 0 && history.head().number > 1 {
                        // The log starts with a full version: the empty one before it was never this map's.
                        history.forget(0)?;
                    }
                    begun = true;
                }
                Record::Message(message) => messages.restore(*message),
                Record::MessageViewed(id) => drop(messages.view(id)),
                Record::Forgotten(numbers) => {
                    for number in numbers {
                        // One that is gone already was forgotten by an earlier log.
                        let _ = history.forget(number);
                    }
                }
            }
        }
        Ok(Replayed {
            map: Self::resume(profile, history),
            messages,
        })
    }

    /// Records that make the kept versions again: the oldest in full, the others as what they changed.
    pub fn checkpoint(&self) -> Vec<Record> {
        let mut before: Option<&Arc<Version>> = None;
        let mut out = Vec::new();
        for (version, label) in self.history().iter() {
            let mut record = match before {
                None => VersionRecord::full(version),
                Some(before) => VersionRecord::step(before, version),
            };
            record.label = label.map(|label| (label.name.clone(), label.pinned));
            before = Some(version);
            if version.number > 0 {
                out.push(Record::Version(Box::new(record)));
            }
        }
        out
    }
}

fn version(
    before: &Version,
    record: VersionRecord,
    sequence: u64,
    history: &mut History,
) -> Result<Version, TopologyError> {
    let fault = |reason: String| TopologyError::Record { sequence, reason };
    if record.number <= before.number {
        return Err(fault(format!(
            "version {} comes after version {}",
            record.number, before.number
        )));
    }
    let mut state = before.state.clone();
    let touched = objects(&mut state, &record).map_err(fault)?;
    links(&mut state, &record).map_err(fault)?;
    for (handle, status) in &record.status {
        state.status.set(*handle, status.clone());
    }
    for (key, status) in &record.link_status {
        put_link_status(&mut state, key, status.clone().unwrap_or_default());
    }
    Search::changed(&mut state, touched.into_iter());
    if let Some((name, pinned)) = &record.label {
        history.label(record.number, name, *pinned);
    }
    Ok(Version::new(
        record.number,
        record.at,
        record.cause,
        before.profile.clone(),
        state,
    ))
}

fn objects(state: &mut State, record: &VersionRecord) -> Result<Vec<u32>, String> {
    let mut touched = record.objects_gone.clone();
    for handle in &record.objects_gone {
        state
            .take(Handle(*handle))
            .ok_or_else(|| format!("object {handle} goes but is not there"))?;
    }
    for (key, at) in &record.buried {
        state.tombs.insert(key.clone(), *at);
    }
    for (handle, object) in &record.objects {
        if *handle >= MAX_SLOT {
            return Err(format!("object {handle} is out of range"));
        }
        state.tombs.remove(&object.key);
        state.put_at(Handle(*handle), object.clone());
        touched.push(*handle);
    }
    for handle in &record.objects_gone {
        if state.object(Handle(*handle)).is_none() {
            state.free_objects.insert(*handle);
        }
    }
    for entry in &record.seen {
        let objects = from_runs(&entry.objects)
            .ok_or_else(|| format!("'{}' is no list of runs", entry.objects))?;
        for handle in objects {
            let word = Word {
                kind: entry.kind.clone(),
                attribute: entry.attribute.clone(),
                at: entry.at,
            };
            state.remember(Handle(handle), word);
        }
    }
    Ok(touched)
}

fn links(state: &mut State, record: &VersionRecord) -> Result<(), String> {
    for slot in &record.links_gone {
        state
            .take_link(*slot)
            .ok_or_else(|| format!("link {slot} goes but is not there"))?;
    }
    for link in &record.links {
        let (slot, link) = (link.slot, link.clone().link());
        if slot >= MAX_SLOT {
            return Err(format!("link {slot} is out of range"));
        }
        if state.object(link.source).is_none() || state.object(link.target).is_none() {
            return Err(format!("link {slot} has an end that is not there"));
        }
        state.put_link_at(slot, link);
    }
    Ok(())
}
