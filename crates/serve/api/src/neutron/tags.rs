//! Tags of any resource: `/v2.0/networks/{id}/tags[/{tag}]`. Each request reads and writes the set in one
//! transaction, so that tags added at the same time are all kept.

use crate::App;
use crate::error::ApiError;
use crate::neutron::handlers::{expectation, writable};
use crate::neutron::networks::NetworkResource;
use crate::neutron::ports::PortResource;
use crate::neutron::security_groups::SecurityGroupResource;
use crate::neutron::subnets::SubnetResource;
use crate::request::body;
use crate::resource::kind::{Kind, TAGS_MAX, check_tag};
use crate::resource::standard::HasMeta;
use crate::resource::{Resource, visible};
use crate::who::Who;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use operations::Context;
use operations::networks::NetworkChanges;
use operations::ports::PortChanges;
use operations::security_groups::SecurityGroupChanges;
use operations::subnets::SubnetChanges;
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Tags = BTreeSet<String>;

/// A resource whose tags can be changed by themselves.
pub(crate) trait Tagged: Resource {
    fn retag(tags: Tags) -> Self::Changes;
}

macro_rules! tagged {
    ($($resource:ident with $changes:ident),* $(,)?) => {$(
        impl Tagged for $resource {
            fn retag(tags: Tags) -> $changes {
                $changes {
                    tags: Some(tags),
                    ..$changes::default()
                }
            }
        }
    )*};
}

tagged!(
    NetworkResource with NetworkChanges,
    SubnetResource with SubnetChanges,
    PortResource with PortChanges,
    SecurityGroupResource with SecurityGroupChanges,
);

pub(crate) async fn list<R: Tagged>(
    State(state): State<App>,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let row = visible::<R>(&state.store.snapshot(), &who, &id)?;
    Ok(Json(json!({"tags": row.value.meta().tags})))
}

pub(crate) async fn check<R: Tagged>(
    State(state): State<App>,
    Who(who): Who,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let row = visible::<R>(&state.store.snapshot(), &who, &id)?;
    match row.value.meta().tags.contains(&tag) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_tag(&tag)),
    }
}

pub(crate) async fn replace<R: Tagged>(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let tags = body_tags(&headers, body).await?;
    let tags = edit::<R>(&state, &who, &headers, &id, |_| Ok(tags.clone())).await?;
    Ok(Json(json!({"tags": tags})).into_response())
}

pub(crate) async fn add_many<R: Tagged>(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let more = body_tags(&headers, body).await?;
    let union = |tags: &Tags| Ok(tags.union(&more).cloned().collect());
    let tags = edit::<R>(&state, &who, &headers, &id, union).await?;
    Ok((StatusCode::CREATED, Json(json!({"tags": tags}))).into_response())
}

pub(crate) async fn clear<R: Tagged>(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    edit::<R>(&state, &who, &headers, &id, |_| Ok(Tags::new())).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn add<R: Tagged>(
    State(state): State<App>,
    who: Who,
    Path((id, tag)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tag = check_tag(tag.into()).map_err(invalid)?;
    if tag.chars().any(char::is_control) {
        return Err(invalid("a tag holds no control characters".to_owned()));
    }
    let with = |tags: &Tags| Ok(tags.iter().chain([&tag]).cloned().collect());
    edit::<R>(&state, &who, &headers, &id, with).await?;
    Ok((StatusCode::CREATED, Json(json!({}))).into_response())
}

pub(crate) async fn remove<R: Tagged>(
    State(state): State<App>,
    who: Who,
    Path((id, tag)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let without = |tags: &Tags| match tags.contains(&tag) {
        true => Ok(tags.iter().filter(|t| **t != tag).cloned().collect()),
        false => Err(no_tag(&tag)),
    };
    edit::<R>(&state, &who, &headers, &id, without).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the set by what `change` makes of it.
async fn edit<R: Tagged>(
    state: &App,
    Who(who): &Who,
    headers: &HeaderMap,
    id: &str,
    change: impl Fn(&Tags) -> Result<Tags, ApiError> + Send + Sync,
) -> Result<Tags, ApiError> {
    let expect = expectation(headers)?;
    let seen = writable::<R>(&state.store.snapshot(), who, "update", id)?;
    let now = Timestamp::now();
    let committed = state
        .store
        .transact(|tx| {
            let ctx = Context::new(now, who.project.clone(), who.is_admin, &state.defaults);
            let row = tx.get::<R::Table>(&R::key(&seen.value));
            let model = row.as_ref().map_or(&seen.value, |row| &row.value);
            let tags = change(&model.meta().tags)?;
            if tags.len() > TAGS_MAX {
                return Err(invalid(format!("more than {TAGS_MAX} tags")));
            }
            R::update(tx, &ctx, model, expect, R::retag(tags.clone()))?;
            Ok(tags)
        })
        .await?;
    Ok(committed.value)
}

async fn body_tags(headers: &HeaderMap, body: Body) -> Result<Tags, ApiError> {
    let mut object = match body::read(headers, body).await? {
        Value::Object(object) => object,
        _ => return Err(ApiError::BadRequest("Resource body required".to_owned())),
    };
    let tags = object.remove("tags").unwrap_or_default();
    if let Some(name) = object.keys().next() {
        return Err(ApiError::UnknownAttributes(name.clone()));
    }
    let checked = Kind::Tags.check(tags).map_err(invalid)?;
    serde_json::from_value(checked).map_err(|error| invalid(error.to_string()))
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidAttribute {
        attribute: "tags".to_owned(),
        reason,
    }
}

fn no_tag(tag: &str) -> ApiError {
    ApiError::NotFound {
        kind: "TagNotFound",
        message: format!("Tag {tag} could not be found."),
    }
}
