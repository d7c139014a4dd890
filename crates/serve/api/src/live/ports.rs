//! `GET /ports` and `GET /ports/{id}`: ports with what is observed of them.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::page::{Marker, page};
use crate::live::params::Params;
use crate::live::search::Needle;
use crate::live::views::{self, PortDetail, PortView};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use model::{HostName, NetworkId, PortId, PortStatus};
use operations::tables::{BY_HOST, BY_ID, Ports};
use serde_json::{Value, json};
use std::str::FromStr;
use std::sync::Arc;
use store::{Row, Snapshot};

/// A `state` parameter.
struct Status(PortStatus);

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ACTIVE" => Ok(Self(PortStatus::Active)),
            "DOWN" => Ok(Self(PortStatus::Down)),
            "BUILD" => Ok(Self(PortStatus::Build)),
            "ERROR" => Ok(Self(PortStatus::Error)),
            other => Err(format!("'{other}' is none of ACTIVE, DOWN, BUILD, ERROR")),
        }
    }
}

pub(crate) async fn list(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let needle: Option<Needle> = params.take("q")?;
    let host: Option<HostName> = params.take("host")?;
    let network: Option<NetworkId> = params.take("network")?;
    let status: Option<Status> = params.take("state")?;
    let marker: Option<Marker> = params.take("marker")?;
    let limit = params.limit(100, 1000)?;
    params.done()?;
    let snapshot = state.store.snapshot();
    let rows = candidates(&snapshot, host.as_ref(), network)
        .into_iter()
        .filter(|row| network.is_none_or(|network| row.value.network_id == network))
        .filter(|row| {
            status
                .as_ref()
                .is_none_or(|status| row.value.status == status.0)
        })
        .filter(|row| {
            needle
                .as_ref()
                .is_none_or(|needle| needle.in_port(&row.value).is_some())
        })
        .collect();
    let page = page(
        rows,
        |row| (row.value.meta.name.as_str(), row.value.id.to_string()),
        marker.as_ref(),
        limit,
    )?;
    let ports: Vec<PortView> = page
        .items
        .iter()
        .map(|row| views::port(&state, &snapshot, &row.value))
        .collect();
    Ok(Json(
        json!({"ports": ports, "next": page.next, "total": page.total}),
    ))
}

fn candidates(
    snapshot: &Snapshot,
    host: Option<&HostName>,
    network: Option<NetworkId>,
) -> Vec<Arc<Row<Ports>>> {
    match (host, network) {
        (Some(host), _) => snapshot.lookup::<Ports>(BY_HOST, host.as_str()).collect(),
        (None, Some(network)) => snapshot.scan::<Ports>(&network).collect(),
        (None, None) => snapshot.scan::<Ports>(()).collect(),
    }
}

pub(crate) async fn show(
    State(state): State<App>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Json<PortDetail>, LiveError> {
    let snapshot = state.store.snapshot();
    let row = by_id(&snapshot, &id)?;
    Ok(Json(views::port_detail(&state, &snapshot, &row.value)))
}

pub(crate) fn by_id(snapshot: &Snapshot, id: &str) -> Result<Arc<Row<Ports>>, LiveError> {
    let parsed: Option<PortId> = id.parse().ok();
    parsed
        .and_then(|id| snapshot.lookup::<Ports>(BY_ID, &id.to_string()).next())
        .ok_or_else(|| LiveError::NotFound {
            what: "Port",
            id: id.to_owned(),
        })
}
