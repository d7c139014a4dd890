//! Scans and their schedules.

use super::access::{Asker, object_ref, segment};
use super::error::MapError;
use super::{blocking, parse};
use crate::live::params::Params;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::{Right, Sight};
use inventory::{ScanRequest, ScanRow, ScanSchedule};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{Environment, ObjectKey, Schedule};

pub(super) async fn list(asker: Asker, RawQuery(raw): RawQuery) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let environment: Option<Environment> = params.take("environment")?;
    let limit = params.limit(100, 1000)?;
    params.done()?;
    let scans: Vec<ScanRow> = asker
        .inventory
        .scans(environment.as_ref())
        .into_iter()
        .filter(|scan| asker.sight(&scan.environment) == Sight::All)
        .take(limit)
        .collect();
    Ok(Json(json!({"scans": scans})))
}

fn scan_of(
    asker: &Asker,
    values: &BTreeMap<String, String>,
    right: Right,
) -> Result<ScanRow, MapError> {
    let id: u64 = segment(values, "id")?;
    let missing = || MapError::NotFound {
        what: "scan",
        id: id.to_string(),
    };
    let scan = asker.inventory.scan(id)?;
    match asker.sight(&scan.environment) {
        Sight::All => asker.need(&scan.environment, right).map(|()| scan),
        _ => Err(missing()),
    }
}

pub(super) async fn show(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<Json<Value>, MapError> {
    let scan = scan_of(&asker, &values, Right::View)?;
    Ok(Json(json!({"scan": scan})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanBody {
    environment: Environment,
    /// `type/id` to start at; absent for everything.
    #[serde(default)]
    start: Option<String>,
    /// A name for the version the scan makes.
    #[serde(default)]
    snapshot: Option<String>,
}

fn start_of(environment: &Environment, start: Option<&str>) -> Result<Option<ObjectKey>, MapError> {
    let key = |text: &str| {
        let key = object_ref(text)?;
        Ok(ObjectKey {
            environment: environment.clone(),
            object_type: key.object_type,
            id: key.id,
        })
    };
    start.map(key).transpose()
}

pub(super) async fn submit(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    let body: ScanBody = parse(&headers, body).await?;
    asker.need(&body.environment, Right::Scan)?;
    let request = ScanRequest {
        start: start_of(&body.environment, body.start.as_deref())?,
        environment: body.environment,
        schedule: None,
        snapshot: body.snapshot,
    };
    let inventory = asker.inventory.clone();
    let scan = blocking(move || inventory.submit_scan(request)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"scan": scan}))))
}

pub(super) async fn cancel(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<Json<Value>, MapError> {
    let scan = scan_of(&asker, &values, Right::Scan)?;
    let inventory = asker.inventory.clone();
    let scan = blocking(move || inventory.cancel_scan(scan.id)).await?;
    Ok(Json(json!({"scan": scan})))
}

pub(super) async fn schedules(asker: Asker) -> Json<Value> {
    let rows: Vec<Value> = asker
        .inventory
        .schedules()
        .into_iter()
        .filter(|(row, _)| asker.sight(&row.environment) == Sight::All)
        .map(|(row, next)| {
            let mut told = json!(row);
            told["next"] = json!(next);
            told
        })
        .collect();
    Json(json!({"schedules": rows}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    name: String,
    environment: Environment,
    /// Minute, hour, day of month, month, weekday.
    pattern: String,
    #[serde(default = "utc")]
    zone: String,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    snapshot: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl ScheduleBody {
    fn schedule(self) -> Result<ScanSchedule, MapError> {
        if self.name.trim().is_empty() || self.name.len() > 255 {
            return Err(MapError::Malformed(
                "a schedule's name has 1 to 255 characters".to_owned(),
            ));
        }
        Ok(ScanSchedule {
            start: start_of(&self.environment, self.start.as_deref())?,
            environment: self.environment,
            snapshot: self.snapshot,
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

pub(super) async fn add_schedule(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    let body: ScheduleBody = parse(&headers, body).await?;
    asker.need(&body.environment, Right::Scan)?;
    let schedule = put(&asker, body, false).await?;
    Ok((StatusCode::CREATED, schedule))
}

pub(super) async fn change_schedule(
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
    known(&asker, &name)?;
    asker.need(&body.environment, Right::Scan)?;
    put(&asker, body, true).await
}

async fn put(asker: &Asker, body: ScheduleBody, replace: bool) -> Result<Json<Value>, MapError> {
    let schedule = body.schedule()?;
    let told = json!({"schedule": schedule});
    let inventory = asker.inventory.clone();
    blocking(move || inventory.put_schedule(schedule, replace)).await?;
    Ok(Json(told))
}

/// The asker may change the schedule of this name as it is now.
fn known(asker: &Asker, name: &str) -> Result<(), MapError> {
    let mut rows = asker.inventory.schedules().into_iter().map(|(row, _)| row);
    let row = rows.find(|row| row.schedule.name.as_ref() == name);
    match row.filter(|row| asker.sight(&row.environment) == Sight::All) {
        Some(row) => asker.need(&row.environment, Right::Scan),
        None => Err(MapError::NotFound {
            what: "schedule",
            id: name.to_owned(),
        }),
    }
}

pub(super) async fn remove_schedule(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    let name: String = segment(&values, "name")?;
    known(&asker, &name)?;
    let inventory = asker.inventory.clone();
    blocking(move || inventory.remove_schedule(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
