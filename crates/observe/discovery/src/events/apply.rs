//! A batch of notifications into a map: as few versions as possible, and a verdict for each.

use std::collections::HashSet;
use topology::{
    Batch, Cause, Effect, Map, Notification, ObjectKey, Reading, Record, Related, Rescan, Verdict,
    effect,
};

/// Makes one version of as many notifications as speak of different objects. One that speaks of what the version in the making
/// changes, or that does not apply as things stand, waits until that version is there.
pub fn apply(map: &mut Map, batch: &[Notification]) -> Applied {
    let mut applied = Applied::default();
    let mut pending = Pending::default();
    for notification in batch {
        let mut effect = effect(map.head(), notification);
        if !pending.is_apart_from(&effect) {
            pending.commit(map, &mut applied);
            effect = topology::effect(map.head(), notification);
        }
        pending.add(effect, &mut applied);
    }
    pending.commit(map, &mut applied);
    applied.rescans.sort();
    applied.rescans.dedup();
    applied
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Applied {
    /// One per notification.
    pub verdicts: Vec<Verdict>,
    /// What each is about, where it says so.
    pub related: Vec<Option<Related>>,
    /// To be written before the versions are shown.
    pub records: Vec<Record>,
    pub rescans: Vec<Rescan>,
}

/// A version in the making.
#[derive(Default)]
struct Pending {
    /// Of each notification, where its verdict stands and what it makes of the map.
    members: Vec<(usize, Vec<Reading>)>,
    touched: HashSet<ObjectKey>,
}

impl Pending {
    fn is_apart_from(&self, effect: &Effect) -> bool {
        self.members.is_empty()
            || (effect.verdict == Verdict::Applied
                && !keys(&effect.readings).any(|key| self.touched.contains(key)))
    }

    fn add(&mut self, effect: Effect, applied: &mut Applied) {
        if !effect.readings.is_empty() {
            self.touched.extend(keys(&effect.readings).cloned());
            self.members.push((applied.verdicts.len(), effect.readings));
        }
        if effect.verdict == Verdict::Applied {
            applied.rescans.extend(effect.rescans);
        }
        applied.related.push(effect.related);
        applied.verdicts.push(effect.verdict);
    }

    /// A map refuses a batch as a whole; then each notification is tried alone, so that a bad one harms only itself.
    fn commit(&mut self, map: &mut Map, applied: &mut Applied) {
        let members = std::mem::take(self).members;
        let all = members.iter().flat_map(|(_, readings)| readings).cloned();
        if members.is_empty() || write(map, all.collect(), applied).is_ok() {
            return;
        }
        for (member, readings) in members {
            if let Err(reason) = write(map, readings, applied)
                && let Some(verdict) = applied.verdicts.get_mut(member)
            {
                *verdict = Verdict::Refused(reason);
            }
        }
    }
}

fn write(map: &mut Map, readings: Vec<Reading>, applied: &mut Applied) -> Result<(), String> {
    let batch = Batch {
        cause: Cause::Events,
        at: jiff::Timestamp::now(),
        readings,
    };
    let committed = map.apply(&batch).map_err(|error| error.to_string())?;
    applied.records.extend(committed.record);
    Ok(())
}

fn keys(readings: &[Reading]) -> impl Iterator<Item = &ObjectKey> {
    readings.iter().flat_map(|reading| {
        let drafts = reading.drafts.iter().map(|draft| &draft.key);
        drafts.chain(&reading.gone)
    })
}
