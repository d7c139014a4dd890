//! Results as Sensu posts them, of its first generation (`client`, `check`) and of Sensu Go (`entity`, `check.metadata`).

use super::{MonitoringError, resolve};
use crate::health::{CheckResult, StatusLevel};
use crate::version::Version;
use jiff::Timestamp;
use serde_json::Value;

/// A result counts for this many of its check's intervals.
const INTERVALS: u64 = 3;

/// # Errors
/// A field is missing, or the check's name means nothing on this version.
pub fn sensu_result(version: &Version, event: &Value) -> Result<CheckResult, MonitoringError> {
    let missing = |field, expected| MonitoringError::Field { field, expected };
    let check = event.get("check").ok_or(missing("check", "a map"))?;
    let name = check
        .get("name")
        .or_else(|| check.pointer("/metadata/name"))
        .and_then(Value::as_str)
        .ok_or(missing("check.name", "a text"))?;
    let status = check
        .get("status")
        .and_then(Value::as_i64)
        .ok_or(missing("check.status", "a whole number"))?;
    let executed = check
        .get("executed")
        .and_then(Value::as_i64)
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or(missing("check.executed", "a time in seconds since 1970"))?;
    let number = |field: &str| check.get(field).and_then(Value::as_u64).filter(|n| *n > 0);
    let valid_for =
        number("ttl").or_else(|| number("interval").map(|i| i.saturating_mul(INTERVALS)));
    Ok(CheckResult {
        target: resolve(version, name)?,
        check: "sensu".into(),
        level: StatusLevel::from_code(status),
        text: check
            .get("output")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim_end()
            .into(),
        at: executed,
        source: "Sensu".into(),
        valid_for: valid_for.and_then(|seconds| u32::try_from(seconds).ok()),
        withdrawn: false,
    })
}
