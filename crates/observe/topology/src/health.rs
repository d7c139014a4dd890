//! Health: what checks and alerts say of objects and links, with time and evidence, and how it adds up.
//!
//! Nothing is ever shown healthy without evidence: no check is `unknown`, and a check older than it is valid for is stale. The level of
//! an object is what its own checks say; what its surroundings mean for it is worked out when asked, never stored.

use crate::{LinkKey, ObjectRef};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// From best to worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum StatusLevel {
    Ok,
    #[default]
    Unknown,
    Warning,
    Error,
}

impl StatusLevel {
    /// As Nagios, Sensu and their kind number it: 0 fine, 1 warning, 2 error, anything else unknown.
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Warning,
            2 => Self::Error,
            _ => Self::Unknown,
        }
    }

    pub fn code(self) -> i64 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Error => 2,
            Self::Unknown => 3,
        }
    }

    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "Warning",
            Self::Error => "Error",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for StatusLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        })
    }
}

impl FromStr for StatusLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ok" => Ok(Self::Ok),
            "warning" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            "unknown" => Ok(Self::Unknown),
            _ => Err(format!("status '{text}': ok, warning, error or unknown")),
        }
    }
}

/// What a check result speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Object {
        object: ObjectRef,
        /// One element of what its type declares as its parts.
        part: Option<Arc<str>>,
    },
    Link(LinkKey),
}

/// One result of one check, or one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub target: Target,
    /// Name of the check; a later result of the same name on the same target replaces this one.
    pub check: Arc<str>,
    pub level: StatusLevel,
    /// The evidence: what the check printed.
    pub text: Arc<str>,
    pub at: Timestamp,
    /// The system that ran it.
    pub source: Arc<str>,
    /// Seconds after which this says nothing any more.
    pub valid_for: Option<u32>,
    /// Takes the check away, as a resolved alert does.
    #[serde(default)]
    pub withdrawn: bool,
}

/// The last result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub level: StatusLevel,
    pub text: Arc<str>,
    pub at: Timestamp,
    pub source: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Arc<str>>,
}

impl Check {
    /// Is it too old to count at `now`?
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.stale_from().is_some_and(|from| now >= from)
    }

    /// The first time at which it no longer counts.
    fn stale_from(&self) -> Option<Timestamp> {
        let second = self.at.as_second() + i64::from(self.valid_for?) + 1;
        Timestamp::from_second(second).ok()
    }
}

/// All checks of one object or link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// By name, with the part behind a `#` where there is one.
    pub checks: BTreeMap<Arc<str>, Check>,
    /// How many parts there are, known when the last result came; 0 if the type has none.
    #[serde(default)]
    pub parts: usize,
    /// When checks were taken away, by name: a result from before that comes late does not bring one back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    withdrawn: BTreeMap<Arc<str>, Timestamp>,
}

/// What became of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is known, or something newer is.
    Late,
    /// It says what the last result of its check said, which still held.
    Renewed,
    Changed,
}

/// Withdrawals an object or link remembers; of more, the oldest are forgotten.
const WITHDRAWALS: usize = 64;

impl Status {
    /// Takes a result in at `now`. One dated later is of now: else nothing could replace it for as long as its clock is ahead.
    pub(crate) fn take(&mut self, result: &CheckResult, parts: usize, now: Timestamp) -> Taken {
        let at = result.at.min(now);
        let part = match &result.target {
            Target::Object { part, .. } => part.clone(),
            Target::Link(_) => None,
        };
        let name: Arc<str> = match &part {
            Some(part) => format!("{}#{part}", result.check).into(),
            None => result.check.clone(),
        };
        let newer = self
            .checks
            .get(&name)
            .is_some_and(|check| check.at > at && check.at <= now);
        if newer || self.withdrawn.get(&name).is_some_and(|gone| *gone >= at) {
            return Taken::Late;
        }
        self.parts = parts;
        if result.withdrawn {
            let known = self.checks.remove(&name).is_some();
            self.remember_withdrawal(name, at);
            return if known {
                Taken::Changed
            } else {
                Taken::Renewed
            };
        }
        self.withdrawn.remove(&name);
        let check = Check {
            level: result.level,
            text: result.text.clone(),
            at,
            source: result.source.clone(),
            valid_for: result.valid_for,
            part,
        };
        match self.checks.insert(name, check.clone()) {
            Some(last) if last == check => Taken::Late,
            Some(last) if last.level == check.level && !last.is_stale(now) => Taken::Renewed,
            _ => Taken::Changed,
        }
    }

    fn remember_withdrawal(&mut self, name: Arc<str>, at: Timestamp) {
        self.withdrawn.insert(name, at);
        if self.withdrawn.len() > WITHDRAWALS {
            let oldest = self.withdrawn.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.withdrawn.remove(&oldest);
            }
        }
    }

    /// Nothing is known, not even that something is no longer said.
    pub(crate) fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.withdrawn.is_empty()
    }

    /// What the checks that still hold at `now` say together; unknown when none does. One bad check is enough; of parts, a failing one is
    /// a warning as long as another is not failing.
    pub fn level(&self, now: Timestamp) -> StatusLevel {
        let checks = || self.checks.values().filter(|check| !check.is_stale(now));
        let whole = checks()
            .filter(|check| check.part.is_none())
            .map(|check| check.level)
            .max();
        let parts: BTreeMap<&str, StatusLevel> = checks()
            .filter_map(|check| Some((check.part.as_deref()?, check.level)))
            .fold(BTreeMap::new(), |mut worst, (part, level)| {
                let known = worst.entry(part).or_insert(level);
                *known = (*known).max(level);
                worst
            });
        let failing = parts.values().filter(|l| **l == StatusLevel::Error).count();
        let parts = match parts.values().max() {
            None => None,
            Some(StatusLevel::Error) if failing >= self.parts.max(parts.len()) => {
                Some(StatusLevel::Error)
            }
            Some(StatusLevel::Error) => Some(StatusLevel::Warning),
            Some(level) => Some(*level),
        };
        whole.max(parts).unwrap_or_default()
    }

    /// Does the level change by the mere passing of time?
    pub(crate) fn expires(&self) -> bool {
        self.checks.values().any(|check| check.valid_for.is_some())
    }

    /// When the next check that holds at `now` stops to.
    pub(crate) fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let holding = self.checks.values().filter(|check| !check.is_stale(now));
        holding.filter_map(Check::stale_from).min()
    }

    /// The check that decides at `now`, newest first among equals: the evidence to show.
    pub fn deciding(&self, now: Timestamp) -> Option<(&Arc<str>, &Check)> {
        self.checks
            .iter()
            .filter(|(_, check)| !check.is_stale(now))
            .max_by_key(|(_, check)| (check.level, check.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn result(part: Option<&str>, level: StatusLevel, second: i64) -> CheckResult {
        CheckResult {
            target: Target::Object {
                object: ObjectRef::new("otep", "o").expect("valid"),
                part: part.map(Into::into),
            },
            check: "ping".into(),
            level,
            text: "text".into(),
            at: at(second),
            source: "test".into(),
            valid_for: Some(10),
            withdrawn: false,
        }
    }

    #[test]
    fn a_failing_part_is_a_warning_until_all_fail() {
        let mut status = Status::default();
        status.take(&result(Some("a"), StatusLevel::Error, 1), 2, at(5));
        assert_eq!(status.level(at(5)), StatusLevel::Warning);
        status.take(&result(Some("b"), StatusLevel::Error, 1), 2, at(5));
        assert_eq!(status.level(at(5)), StatusLevel::Error);
        status.take(&result(Some("b"), StatusLevel::Ok, 2), 2, at(5));
        assert_eq!(status.level(at(5)), StatusLevel::Warning);
    }

    #[test]
    fn nothing_is_healthy_without_fresh_evidence() {
        let mut status = Status::default();
        assert_eq!(status.level(at(100)), StatusLevel::Unknown);
        status.take(&result(None, StatusLevel::Ok, 100), 0, at(100));
        assert_eq!(status.level(at(110)), StatusLevel::Ok);
        assert_eq!(status.next_expiry(at(110)), Some(at(111)));
        assert_eq!(status.level(at(111)), StatusLevel::Unknown);
        assert_eq!(status.deciding(at(111)), None);
    }

    #[test]
    fn a_late_result_does_not_overwrite_a_newer_one() {
        let mut status = Status::default();
        let taken = status.take(&result(None, StatusLevel::Error, 5), 0, at(5));
        assert_eq!(taken, Taken::Changed);
        let taken = status.take(&result(None, StatusLevel::Ok, 4), 0, at(5));
        assert_eq!(taken, Taken::Late);
        assert_eq!(status.level(at(5)), StatusLevel::Error);
    }
}
