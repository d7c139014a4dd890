//! `GET /plans/{host}`: what a host should have. `GET /explain`: the rows a unit was computed from.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::params::Params;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use model::HostName;
use operations::tables::Hosts;
use plan::UnitKey;
use serde_json::{Map, Value, json};

pub(crate) async fn show(
    State(state): State<App>,
    _: Operator,
    Path(host): Path<String>,
) -> Result<Json<Value>, LiveError> {
    let snapshot = state.store.snapshot();
    let name = host
        .parse::<HostName>()
        .ok()
        .filter(|name| snapshot.get::<Hosts>(name).is_some())
        .ok_or(LiveError::NotFound {
            what: "Host",
            id: host,
        })?;
    let (revision, plan) = state.observed.planner(&snapshot, |planner| {
        (planner.revision(), planner.host_plan(&name))
    });
    let units: Map<String, Value> = plan
        .iter()
        .map(|(key, unit)| (key.to_string(), json!(unit)))
        .collect();
    Ok(Json(json!({"revision": revision, "units": units})))
}

pub(crate) async fn explain(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let key: UnitKey = params.need("unit")?;
    params.done()?;
    let snapshot = state.store.snapshot();
    let (unit, rows) = state.observed.planner(&snapshot, |planner| {
        (planner.unit(&key), planner.explain(&key))
    });
    let unit = unit.ok_or_else(|| LiveError::NotFound {
        what: "Unit",
        id: key.to_string(),
    })?;
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{}/{}", row.table, row.path))
        .collect();
    Ok(Json(json!({"unit": unit, "rows": rows})))
}
