//! Scheduled scans: cron patterns in time zones, each due time once, also over restarts.
//!
//! The state of the schedules and the scans they start are written together, so that neither a crash nor a restart between them runs a
//! time twice or never.

use crate::kept::Kept;
use crate::scans::ScanRequest;
use crate::{Inner, InventoryError, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use topology::{Environment, ObjectKey, Schedule, ScheduleState};

/// A scan that comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanSchedule {
    #[serde(flatten)]
    pub schedule: Schedule,
    pub environment: Environment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<ObjectKey>,
    /// Name each result as a snapshot: the schedule's name and the due time.
    #[serde(default)]
    pub snapshot: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    rows: Vec<ScanSchedule>,
    state: ScheduleState,
    /// Due and decided on, not yet entered among the scans: what a crash in between leaves to be done.
    due: Vec<ScanDue>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ScanDue {
    schedule: Arc<str>,
    at: Timestamp,
}

pub(crate) type Schedules = Kept<Book>;

/// The clock is looked at this often at least, for it may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Inner {
    /// The schedules, each with its next time.
    pub(crate) fn list_schedules(&self) -> Vec<(ScanSchedule, Option<Timestamp>)> {
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

    /// Adds a schedule, or replaces the one of its name if `replace`.
    pub(crate) fn put_schedule(&self, schedule: ScanSchedule, replace: bool) -> Result<()> {
        self.config(&schedule.environment)?;
        schedule.schedule.check()?;
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

    /// Runs what comes due, until the process ends.
    pub(crate) async fn run_schedules(self: Arc<Self>) {
        loop {
            if let Err(error) = self.run_due(Timestamp::now()) {
                tracing::warn!(%error, "cannot run what is due; trying again");
            }
            let wait = self.until_next(Timestamp::now());
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

    /// Decides what is due, then enters it among the scans; each step is written before the next.
    pub(crate) fn run_due(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        self.schedules.change(|book| {
            let schedules: Vec<Schedule> =
                book.rows.iter().map(|row| row.schedule.clone()).collect();
            let (due, state) = book.state.due(&schedules, now);
            book.state = state;
            book.due.extend(due.into_iter().map(|due| ScanDue {
                schedule: due.schedule,
                at: due.at,
            }));
            Ok(())
        })?;
        for due in self.schedules.read(|book| book.due.clone()) {
            self.enter_due(&due)?;
            self.schedules.change(|book| {
                book.due
                    .retain(|kept| kept.schedule != due.schedule || kept.at != due.at);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn enter_due(self: &Arc<Self>, due: &ScanDue) -> Result<()> {
        let row = self.schedules.read(|book| {
            let mut rows = book.rows.iter();
            rows.find(|row| row.schedule.name == due.schedule).cloned()
        });
        let Some(row) = row else { return Ok(()) };
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
            start: row.start.clone(),
            schedule: Some(due.schedule.clone()),
            snapshot: row.snapshot.then_some(label),
        };
        match self.submit(request) {
            // The environment went away, or too many wait: this time is lost, and said so.
            Err(error @ (InventoryError::NoEnvironment(_) | InventoryError::TooManyScans(_))) => {
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
    use crate::schedules::ScanSchedule;
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
            let row = ScanSchedule {
                schedule,
                environment,
                start: None,
                snapshot: true,
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
        assert_eq!(inventory.scans(None).len(), 1, "four Sundays were missed, one run stands for them");
        drop(inventory);
        let inventory = scheduled(dir.path(), since);
        inventory.0.run_due(now).expect("run after a restart");
        assert_eq!(inventory.scans(None).len(), 1);
        let later = now + SignedDuration::from_hours(24 * 7);
        inventory.0.run_due(later).expect("run a week later");
        assert_eq!(inventory.scans(None).len(), 2);
    }
}
