//! The map over HTTP, `/netwright/v1/topology` (docs/topology-api.md): environments, objects, links, cliques, versions, scans, messages.
//!
//! This room translates between HTTP and `inventory`; what someone sees is what the environment's grants say. Reads are answered from one
//! version, which the answer names; nothing here waits for a scan.

mod access;
mod cliques;
mod compare;
mod draw;
mod environments;
mod error;
mod history;
mod impact;
mod messages;
mod objects;
mod openapi;
mod page;
mod pictures;
mod reports;
mod scans;
mod schedules;
mod stream;
mod table;
mod views;

pub(crate) use access::{Asker, Seen};
pub(crate) use error::MapError;

use crate::App;
use crate::request::body;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

pub(crate) fn routes() -> Router<App> {
    let paths = table::router()
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed);
    Router::new().nest("/netwright/v1/topology", paths)
}

async fn no_such_path() -> MapError {
    MapError::NoSuchPath
}

async fn method_not_allowed(method: Method) -> MapError {
    MapError::MethodNotAllowed(method.to_string())
}

/// Reads a body as strict JSON of a shape.
async fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, MapError> {
    let value = body::read(headers, body)
        .await
        .map_err(|error| MapError::Malformed(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| MapError::Malformed(error.to_string()))
}

/// Work that writes to disk, off the async threads.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, inventory::InventoryError> + Send + 'static,
) -> Result<R, MapError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(MapError::from),
        Err(error) => Err(MapError::Broken(error.to_string())),
    }
}
