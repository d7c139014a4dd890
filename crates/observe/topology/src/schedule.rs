//! Schedules: cron patterns in a time zone, and which runs are due.
//!
//! No clock: the caller gives the time and keeps the state. The state that comes back must be written together with the runs it decided on;
//! then each due time runs exactly once, over restarts too. Times missed while nobody asked become one run.

use croner::Cron;
use croner::parser::CronParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("'{pattern}' is not a cron pattern (minute hour day month weekday): {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("'{0}' is not a time zone: write a name such as Europe/Berlin or UTC")]
    Zone(String),
    #[error("'{0}' never comes due")]
    Never(String),
}

/// A schedule as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub name: Arc<str>,
    /// Minute, hour, day of month, month, weekday; or `@daily` and its like.
    pub pattern: String,
    /// IANA name.
    pub zone: String,
    #[serde(default)]
    pub paused: bool,
    /// From when on it counts: when it was made or changed.
    pub since: Timestamp,
}

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub schedule: Arc<str>,
    /// The time it was due, not the time it is run.
    pub at: Timestamp,
    /// Earlier due times this run stands for.
    pub missed: usize,
}

/// When each schedule last came due.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleState {
    last: BTreeMap<Arc<str>, Timestamp>,
}

/// Missed times are counted up to here.
const COUNTED: usize = 1_000;

impl Schedule {
    /// # Errors
    /// The pattern or the zone is wrong, or no time fits the pattern.
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.next_after(self.since).map(|_| ())
    }

    fn cron(&self) -> Result<(Cron, TimeZone), ScheduleError> {
        let cron =
            CronParser::new()
                .parse(&self.pattern)
                .map_err(|error| ScheduleError::Pattern {
                    pattern: self.pattern.clone(),
                    reason: error.to_string(),
                })?;
        let zone = TimeZone::get(&self.zone).map_err(|_| ScheduleError::Zone(self.zone.clone()))?;
        Ok((cron, zone))
    }

    /// The first due time after `time`.
    ///
    /// # Errors
    /// As [`Schedule::check`].
    pub fn next_after(&self, time: Timestamp) -> Result<Timestamp, ScheduleError> {
        let (cron, zone) = self.cron()?;
        let from: Zoned = time.to_zoned(zone);
        let next = cron
            .find_next_occurrence(&from, false)
            .map_err(|_| ScheduleError::Never(self.pattern.clone()))?;
        Ok(next.timestamp())
    }
}

impl ScheduleState {
    /// What is due at `now`, and the state to write with it. A wrong schedule is never due; a clock that steps back repeats nothing.
    #[must_use]
    pub fn due(&self, schedules: &[Schedule], now: Timestamp) -> (Vec<Due>, Self) {
        let mut state = Self::default();
        let mut due = Vec::new();
        for schedule in schedules {
            let last = self.last.get(&schedule.name).copied();
            let last = last.map_or(schedule.since, |last| last.max(schedule.since));
            let mut newest = None;
            let mut times = 0;
            let mut at = last;
            while let Ok(next) = schedule.next_after(at) {
                if next > now {
                    break;
                }
                newest = Some(next);
                at = next;
                times += 1;
                if times >= COUNTED {
                    // Long missed: skip ahead to the last one before now.
                    newest = last_before(schedule, now).or(newest);
                    break;
                }
            }
            state
                .last
                .insert(schedule.name.clone(), newest.unwrap_or(last));
            if let Some(at) = newest.filter(|_| !schedule.paused) {
                due.push(Due {
                    schedule: schedule.name.clone(),
                    at,
                    missed: times - 1,
                });
            }
        }
        due.sort_by(|a, b| (a.at, &a.schedule).cmp(&(b.at, &b.schedule)));
        (due, state)
    }

    /// When the next of these schedules comes due: when to ask again.
    pub fn next(&self, schedules: &[Schedule]) -> Option<Timestamp> {
        let active = schedules.iter().filter(|schedule| !schedule.paused);
        active
            .filter_map(|schedule| {
                let last = self.last.get(&schedule.name).copied();
                schedule
                    .next_after(last.map_or(schedule.since, |last| last.max(schedule.since)))
                    .ok()
            })
            .min()
    }
}

fn last_before(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let (cron, zone) = schedule.cron().ok()?;
    let last = cron
        .find_previous_occurrence(&now.to_zoned(zone), true)
        .ok()?;
    Some(last.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(pattern: &str, zone: &str, since: &str) -> Schedule {
        Schedule {
            name: "weekly".into(),
            pattern: pattern.into(),
            zone: zone.into(),
            paused: false,
            since: time(since),
        }
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn sunday_midnight_is_local_midnight_on_both_sides_of_a_clock_change() {
        let schedule = schedule("0 0 * * SUN", "Europe/Berlin", "2026-03-26T00:00:00Z");
        let first = schedule.next_after(schedule.since).expect("due");
        assert_eq!(first, time("2026-03-28T23:00:00Z"));
        let second = schedule.next_after(first).expect("due");
        assert_eq!(second, time("2026-04-04T22:00:00Z"));
    }

    #[test]
    fn missed_times_are_one_run_and_a_restart_repeats_nothing() {
        let schedules = [schedule("*/10 * * * *", "UTC", "2026-01-01T00:00:00Z")];
        let start = ScheduleState::default();
        let (due, state) = start.due(&schedules, time("2026-01-01T00:35:00Z"));
        assert_eq!(due.len(), 1);
        assert_eq!(
            (due[0].at, due[0].missed),
            (time("2026-01-01T00:30:00Z"), 2)
        );
        let written = serde_json::to_string(&state).expect("state is JSON");
        let state: ScheduleState = serde_json::from_str(&written).expect("state is JSON");
        let (due, _) = state.due(&schedules, time("2026-01-01T00:35:01Z"));
        assert!(due.is_empty());
        let (due, _) = state.due(&schedules, time("2025-12-31T00:00:00Z"));
        assert!(due.is_empty(), "the clock stepped back");
        assert_eq!(state.next(&schedules), Some(time("2026-01-01T00:40:00Z")));
    }

    #[test]
    fn wrong_schedules_say_what_is_wrong() {
        let fault = |pattern, zone| schedule(pattern, zone, "2026-01-01T00:00:00Z").check();
        assert!(matches!(
            fault("61 * * * *", "UTC"),
            Err(ScheduleError::Pattern { .. })
        ));
        assert!(matches!(
            fault("0 0 * * *", "Mars/Base"),
            Err(ScheduleError::Zone(_))
        ));
        assert!(matches!(
            fault("0 0 30 2 *", "UTC"),
            Err(ScheduleError::Never(_))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn however_often_it_is_asked_each_time_runs_once(steps in prop::collection::vec(1i64..5_000, 1..30)) {
            let schedules = [schedule("*/15 * * * *", "UTC", "2026-01-01T00:00:00Z")];
            let mut state = ScheduleState::default();
            let mut now = schedules[0].since;
            let mut covered = 0;
            for step in steps {
                now = Timestamp::from_second(now.as_second() + step).expect("in range");
                let (due, next) = state.due(&schedules, now);
                covered += due.iter().map(|due| due.missed + 1).sum::<usize>();
                state = next;
            }
            let passed = (now.as_second() - schedules[0].since.as_second()) / (15 * 60);
            prop_assert_eq!(covered as i64, passed);
        }
    }
}
