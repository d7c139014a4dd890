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
        self.valid_for
            .is_some_and(|seconds| now.as_second() - self.at.as_second() > i64::from(seconds))
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
}

impl Status {
    /// Takes a result in; false if a newer one of the same check is known.
    pub(crate) fn take(&mut self, result: &CheckResult, parts: usize) -> bool {
        let part = match &result.target {
            Target::Object { part, .. } => part.clone(),
            Target::Link(_) => None,
        };
        let name: Arc<str> = match &part {
            Some(part) => format!("{}#{part}", result.check).into(),
            None => result.check.clone(),
        };
        if self
            .checks
            .get(&name)
            .is_some_and(|check| check.at > result.at)
        {
            return false;
        }
        self.parts = parts;
        if result.withdrawn {
            return self.checks.remove(&name).is_some();
        }
        let check = Check {
            level: result.level,
            text: result.text.clone(),
            at: result.at,
            source: result.source.clone(),
            valid_for: result.valid_for,
            part,
        };
        self.checks.insert(name, check.clone()) != Some(check)
    }

    /// What the checks say together. One bad check is enough; of parts, a failing one is a warning as long as another is not failing.
    pub fn level(&self) -> StatusLevel {
        self.level_of(|_| true)
    }

    /// As [`Status::level`], counting only what still holds at `now`; unknown when nothing does.
    pub fn level_at(&self, now: Timestamp) -> StatusLevel {
        self.level_of(|check| !check.is_stale(now))
    }

    fn level_of(&self, counts: impl Fn(&Check) -> bool) -> StatusLevel {
        let checks = || self.checks.values().filter(|check| counts(check));
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

    /// The check that decides, newest first among equals: the evidence to show.
    pub fn deciding(&self) -> Option<(&Arc<str>, &Check)> {
        self.checks
            .iter()
            .max_by_key(|(_, check)| (check.level, check.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(part: Option<&str>, level: StatusLevel, second: i64) -> CheckResult {
        CheckResult {
            target: Target::Object {
                object: ObjectRef::new("otep", "o").expect("valid"),
                part: part.map(Into::into),
            },
            check: "ping".into(),
            level,
            text: "text".into(),
            at: Timestamp::from_second(second).expect("in range"),
            source: "test".into(),
            valid_for: Some(10),
            withdrawn: false,
        }
    }

    #[test]
    fn a_failing_part_is_a_warning_until_all_fail() {
        let mut status = Status::default();
        status.take(&result(Some("a"), StatusLevel::Error, 1), 2);
        assert_eq!(status.level(), StatusLevel::Warning);
        status.take(&result(Some("b"), StatusLevel::Error, 1), 2);
        assert_eq!(status.level(), StatusLevel::Error);
        status.take(&result(Some("b"), StatusLevel::Ok, 2), 2);
        assert_eq!(status.level(), StatusLevel::Warning);
    }

    #[test]
    fn nothing_is_healthy_without_fresh_evidence() {
        let mut status = Status::default();
        assert_eq!(status.level(), StatusLevel::Unknown);
        status.take(&result(None, StatusLevel::Ok, 100), 0);
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(status.level_at(at(105)), StatusLevel::Ok);
        assert_eq!(status.level_at(at(111)), StatusLevel::Unknown);
    }

    #[test]
    fn a_late_result_does_not_overwrite_a_newer_one() {
        let mut status = Status::default();
        assert!(status.take(&result(None, StatusLevel::Error, 5), 0));
        assert!(!status.take(&result(None, StatusLevel::Ok, 4), 0));
        assert_eq!(status.level(), StatusLevel::Error);
    }
}
