//! `GET /networks`: pages of networks, ordered by name.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::page::{Marker, page};
use crate::live::params::Params;
use crate::live::search::Needle;
use crate::live::views::{self, NetworkView};
use axum::Json;
use axum::extract::{RawQuery, State};
use operations::tables::Networks;
use serde_json::{Value, json};

pub(crate) async fn list(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let needle: Option<Needle> = params.take("q")?;
    let marker: Option<Marker> = params.take("marker")?;
    let limit = params.limit(100, 1000)?;
    params.done()?;
    let snapshot = state.store.snapshot();
    let rows = snapshot
        .scan::<Networks>(())
        .filter(|row| {
            needle
                .as_ref()
                .is_none_or(|needle| needle.in_network(&row.value).is_some())
        })
        .collect();
    let page = page(
        rows,
        |row| (row.value.meta.name.as_str(), row.value.id.to_string()),
        marker.as_ref(),
        limit,
    )?;
    let networks: Vec<NetworkView> = page
        .items
        .iter()
        .map(|row| views::network(&snapshot, &row.value))
        .collect();
    Ok(Json(
        json!({"networks": networks, "next": page.next, "total": page.total}),
    ))
}
