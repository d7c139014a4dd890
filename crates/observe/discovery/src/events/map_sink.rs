//! Notifications into a map: one version per batch, whose record is safe before any message is acknowledged.

use super::Sink;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;
use topology::{Batch, Cause, Map, Notification, Record, Rescan, TopologyError, Verdict, effect};

/// Writes records so that they outlive a crash. A failure leaves the messages with the broker.
pub trait Journal: Send + Sync {
    fn write<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, std::io::Result<()>>;
}

/// See the module. The map is locked only while it changes, never while something is written or waited for.
pub struct MapSink {
    map: Arc<Mutex<Map>>,
    journal: Arc<dyn Journal>,
    /// What hosts or APIs must be asked because of events. When it is full, more is not asked for: a scan finds it later.
    rescans: mpsc::Sender<Rescan>,
    /// One batch at a time: records are written in the order of their versions.
    turn: tokio::sync::Mutex<()>,
}

impl MapSink {
    pub fn new(
        map: Arc<Mutex<Map>>,
        journal: Arc<dyn Journal>,
        rescans: mpsc::Sender<Rescan>,
    ) -> Self {
        Self {
            map,
            journal,
            rescans,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Applies notifications one after the other, because each may speak of what the one before it made. Their records are written
    /// together.
    fn apply(&self, batch: &[Notification]) -> (Vec<Verdict>, Vec<Record>, Vec<Rescan>) {
        let mut map = self.map.lock();
        let (mut verdicts, mut records, mut rescans) = (Vec::new(), Vec::new(), Vec::new());
        for notification in batch {
            let effect = effect(map.head(), notification);
            let mut verdict = effect.verdict;
            if !effect.readings.is_empty() {
                let applied = map.apply(&Batch {
                    cause: Cause::Events,
                    at: jiff::Timestamp::now(),
                    readings: effect.readings,
                });
                match applied {
                    Ok(committed) => records.extend(committed.record),
                    Err(error) => verdict = refused(&error),
                }
            }
            if matches!(verdict, Verdict::Applied) {
                rescans.extend(effect.rescans);
            }
            verdicts.push(verdict);
        }
        rescans.sort();
        rescans.dedup();
        (verdicts, records, rescans)
    }
}

fn refused(error: &TopologyError) -> Verdict {
    Verdict::Refused(error.to_string())
}

impl Sink for MapSink {
    fn take<'a>(&'a self, batch: &'a [Notification]) -> BoxFuture<'a, Vec<Verdict>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let (verdicts, records, rescans) = self.apply(batch);
            for record in &records {
                if let Err(error) = self.journal.write(record).await {
                    let reason = format!("the change could not be written: {error}");
                    return verdicts
                        .iter()
                        .map(|_| Verdict::Retry(reason.clone()))
                        .collect();
                }
            }
            for rescan in rescans {
                if let Err(error) = self.rescans.try_send(rescan) {
                    tracing::warn!(%error, "a rescan asked for by an event is left to the next scan");
                }
            }
            verdicts
        })
    }
}
