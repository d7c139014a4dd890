//! Scans: started, followed, cancelled.

use super::access::{Asker, object_ref, segment};
use super::error::MapError;
use super::{blocking, parse};
use crate::live::params::Params;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::{Right, Sight};
use inventory::{ScanRequest, ScanRow};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{Environment, ObjectKey};

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

pub(super) fn start_of(
    environment: &Environment,
    start: Option<&str>,
) -> Result<Option<ObjectKey>, MapError> {
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
    if let Some(start) = &body.start {
        let view = asker.view(body.environment.clone())?;
        view.seen(view.map.head()).find(start)?;
    }
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
