//! Reports that schedules make: each kept on disk as what it says, written in any format when it is read, and a row in a book; the newest of
//! each schedule stay.
//!
//! A report is made once for each due time: its row is the proof. What it is compared with is the version of the schedule's last report,
//! so that no change is left out between two and none is told twice.

use crate::kept::Kept;
use crate::posting::Posting;
use crate::schedules::Scheduled;
use crate::{Inner, InventoryError, LiveMap, Result};
use jiff::Timestamp;
use journal::JournalError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use topology::{
    Environment, Handle, Message, ObjectRef, Report, ReportFormat, Severity, TopologyError, Version,
};

/// Reports of one schedule that may be kept.
const MAX_KEPT: usize = 1000;

/// What a schedule is to report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOrder {
    #[serde(flatten)]
    pub about: About,
    #[serde(default)]
    pub format: ReportFormat,
    /// The newest that stay, 1 to 1000.
    #[serde(default = "month")]
    pub keep: usize,
    /// Also sent there by POST: `http` or `https`. The path may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_to: Option<String>,
}

fn month() -> usize {
    31
}

/// What a report tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum About {
    /// What differs from a named version (a baseline), or from the schedule's last report.
    Changes {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
    /// What the failure of these, together, hits.
    Impact { objects: Vec<ObjectRef> },
    /// What there is, what is in trouble, what is stale.
    Inventory,
}

impl ReportOrder {
    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=MAX_KEPT).contains(&self.keep) {
            return Err(InventoryError::Report(format!(
                "keep: {} is not in 1..={MAX_KEPT}",
                self.keep
            )));
        }
        if matches!(&self.about, About::Impact { objects } if objects.is_empty() || objects.len() > 100)
        {
            return Err(InventoryError::Report(
                "an impact is of 1 to 100 objects".to_owned(),
            ));
        }
        self.post_to
            .as_deref()
            .map_or(Ok(()), |to| crate::posting::target(to).map(drop))
    }
}

/// A report that was made, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    pub id: u64,
    pub environment: Environment,
    pub schedule: Arc<str>,
    /// The time it was due, not the time it was made.
    pub due: Timestamp,
    pub made_at: Timestamp,
    #[serde(flatten)]
    pub about: About,
    pub format: ReportFormat,
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    Made {
        /// The version it is about.
        version: u64,
        /// The version it was compared with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compared_with: Option<u64>,
        /// Differences, objects hit, or objects there are.
        findings: usize,
    },
    Failed {
        reason: String,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) rows: BTreeMap<u64, ReportRow>,
    next: u64,
}

pub(crate) type Reports = Kept<Book>;

/// A report as it is kept, and what its row says of it.
struct Made {
    text: String,
    version: u64,
    compared_with: Option<u64>,
    findings: usize,
}

impl Inner {
    /// Reports, newest first.
    pub(crate) fn reports(&self) -> Vec<ReportRow> {
        self.report_book
            .read(|book| book.rows.values().rev().cloned().collect())
    }

    pub(crate) fn report(&self, id: u64) -> Result<ReportRow> {
        self.report_book
            .read(|book| book.rows.get(&id).cloned())
            .ok_or_else(|| none(id))
    }

    /// The document, in the format that was ordered or another.
    pub(crate) fn report_text(&self, id: u64, format: Option<ReportFormat>) -> Result<String> {
        let row = self.report(id)?;
        if let Outcome::Failed { reason } = row.outcome {
            return Err(InventoryError::Report(format!(
                "report {id} was not made: {reason}"
            )));
        }
        let path = self.report_path(id);
        let text = std::fs::read(&path).map_err(|cause| JournalError::io("read", &path, cause))?;
        let broken = |error: serde_json::Error| InventoryError::Unreadable {
            what: path.display().to_string(),
            reason: error.to_string(),
        };
        let report: Report = serde_json::from_slice(&text).map_err(broken)?;
        report.render(format.unwrap_or(row.format)).map_err(broken)
    }

    pub(crate) fn remove_report(&self, id: u64) -> Result<()> {
        let gone = self
            .report_book
            .change(|book| book.rows.remove(&id).ok_or_else(|| none(id)))?;
        self.forget_texts(&[gone]);
        Ok(())
    }

    /// Reports of an environment that went away.
    pub(crate) fn remove_reports_of(&self, environment: &Environment) -> Result<()> {
        let gone = self.report_book.change(|book| {
            let (gone, kept) = std::mem::take(&mut book.rows)
                .into_iter()
                .partition(|(_, row)| row.environment == *environment);
            book.rows = kept;
            let gone: BTreeMap<u64, ReportRow> = gone;
            Ok(gone.into_values().collect::<Vec<_>>())
        })?;
        self.forget_texts(&gone);
        Ok(())
    }

    /// Makes the report of a due time, unless it was made. What cannot be made is a row that says why; only the disk's faults are errors.
    pub(crate) fn make_report(
        self: &Arc<Self>,
        row: &Scheduled,
        order: &ReportOrder,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let schedule = &row.schedule.name;
        let entered = self.report_book.read(|book| {
            let mut rows = book.rows.values();
            rows.any(|made| made.schedule == *schedule && made.due == due)
        });
        let Ok(map) = self.map(&row.environment) else {
            tracing::warn!(schedule = %schedule, environment = %row.environment, "a scheduled report has no environment any more");
            return Ok(());
        };
        if entered {
            return Ok(());
        }
        let id = self.report_book.read(|book| book.next) + 1;
        let outcome = match self.compose(row, order, &map, now) {
            Ok(made) => {
                let path = self.report_path(id);
                journal::file::create(&path, |writer| writer.write_all(made.text.as_bytes()))
                    .map_err(|cause| JournalError::io("write", &path, cause))?;
                Outcome::Made {
                    version: made.version,
                    compared_with: made.compared_with,
                    findings: made.findings,
                }
            }
            Err(error) => Outcome::Failed {
                reason: error.to_string(),
            },
        };
        let made = matches!(outcome, Outcome::Made { .. });
        let posting = order.post_to.as_deref().filter(|_| made);
        let report = ReportRow {
            id,
            environment: row.environment.clone(),
            schedule: schedule.clone(),
            due,
            made_at: now,
            about: order.about.clone(),
            format: order.format,
            outcome,
            posting: posting.map(Posting::to),
        };
        self.tell_report(&report, &map);
        self.enter_report(report, order.keep)
    }

    fn enter_report(self: &Arc<Self>, report: ReportRow, keep: usize) -> Result<()> {
        let gone = self.report_book.change(|book| {
            let schedule = report.schedule.clone();
            book.next = report.id;
            book.rows.insert(report.id, report);
            let of_schedule = book.rows.values().filter(|row| row.schedule == schedule);
            let old: Vec<u64> = of_schedule.rev().skip(keep).map(|row| row.id).collect();
            Ok(old
                .into_iter()
                .filter_map(|id| book.rows.remove(&id))
                .collect::<Vec<_>>())
        })?;
        self.forget_texts(&gone);
        self.post_waiting();
        Ok(())
    }

    fn compose(
        &self,
        row: &Scheduled,
        order: &ReportOrder,
        map: &LiveMap,
        now: Timestamp,
    ) -> Result<Made> {
        let head = map.head();
        let (report, compared_with, findings) = match &order.about {
            About::Changes { since } => {
                let before = self.compared_with(row, since.as_deref(), map)?;
                let compared = map.compare(before.clone(), head.clone());
                let diff = &compared.diff;
                let report = Report::of_diff(&before, &head, diff, compared.cliques().0);
                let findings = diff.objects.len() + diff.links.len() + diff.health.len();
                (report, Some(before.number), findings)
            }
            About::Impact { objects } => {
                let failed: Vec<Handle> = objects
                    .iter()
                    .map(|key| {
                        head.find(key)
                            .ok_or_else(|| TopologyError::NoObject(key.to_string()))
                    })
                    .collect::<std::result::Result<_, _>>()?;
                let impact = head.impact(&failed);
                (Report::of_impact(&head, &impact), None, impact.hit.len())
            }
            About::Inventory => (Report::of_inventory(&head, now), None, head.object_count()),
        };
        let text = report
            .to_json()
            .map_err(|error| InventoryError::Report(error.to_string()))?;
        Ok(Made {
            text,
            version: head.number,
            compared_with,
            findings,
        })
    }

    /// The named version; or that of the schedule's last report (as it was then, where the version itself is no longer kept), or of the time
    /// the schedule was made.
    fn compared_with(
        &self,
        row: &Scheduled,
        since: Option<&str>,
        map: &LiveMap,
    ) -> Result<Arc<Version>> {
        let history = map.history();
        if let Some(name) = since {
            let found = history.named(name).cloned();
            return found.ok_or_else(|| InventoryError::None {
                what: "snapshot",
                id: name.to_owned(),
            });
        }
        let last = self.report_book.read(|book| {
            let mut rows = book.rows.values().rev();
            rows.find_map(|made| match made.outcome {
                Outcome::Made { version, .. } if made.schedule == row.schedule.name => {
                    Some((version, made.made_at))
                }
                _ => None,
            })
        });
        let kept = last.and_then(|(version, _)| history.version(version).ok());
        let time = last.map_or(row.schedule.since, |(_, made_at)| made_at);
        let found = kept.or_else(|| history.at(time));
        let oldest = || history.iter().next().map(|(version, _)| version);
        Ok(found.or_else(oldest).unwrap_or(history.head()).clone())
    }

    fn tell_report(&self, report: &ReportRow, map: &LiveMap) {
        let (severity, text) = match &report.outcome {
            Outcome::Made { findings, .. } => (
                Severity::Info,
                format!(
                    "report {} by {}: {findings} findings",
                    report.id, report.schedule
                ),
            ),
            Outcome::Failed { reason } => (
                Severity::Warning,
                format!("no report by {}: {reason}", report.schedule),
            ),
        };
        let message = Message {
            id: 0,
            severity,
            source: "Netwright".into(),
            text: text.into(),
            at: report.due,
            received_at: report.made_at,
            objects: Vec::new(),
            context: None,
            viewed: false,
        };
        if let Err(error) = map.tell(vec![message]) {
            tracing::warn!(%error, report = report.id, "cannot keep the message of a report");
        }
    }

    pub(crate) fn report_path(&self, id: u64) -> PathBuf {
        self.dir.join("reports").join(id.to_string())
    }

    fn forget_texts(&self, gone: &[ReportRow]) {
        for row in gone {
            if matches!(row.outcome, Outcome::Made { .. }) {
                journal::file::remove(&self.report_path(row.id));
            }
        }
    }
}

pub(crate) fn none(id: u64) -> InventoryError {
    InventoryError::None {
        what: "report",
        id: id.to_string(),
    }
}

#[cfg(test)]
mod tests;
