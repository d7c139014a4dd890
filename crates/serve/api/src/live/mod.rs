//! The Netwright API, `/netwright/v1` (docs/netwright-api.md): what the Neutron API has no words for. Read only:
//! nothing here writes to the store.

pub(crate) mod error;
mod events;
mod graph;
mod hosts;
mod networks;
mod page;
pub(crate) mod params;
mod plans;
mod ports;
mod search;
mod summary;
mod trace;
mod views;

use crate::App;
use crate::who::Who;
use auth::AuthError;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::routing::get;
use error::LiveError;

pub(crate) fn routes() -> Router<App> {
    let paths = Router::new()
        .route("/summary", get(summary::show))
        .route("/hosts", get(hosts::list))
        .route("/networks", get(networks::list))
        .route("/ports", get(ports::list))
        .route("/ports/{id}", get(ports::show))
        .route("/graph", get(graph::show))
        .route("/search", get(search::find))
        .route("/trace", get(trace::run))
        .route("/plans/{host}", get(plans::show))
        .route("/explain", get(plans::explain))
        .route("/events", get(events::follow))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed);
    Router::new().nest("/netwright/v1", paths)
}

async fn no_such_path() -> LiveError {
    LiveError::NoSuchPath
}

async fn method_not_allowed(method: Method) -> LiveError {
    LiveError::MethodNotAllowed(method.to_string())
}

/// Someone with the role `admin`; nobody else reaches a handler here.
struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = LiveError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, LiveError> {
        let Who(who) = Who::of(parts, state).await.map_err(|error| match error {
            AuthError::Unauthorized => LiveError::Unauthorized(state.auth.challenge()),
            error => LiveError::Auth(error),
        })?;
        match who.is_admin {
            true => Ok(Self),
            false => Err(LiveError::Forbidden),
        }
    }
}
