//! The configuration: what would change, and changing it.

use super::{Answer, Context, body};
use crate::daemon;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use bgp::config::ConfigDiff;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Reload {
    dry_run: bool,
}

pub(super) async fn reload(State(context): State<Context>, bytes: Bytes) -> Answer {
    let Reload { dry_run } = body(&bytes)?;
    let diff = daemon::reload(&context.config, &context.engine, dry_run).await?;
    Ok(Json(shown(&diff, !dry_run)))
}

/// Compares a configuration in the body with the one in force.
pub(super) async fn diff(State(context): State<Context>, text: String) -> Answer {
    let config = daemon::parse(&context.config, &text)?;
    let diff = context.engine.ask(move |core| core.diff(config)).await?;
    Ok(Json(shown(&diff, false)))
}

pub(crate) fn shown(diff: &ConfigDiff, applied: bool) -> Value {
    let changes = diff.changes.iter().map(|change| {
        json!({
            "part": change.part.to_string(), "what": change.what, "cost": change.cost.to_string(),
        })
    });
    json!({"changes": changes.collect::<Vec<_>>(), "applied": applied})
}
