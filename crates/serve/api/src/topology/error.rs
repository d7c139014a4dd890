//! Why a request about the map is refused: `{"error": {"type", "message"}}`.

use crate::live::error::LiveError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use inventory::InventoryError;
use serde_json::json;
use topology::{Environment, ScheduleError, TopologyError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum MapError {
    /// What `/netwright/v1` refuses everywhere in the same words.
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("There is nothing at this path; docs/topology-api.md lists what there is.")]
    NoSuchPath,
    #[error("The method {0} is not allowed at this path.")]
    MethodNotAllowed(String),
    #[error("This controller keeps no map.")]
    NoMap,
    #[error("There is no environment '{0}'.")]
    NoEnvironment(Environment),
    #[error("There is no {what} '{id}'.")]
    NotFound { what: &'static str, id: String },
    #[error(
        "The right to {0} this environment is needed for this; its grants are in its settings."
    )]
    Forbidden(&'static str),
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("The work broke off: {0}")]
    Broken(String),
}

impl From<TopologyError> for MapError {
    fn from(error: TopologyError) -> Self {
        Self::Inventory(error.into())
    }
}

impl MapError {
    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Live(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
            Self::NoSuchPath | Self::NoMap | Self::NoEnvironment(_) | Self::NotFound { .. } => {
                (StatusCode::NOT_FOUND, "NotFound")
            }
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "Malformed"),
            Self::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
            Self::Inventory(error) => class_of(error),
        }
    }
}

fn class_of(error: &InventoryError) -> (StatusCode, &'static str) {
    use InventoryError as E;
    match error {
        E::NoEnvironment(_)
        | E::None { .. }
        | E::Map(TopologyError::NoVersion(_) | TopologyError::NoObject(_)) => {
            (StatusCode::NOT_FOUND, "NotFound")
        }
        E::EnvironmentExists(_)
        | E::OwnEnvironment(_)
        | E::Exists { .. }
        | E::NotCancellable { .. }
        | E::Map(TopologyError::VersionNameTaken(_)) => (StatusCode::CONFLICT, "Conflict"),
        E::SnapshotName(_) => (StatusCode::BAD_REQUEST, "Malformed"),
        E::TooManyScans(_) => (StatusCode::TOO_MANY_REQUESTS, "TooMany"),
        E::Map(_)
        | E::Report(_)
        | E::Declarations(_)
        | E::Tree(_)
        | E::Schedule(
            ScheduleError::Pattern { .. } | ScheduleError::Zone(_) | ScheduleError::Never(_),
        )
        | E::Discovery(discovery::Error::NotConfigured { .. }) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Meaningless")
        }
        E::Discovery(_) => (StatusCode::BAD_GATEWAY, "Unreachable"),
        E::Vault(_) | E::Disk(_) | E::Unreadable { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal")
        }
    }
}

impl IntoResponse for MapError {
    fn into_response(self) -> Response {
        if let Self::Live(error) = self {
            return error.into_response();
        }
        let (status, kind) = self.class();
        if status.is_server_error() {
            tracing::warn!(error = %self, "a request about the map failed");
        }
        (
            status,
            Json(json!({"error": {"type": kind, "message": self.to_string()}})),
        )
            .into_response()
    }
}
