//! Versions: the list, and snapshots.

use super::access::{Asker, In, segment};
use super::error::MapError;
use super::{blocking, parse};
use crate::live::params::Params;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::Right;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{History, Version};

pub(super) async fn list(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment)?;
    let history = view.map.history();
    let named: bool = params.take("named")?.unwrap_or(false);
    let before: Option<u64> = params.take("before")?;
    let limit = params.limit(100, 1000)?;
    params.done()?;
    let wanted = |version: &Version| {
        before.is_none_or(|before| version.number < before)
            && (!named || history.label_of(version.number).is_some())
    };
    let rows: Vec<Value> = history
        .iter()
        .rev()
        .filter(|(version, _)| wanted(version))
        .take(limit)
        .map(|(version, _)| version_view(&history, version, view.sees_all()))
        .collect();
    Ok(Json(json!({"versions": rows, "total": history.len()})))
}

/// Totals are of the whole, and for those who see it.
fn version_view(history: &History, version: &Version, totals: bool) -> Value {
    let label = history.label_of(version.number);
    json!({
        "number": version.number,
        "at": version.at,
        "cause": version.cause.to_string(),
        "name": label.map(|label| &label.name),
        "pinned": label.is_some_and(|label| label.pinned),
        "objects": totals.then(|| version.object_count()),
        "links": totals.then(|| version.link_count()),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotBody {
    name: String,
    #[serde(default)]
    pinned: bool,
}

/// Names the present state.
pub(super) async fn snapshot(
    asker: Asker,
    In(environment): In,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    asker.need(&environment, Right::Scan)?;
    let view = asker.view(environment)?;
    let SnapshotBody { name, pinned } = parse(&headers, body).await?;
    let map = view.map.clone();
    let committed = blocking(move || map.snapshot(&name, pinned, Timestamp::now())).await?;
    let version = version_view(&view.map.history(), &committed.version, view.sees_all());
    Ok((StatusCode::CREATED, Json(json!({"version": version}))))
}

/// Deletes a version; the last one stays.
pub(super) async fn forget(
    asker: Asker,
    In(environment): In,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    asker.need(&environment, Right::Edit)?;
    let number: u64 = segment(&values, "number")?;
    let map = asker.view(environment)?.map;
    blocking(move || map.forget(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}
