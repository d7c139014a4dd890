//! What kinds of things there are, and the clique types and constraints operators edit.

use super::access::{Asker, segment};
use super::error::MapError;
use super::{blocking, parse};
use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use inventory::{CliqueTypeText, ConstraintText, InventoryError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Object types, link rules and cause rules, as declared.
pub(super) async fn declarations(asker: Asker) -> Json<Value> {
    let declarations = asker.inventory.declarations();
    let types: Vec<Value> = declarations
        .object_types()
        .map(|rule| json!({"name": rule.name, "label": rule.label, "layer": rule.layer}))
        .collect();
    let links: Vec<Value> = declarations
        .link_rules()
        .map(|rule| json!({"type": rule.link_type}))
        .collect();
    let causes: Vec<Value> = declarations.cause_rules().map(|rule| json!(rule)).collect();
    Json(json!({"object_types": types, "link_types": links, "cause_rules": causes}))
}

pub(super) async fn types(asker: Asker) -> Json<Value> {
    Json(json!({"clique_types": asker.inventory.cliques().types}))
}

pub(super) async fn constraints(asker: Asker) -> Json<Value> {
    Json(json!({"clique_constraints": asker.inventory.cliques().constraints}))
}

pub(super) async fn add_type(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    asker.operator()?;
    let clique: CliqueTypeText = parse(&headers, body).await?;
    let told = json!({"clique_type": clique});
    blocking(move || {
        asker.inventory.change_cliques(|texts| {
            if texts.types.iter().any(|known| known.name == clique.name) {
                return Err(InventoryError::Exists {
                    what: "clique type",
                    id: clique.name,
                });
            }
            texts.types.push(clique);
            Ok(())
        })
    })
    .await?;
    Ok((StatusCode::CREATED, Json(told)))
}

fn none(name: &str) -> InventoryError {
    InventoryError::None {
        what: "clique type",
        id: name.to_owned(),
    }
}

pub(super) async fn change_type(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.operator()?;
    let name: String = segment(&values, "name")?;
    let clique: CliqueTypeText = parse(&headers, body).await?;
    let told = json!({"clique_type": clique});
    blocking(move || {
        asker.inventory.change_cliques(|texts| {
            let known = texts.types.iter_mut().find(|known| known.name == name);
            *known.ok_or_else(|| none(&name))? = clique;
            Ok(())
        })
    })
    .await?;
    Ok(Json(told))
}

pub(super) async fn remove_type(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    asker.operator()?;
    let name: String = segment(&values, "name")?;
    blocking(move || {
        asker.inventory.change_cliques(|texts| {
            let before = texts.types.len();
            texts.types.retain(|known| known.name != name);
            match texts.types.len() == before {
                true => Err(none(&name)),
                false => Ok(()),
            }
        })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces all constraints.
pub(super) async fn put_constraints(
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.operator()?;
    let constraints: Vec<ConstraintText> = parse(&headers, body).await?;
    let told = json!({"clique_constraints": constraints});
    blocking(move || {
        asker.inventory.change_cliques(|texts| {
            texts.constraints = constraints;
            Ok(())
        })
    })
    .await?;
    Ok(Json(told))
}
