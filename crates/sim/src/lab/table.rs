//! The table a demo ends with: what was shown, whether it held, how long it took.

use serde::Serialize;
use std::fmt;
use std::time::Duration;

#[derive(Debug, Serialize)]
struct Line {
    check: String,
    passed: bool,
    /// How long the thing itself took, where that means something.
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
    detail: String,
}

/// Checks in the order they were made.
#[derive(Debug, Default, Serialize)]
pub struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Adds the outcome of one check: a detail if it held, the reason if not. Progress goes to standard error.
    pub fn add(
        &mut self,
        check: impl Into<String>,
        time: Option<Duration>,
        outcome: anyhow::Result<String>,
    ) {
        let passed = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|error| format!("{error:#}"));
        let milliseconds = time.map(|time| time.as_secs_f64() * 1e3);
        let line = Line {
            check: check.into(),
            passed,
            milliseconds,
            detail,
        };
        eprintln!("  {line}");
        self.lines.push(line);
    }

    pub fn all_passed(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.passed)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "ok" } else { "FAILED" };
        let time = self
            .milliseconds
            .map(|ms| format!("{ms:.1} ms"))
            .unwrap_or_default();
        write!(
            f,
            "{verdict:<6} {:<58} {time:>12}  {}",
            self.check, self.detail
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<6} {:<58} {:>12}  detail", "", "check", "time")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
