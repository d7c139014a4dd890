//! Schedules: cron patterns in time zones that start scans and make reports; each due time once, also over restarts.
//!
//! The state of the schedules and what they started are written together, so that neither a crash nor a restart between them runs a
//! time twice or never.

use crate::kept::Kept;
use crate::reports::ReportOrder;
use crate::scans::ScanRequest;
use crate::{Inner, InventoryError, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use topology::{Environment, ObjectKey, Schedule, ScheduleState};

/// Something that comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    #[serde(flatten)]
    pub schedule: Schedule,
    pub environment: Environment,
    #[serde(flatten)]
    pub action: Action,
}

/// What a schedule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    Report {
        report: ReportOrder,
    },
    Scan {
        /// The object it starts at; absent for all of the environment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<ObjectKey>,
        /// Name each result as a snapshot: the schedule's name and the due time.
        #[serde(default)]
        snapshot: bool,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    rows: Vec<Scheduled>,
    state: ScheduleState,
    /// Due and decided on, not yet entered among the scans or reports: what a crash in between leaves to be done.
    due: Vec<RunDue>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RunDue {
    schedule: Arc<str>,
    at: Timestamp,
}

pub(crate) type Schedules = Kept<Book>;

/// The clock is looked at this often at least, for it may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long after a fault it is tried again, at the least.
const AFTER_FAULT: Duration = Duration::from_secs(5);

impl Inner {
    /// The schedules, each with its next time.
    pub(crate) fn list_schedules(&self) -> Vec<(Scheduled, Option<Timestamp>)> {
        let now = Timestamp::now();
        self.schedules.read(|book| {
            let rows = book.rows.iter();
            rows.map(|row| {
                let next = (!row.schedule.paused).then(|| row.schedule.next_after(now).ok());
                (row.clone(), next.flatten())
            })
            .collect()
        })
    }

    fn scheduled(&self, name: &str) -> Option<Scheduled> {
        self.schedules.read(|book| {
            let mut rows = book.rows.iter();
            rows.find(|row| row.schedule.name.as_ref() == name).cloned()
        })
    }

    /// Adds a schedule, or replaces the one of its name if `replace`.
    pub(crate) fn put_schedule(&self, schedule: Scheduled, replace: bool) -> Result<()> {
        self.config(&schedule.environment)?;
        schedule.schedule.check()?;
        if let Action::Report { report } = &schedule.action {
            report.check()?;
        }
        self.schedules.change(|book| {
            let name = &schedule.schedule.name;
            let at = book.rows.iter().position(|row| row.schedule.name == *name);
            match (at, replace) {
                (Some(at), true) => book.rows[at] = schedule,
                (None, false) => book.rows.push(schedule),
                (Some(_), false) => {
                    return Err(InventoryError::Exists {
                        what: "schedule",
                        id: name.to_string(),
                    });
                }
                (None, true) => return Err(none(name)),
            }
            Ok(())
        })?;
        self.schedule_changed.notify_one();
        Ok(())
    }

    pub(crate) fn remove_schedule(&self, name: &str) -> Result<()> {
        self.schedules.change(|book| {
            let before = book.rows.len();
            book.rows.retain(|row| row.schedule.name.as_ref() != name);
            if book.rows.len() == before {
                return Err(none(name));
            }
            Ok(())
        })
    }

    /// Schedules of an environment that went away.
    pub(crate) fn remove_schedules_of(&self, environment: &Environment) -> Result<()> {
        self.schedules.change(|book| {
            book.rows.retain(|row| row.environment != *environment);
            Ok(())
        })
    }

    /// Does what a schedule does, now, besides its due times.
    pub(crate) fn run_schedule(self: &Arc<Self>, name: &str, now: Timestamp) -> Result<()> {
        let row = self.scheduled(name).ok_or_else(|| none(name))?;
        self.schedules.change(|book| {
            book.due.push(RunDue {
                schedule: row.schedule.name,
                at: now,
            });
            Ok(())
        })?;
        self.enter_all_due(now)
    }

    /// Runs what comes due, until the process ends.
    pub(crate) async fn run_schedules(self: Arc<Self>) {
        loop {
            let inner = self.clone();
            let done = tokio::task::spawn_blocking(move || inner.run_due(Timestamp::now())).await;
            let mut wait = self.until_next(Timestamp::now());
            if let Ok(Err(error)) = done {
                tracing::warn!(%error, "cannot run what is due; trying again");
                // What is due stays due: without a pause a disk that is full would be asked without end.
                wait = wait.max(AFTER_FAULT);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.schedule_changed.notified() => {}
            }
        }
    }

    fn until_next(&self, now: Timestamp) -> Duration {
        let next = self.schedules.read(|book| {
            let schedules: Vec<Schedule> =
                book.rows.iter().map(|row| row.schedule.clone()).collect();
            book.state.next(&schedules)
        });
        let wait = next.map_or(LONGEST_WAIT, |next| {
            Duration::try_from(next.duration_since(now)).unwrap_or_default()
        });
        wait.min(LONGEST_WAIT)
    }

    /// Decides what is due, then does it; each step is written before the next.
    pub(crate) fn run_due(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        self.schedules.change(|book| {
            let schedules: Vec<Schedule> =
                book.rows.iter().map(|row| row.schedule.clone()).collect();
            let (due, state) = book.state.due(&schedules, now);
            book.state = state;
            book.due.extend(due.into_iter().map(|due| RunDue {
                schedule: due.schedule,
                at: due.at,
            }));
            Ok(())
        })?;
        self.enter_all_due(now)
    }

    fn enter_all_due(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        // One at a time: a due time that two see at once must not be entered by both.
        let _turn = self.entering.lock();
        for due in self.schedules.read(|book| book.due.clone()) {
            if let Some(row) = self.scheduled(&due.schedule) {
                match &row.action {
                    Action::Scan { start, snapshot } => {
                        self.enter_scan(&row, &due, start.clone(), *snapshot)?;
                    }
                    Action::Report { report } => self.make_report(&row, report, due.at, now)?,
                }
            }
            self.schedules.change(|book| {
                book.due.retain(|kept| *kept != due);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn enter_scan(
        self: &Arc<Self>,
        row: &Scheduled,
        due: &RunDue,
        start: Option<ObjectKey>,
        snapshot: bool,
    ) -> Result<()> {
        let label = format!("{} {}", due.schedule, due.at);
        // A crash after the scan was entered and before the due time was struck off leaves both.
        let entered = self.scan_book.read(|book| {
            book.rows.values().any(|scan| {
                scan.schedule.as_ref() == Some(&due.schedule)
                    && scan.submitted_at >= due.at
                    && scan.snapshot.as_ref().is_none_or(|name| *name == label)
            })
        });
        if entered {
            return Ok(());
        }
        let request = ScanRequest {
            environment: row.environment.clone(),
            start,
            schedule: Some(due.schedule.clone()),
            snapshot: snapshot.then_some(label),
        };
        match self.submit(request) {
            // The environment went away, too many wait, or the snapshot's name is taken: this time is lost, and said so.
            Err(
                error @ (InventoryError::NoEnvironment(_)
                | InventoryError::TooManyScans(_)
                | InventoryError::SnapshotName(_)
                | InventoryError::Map(_)),
            ) => {
                tracing::warn!(%error, schedule = %due.schedule, "a scheduled scan was not started");
                Ok(())
            }
            other => other.map(drop),
        }
    }
}

fn none(name: &str) -> InventoryError {
    InventoryError::None {
        what: "schedule",
        id: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Inventory;
    use crate::schedules::{Action, Scheduled};
    use discovery::environment::Credentials;
    use jiff::{SignedDuration, Timestamp};
    use std::path::Path;
    use topology::{Environment, Schedule};

    fn scheduled(dir: &Path, since: Timestamp) -> Inventory {
        let inventory = Inventory::open(dir).expect("an inventory");
        let environment = Environment::new("prod").expect("a name");
        if inventory.environments().is_empty() {
            let config = serde_json::from_str(r#"{"name": "prod"}"#).expect("a configuration");
            inventory
                .add_environment(config, &Credentials::default())
                .expect("added");
            let schedule = Schedule {
                name: "weekly".into(),
                pattern: "0 0 * * 0".to_owned(),
                zone: "Europe/Berlin".to_owned(),
                paused: false,
                since,
            };
            let action = Action::Scan {
                start: None,
                snapshot: true,
            };
            let row = Scheduled {
                schedule,
                environment,
                action,
            };
            inventory.put_schedule(row, false).expect("scheduled");
        }
        inventory
    }

    #[tokio::test]
    async fn a_due_time_runs_once_over_restarts_and_missed_ones_become_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let now = Timestamp::now();
        let since = now - SignedDuration::from_hours(24 * 30);
        let inventory = scheduled(dir.path(), since);
        inventory.0.run_due(now).expect("run");
        inventory.0.run_due(now).expect("run again");
        assert_eq!(
            inventory.scans(None).len(),
            1,
            "four Sundays were missed, one run stands for them"
        );
        drop(inventory);
        let inventory = scheduled(dir.path(), since);
        inventory.0.run_due(now).expect("run after a restart");
        assert_eq!(inventory.scans(None).len(), 1);
        let later = now + SignedDuration::from_hours(24 * 7);
        inventory.0.run_due(later).expect("run a week later");
        assert_eq!(inventory.scans(None).len(), 2);
    }
}
