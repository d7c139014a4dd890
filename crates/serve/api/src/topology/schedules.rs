//! What comes again: scans and reports, by cron patterns.

use super::access::{Asker, object_ref, segment};
use super::error::MapError;
use super::scans::start_of;
use super::{blocking, parse};
use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::{Right, Sight};
use inventory::{About, Action, ReportOrder, Scheduled, origin};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{Environment, ReportFormat, Schedule};

/// A schedule as it is told. Where a report is sent may be a secret, and is told whole to operators only.
fn told(asker: &Asker, row: &Scheduled, next: Option<Timestamp>) -> Value {
    let mut told = json!(row);
    told["next"] = json!(next);
    if let Action::Report {
        report: ReportOrder {
            post_to: Some(address),
            ..
        },
    } = &row.action
        && asker.operator().is_err()
    {
        told["report"]["post_to"] = json!(origin(address));
    }
    told
}

pub(super) async fn list(asker: Asker) -> Json<Value> {
    let rows: Vec<Value> = asker
        .inventory
        .schedules()
        .iter()
        .filter(|(row, _)| asker.sight(&row.environment) == Sight::All)
        .map(|(row, next)| told(&asker, row, *next))
        .collect();
    Json(json!({"schedules": rows}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleBody {
    name: String,
    environment: Environment,
    /// Minute, hour, day of month, month, weekday.
    pattern: String,
    #[serde(default = "utc")]
    zone: String,
    #[serde(default)]
    paused: bool,
    /// Of a scan: `type/id` to start at.
    #[serde(default)]
    start: Option<String>,
    /// Of a scan: name its version.
    #[serde(default)]
    snapshot: bool,
    /// Make a report instead of a scan.
    #[serde(default)]
    report: Option<ReportBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportBody {
    of: Of,
    /// Of changes: the version to compare with; the last report's if absent.
    #[serde(default)]
    since: Option<String>,
    /// Of an impact: `type/id`.
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    format: ReportFormat,
    #[serde(default = "month")]
    keep: usize,
    #[serde(default)]
    post_to: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Changes,
    Impact,
    Inventory,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn month() -> usize {
    31
}

impl ReportBody {
    fn order(self) -> Result<ReportOrder, MapError> {
        let objects = self.objects.iter().map(|key| object_ref(key));
        let objects: Vec<_> = objects.collect::<Result<_, _>>()?;
        let about = match (self.of, self.since, objects.is_empty()) {
            (Of::Changes, since, true) => About::Changes { since },
            (Of::Impact, None, _) => About::Impact { objects },
            (Of::Inventory, None, true) => About::Inventory,
            _ => {
                return Err(MapError::Malformed(
                    "'since' is for a report of changes, 'objects' for one of an impact".to_owned(),
                ));
            }
        };
        Ok(ReportOrder {
            about,
            format: self.format,
            keep: self.keep,
            post_to: self.post_to,
        })
    }
}

impl ScheduleBody {
    fn scheduled(self) -> Result<Scheduled, MapError> {
        if self.name.trim().is_empty() || self.name.len() > 255 {
            return Err(MapError::Malformed(
                "a schedule's name has 1 to 255 characters".to_owned(),
            ));
        }
        let action = match (self.report, self.start, self.snapshot) {
            (Some(report), None, false) => Action::Report {
                report: report.order()?,
            },
            (None, start, snapshot) => Action::Scan {
                start: start_of(&self.environment, start.as_deref())?,
                snapshot,
            },
            _ => {
                return Err(MapError::Malformed(
                    "'start' and 'snapshot' are of a scan; a schedule scans or reports".to_owned(),
                ));
            }
        };
        Ok(Scheduled {
            environment: self.environment,
            action,
            schedule: Schedule {
                name: self.name.into(),
                pattern: self.pattern,
                zone: self.zone,
                paused: self.paused,
                since: Timestamp::now(),
            },
        })
    }
}

pub(super) async fn add(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    let body: ScheduleBody = parse(&headers, body).await?;
    asker.need(&body.environment, Right::Scan)?;
    let schedule = put(&asker, body, false).await?;
    Ok((StatusCode::CREATED, schedule))
}

pub(super) async fn change(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    let body: ScheduleBody = parse(&headers, body).await?;
    let name: String = segment(&values, "name")?;
    if body.name != name {
        return Err(MapError::Malformed("a schedule keeps its name".to_owned()));
    }
    may_post(&asker, &known(&asker, &name)?)?;
    asker.need(&body.environment, Right::Scan)?;
    put(&asker, body, true).await
}

async fn put(asker: &Asker, body: ScheduleBody, replace: bool) -> Result<Json<Value>, MapError> {
    let schedule = body.scheduled()?;
    may_post(asker, &schedule)?;
    let answer = json!({"schedule": told(asker, &schedule, None)});
    let inventory = asker.inventory.clone();
    blocking(move || inventory.put_schedule(schedule, replace)).await?;
    Ok(Json(answer))
}

/// What the controller sends somewhere reaches where the asker may not: only operators say where.
fn may_post(asker: &Asker, row: &Scheduled) -> Result<(), MapError> {
    match &row.action {
        Action::Report { report } if report.post_to.is_some() => asker.operator(),
        _ => Ok(()),
    }
}

/// The schedule of this name, if the asker may change it as it is now.
fn known(asker: &Asker, name: &str) -> Result<Scheduled, MapError> {
    let mut rows = asker.inventory.schedules().into_iter().map(|(row, _)| row);
    let row = rows.find(|row| row.schedule.name.as_ref() == name);
    match row.filter(|row| asker.sight(&row.environment) == Sight::All) {
        Some(row) => asker.need(&row.environment, Right::Scan).map(|()| row),
        None => Err(MapError::NotFound {
            what: "schedule",
            id: name.to_owned(),
        }),
    }
}

pub(super) async fn remove(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    let name: String = segment(&values, "name")?;
    known(&asker, &name)?;
    let inventory = asker.inventory.clone();
    blocking(move || inventory.remove_schedule(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// From now on its due times pass.
pub(super) async fn pause(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<Json<Value>, MapError> {
    set_paused(&asker, &segment::<String>(&values, "name")?, true).await
}

/// It runs again at its due times; those that passed are not made up for.
pub(super) async fn resume(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<Json<Value>, MapError> {
    set_paused(&asker, &segment::<String>(&values, "name")?, false).await
}

async fn set_paused(asker: &Asker, name: &str, paused: bool) -> Result<Json<Value>, MapError> {
    let mut row = known(asker, name)?;
    row.schedule.paused = paused;
    row.schedule.since = Timestamp::now();
    let answer = json!({"schedule": told(asker, &row, None)});
    let inventory = asker.inventory.clone();
    blocking(move || inventory.put_schedule(row, true)).await?;
    Ok(Json(answer))
}

/// Does now what the schedule does when it is due.
pub(super) async fn run(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    let name: String = segment(&values, "name")?;
    known(&asker, &name)?;
    let inventory = asker.inventory.clone();
    blocking(move || inventory.run_schedule(&name)).await?;
    Ok(StatusCode::ACCEPTED)
}
