//! The map over HTTP, `/netwright/v1/topology` (docs/topology-api.md): environments, objects, links, cliques, versions, scans, messages.
//!
//! This room translates between HTTP and `inventory`; what someone sees is what the environment's grants say. Reads are answered from one
//! version, which the answer names; nothing here waits for a scan.

mod access;
mod cliques;
mod environments;
mod error;
mod history;
mod impact;
mod messages;
mod objects;
mod pictures;
mod scans;
mod stream;
mod views;

pub(crate) use access::{Asker, Seen};
pub(crate) use error::MapError;

use crate::App;
use crate::request::body;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;

pub(crate) fn routes() -> Router<App> {
    let of_environment = Router::new()
        .route(
            "/",
            get(environments::show)
                .put(environments::update)
                .delete(environments::remove),
        )
        .route("/test", post(environments::test))
        .route("/summary", get(objects::summary))
        .route("/objects", get(objects::list))
        .route("/object", get(objects::show))
        .route("/tree", get(objects::tree))
        .route("/links", get(objects::links))
        .route("/search", get(objects::search))
        .route("/cliques", get(pictures::cliques))
        .route("/graph", get(pictures::graph))
        .route("/overview", get(pictures::overview))
        .route("/path", get(pictures::path))
        .route("/impact", get(impact::impact))
        .route("/causes", get(impact::causes))
        .route("/versions", get(history::list))
        .route("/versions/{number}", delete(history::forget))
        .route("/snapshots", post(history::snapshot))
        .route("/diff", get(history::diff))
        .route("/messages", get(messages::list).post(messages::post))
        .route("/messages/{id}/viewed", post(messages::viewed))
        .route("/checks", post(messages::checks));
    let paths = Router::new()
        .route(
            "/environments",
            get(environments::list).post(environments::add),
        )
        .route("/test", post(environments::test_new))
        .nest("/environments/{environment}", of_environment)
        .route("/scans", get(scans::list).post(scans::submit))
        .route("/scans/{id}", get(scans::show).delete(scans::cancel))
        .route(
            "/schedules",
            get(scans::schedules).post(scans::add_schedule),
        )
        .route(
            "/schedules/{name}",
            axum::routing::put(scans::change_schedule).delete(scans::remove_schedule),
        )
        .route("/declarations", get(cliques::declarations))
        .route("/clique-types", get(cliques::types).post(cliques::add_type))
        .route(
            "/clique-types/{name}",
            axum::routing::put(cliques::change_type).delete(cliques::remove_type),
        )
        .route(
            "/clique-constraints",
            get(cliques::constraints).put(cliques::put_constraints),
        )
        .route("/events", get(stream::follow))
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
