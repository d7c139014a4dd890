//! `GET /summary`: the cloud in one line of figures.

use crate::App;
use crate::live::Operator;
use crate::live::views::drops;
use axum::Json;
use axum::extract::State;
use model::PortStatus;
use operations::tables::{Hosts, Networks, Ports};
use serde_json::{Value, json};

pub(crate) async fn show(State(state): State<App>, _: Operator) -> Json<Value> {
    let snapshot = state.store.snapshot();
    let hosts = snapshot.len::<Hosts>();
    let up = snapshot
        .scan::<Hosts>(())
        .filter(|row| state.observed.is_up(&row.key))
        .count();
    let (mut active, mut down, mut build, mut error, mut dropped) = (0, 0, 0, 0, 0_u64);
    for row in snapshot.scan::<Ports>(()) {
        match row.value.status {
            PortStatus::Active => active += 1,
            PortStatus::Down => down += 1,
            PortStatus::Build => build += 1,
            PortStatus::Error => error += 1,
        }
        dropped += state.observed.port(row.value.id).as_ref().map_or(0, drops);
    }
    Json(json!({
        "revision": snapshot.revision(),
        "version": env!("CARGO_PKG_VERSION"),
        "hosts": {"up": up, "down": hosts - up},
        "networks": snapshot.len::<Networks>(),
        "ports": {"ACTIVE": active, "DOWN": down, "BUILD": build, "ERROR": error},
        "drops": dropped,
    }))
}
