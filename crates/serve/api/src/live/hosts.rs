//! `GET /hosts`: every registered host with what is observed of it, ordered by name.

use crate::App;
use crate::live::Operator;
use crate::live::views::{self, HostView};
use axum::Json;
use axum::extract::State;
use operations::tables::Hosts;
use serde_json::{Value, json};

pub(crate) async fn list(State(state): State<App>, _: Operator) -> Json<Value> {
    let snapshot = state.store.snapshot();
    let hosts: Vec<HostView> = snapshot
        .scan::<Hosts>(())
        .map(|row| views::host(&state, &snapshot, &row.value))
        .collect();
    Json(json!({"hosts": hosts}))
}
