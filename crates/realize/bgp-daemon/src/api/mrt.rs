//! MRT dumps on command.

use super::{Answer, Context, Refusal, body};
use crate::mrt;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Named {
    /// On the daemon's host.
    file: Option<PathBuf>,
}

pub(super) async fn dump(State(context): State<Context>, bytes: Bytes) -> Answer {
    let Named { file } = body(&bytes)?;
    let (path, routes) = mrt::dump(&context.engine, file).await?;
    let message = format!("{routes} routes are in {}", path.display());
    Ok(Json(
        json!({"message": message, "file": path, "routes": routes}),
    ))
}

pub(super) async fn load(State(context): State<Context>, bytes: Bytes) -> Answer {
    let Named { file } = body(&bytes)?;
    let file = file.ok_or_else(|| Refusal::bad("name a file on the daemon's host"))?;
    let loaded = mrt::load(&context.engine, file).await?;
    let message = format!(
        "{} routes are announced, {} records were damaged; `netwright bgp withdraw --all` takes them back",
        loaded.routes, loaded.damaged
    );
    Ok(Json(
        json!({"message": message, "routes": loaded.routes, "damaged": loaded.damaged}),
    ))
}
