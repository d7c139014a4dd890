//! Environments: settings, credentials that go in and never come out, connection tests.

use super::access::{Asker, In};
use super::error::MapError;
use super::{blocking, parse};
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::{Config, Credentials, Probe, Right, Sight};
use inventory::EnvironmentView;
use serde::Deserialize;
use serde_json::{Value, json};
use topology::Environment;

/// An environment with what its map and listener are like, as far as the asker sees all of it. Settings are shown to those who may change them.
fn told(asker: &Asker, view: &EnvironmentView) -> Value {
    let name = &view.config.name;
    let head = asker.inventory.map(name).ok().map(|map| map.head());
    let sees_all = asker.sight(name) == Sight::All;
    let mut out = json!({
        "name": name,
        "facts": view.config.facts,
        "version": head.as_ref().map(|head| head.number),
        "at": head.as_ref().map(|head| head.at),
        "objects": head.as_ref().filter(|_| sees_all).map(|head| head.object_count()),
        "listener": sees_all.then(|| asker.inventory.listener(name)),
        "own": view.own,
        "rights": {
            "scan": !view.own && asker.may(name, Right::Scan),
            "edit": !view.own && asker.may(name, Right::Edit),
        },
    });
    if !view.own && asker.may(name, Right::Edit) {
        out["config"] = json!(view.config);
        out["credentials"] = json!(view.credentials);
        out["changed_at"] = json!(view.changed_at);
    }
    out
}

pub(super) async fn list(asker: Asker) -> Json<Value> {
    let all = asker.inventory.environments();
    let seen: Vec<Value> = all
        .iter()
        .filter(|view| asker.sight(&view.config.name) != Sight::Nothing)
        .map(|view| told(&asker, view))
        .collect();
    Json(json!({"environments": seen}))
}

pub(super) async fn show(asker: Asker, In(name): In) -> Result<Json<Value>, MapError> {
    asker.view(name.clone())?;
    let view = asker.inventory.environment(&name)?;
    Ok(Json(json!({"environment": told(&asker, &view)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentBody {
    config: Config,
    #[serde(default)]
    credentials: Credentials,
}

pub(super) async fn add(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    asker.operator()?;
    let EnvironmentBody {
        config,
        credentials,
    } = parse(&headers, body).await?;
    let inventory = asker.inventory.clone();
    // Starting a listener needs the runtime, which blocking threads have too.
    let view = blocking(move || inventory.add_environment(config, &credentials)).await?;
    Ok((
        StatusCode::CREATED,
        Json(json!({"environment": told(&asker, &view)})),
    ))
}

pub(super) async fn update(
    asker: Asker,
    In(name): In,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.need(&name, Right::Edit)?;
    let EnvironmentBody {
        config,
        credentials,
    } = parse(&headers, body).await?;
    same_name(&name, &config)?;
    let (inventory, secrets) = (asker.inventory.clone(), asker.secrets());
    let update = move || inventory.update_environment(config, credentials, secrets);
    let view = blocking(update).await?;
    Ok(Json(json!({"environment": told(&asker, &view)})))
}

fn same_name(name: &Environment, config: &Config) -> Result<(), MapError> {
    match config.name == *name {
        true => Ok(()),
        false => Err(MapError::Malformed(format!(
            "the configuration is of '{}', the path of '{name}'; an environment keeps its name",
            config.name
        ))),
    }
}

pub(super) async fn remove(asker: Asker, In(name): In) -> Result<StatusCode, MapError> {
    asker.operator()?;
    let inventory = asker.inventory.clone();
    blocking(move || inventory.remove_environment(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestBody {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    credentials: Credentials,
    /// One way only; all if absent.
    #[serde(default)]
    only: Option<Probe>,
}

/// Tries the ways an environment is reached: as it is kept, or as it is about to be.
pub(super) async fn test(
    asker: Asker,
    In(name): In,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.need(&name, Right::Edit)?;
    let TestBody {
        config,
        credentials,
        only,
    } = parse(&headers, body).await?;
    let config = match config {
        Some(config) => {
            same_name(&name, &config)?;
            config
        }
        None => asker.inventory.environment(&name)?.config,
    };
    let secrets = asker.secrets();
    let inventory = &asker.inventory;
    let results = inventory.probe(&config, credentials, only, secrets).await?;
    Ok(Json(json!({"results": results})))
}

/// The same for one that is not kept yet.
pub(super) async fn test_new(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.operator()?;
    let TestBody {
        config,
        credentials,
        only,
    } = parse(&headers, body).await?;
    let config = config.ok_or_else(|| MapError::Malformed("'config' is missing".to_owned()))?;
    let secrets = asker.secrets();
    let inventory = &asker.inventory;
    let results = inventory.probe(&config, credentials, only, secrets).await?;
    Ok(Json(json!({"results": results})))
}
