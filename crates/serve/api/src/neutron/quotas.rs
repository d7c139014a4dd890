//! Quotas, read only: what `operations` counts against, the same for every project.

use crate::App;
use crate::error::ApiError;
use crate::who::Who;
use axum::Json;
use axum::extract::{Path, State};
use operations::Limits;
use serde_json::{Value, json};

/// -1 is no limit.
fn quota(limits: &Limits) -> Value {
    let number = |limit: Option<usize>| limit.map_or(json!(-1), |limit| json!(limit));
    json!({
        "network": number(limits.networks_per_project),
        "subnet": number(limits.subnets_per_project),
        "port": number(limits.ports_per_project),
        "security_group": number(limits.security_groups_per_project),
        "security_group_rule": -1,
    })
}

/// Projects with quotas of their own: none.
pub(crate) async fn list(_: Who) -> Json<Value> {
    Json(json!({"quotas": []}))
}

pub(crate) async fn tenant(Who(who): Who) -> Json<Value> {
    Json(json!({"tenant": {"tenant_id": who.project, "project_id": who.project}}))
}

pub(crate) async fn show(
    State(state): State<App>,
    Who(who): Who,
    Path(project): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if !who.is_admin && who.project.as_str() != project {
        return Err(ApiError::Policy("rule:get_quota".to_owned()));
    }
    Ok(Json(json!({"quota": quota(&state.defaults.limits)})))
}

pub(crate) async fn default(
    state: State<App>,
    who: Who,
    project: Path<String>,
) -> Result<Json<Value>, ApiError> {
    show(state, who, project).await
}
