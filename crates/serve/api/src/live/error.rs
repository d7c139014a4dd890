//! Why a request to `/netwright/v1` is refused: `{"error": {"type", "message"}}`.

use auth::AuthError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    #[error("{what} '{id}' does not exist")]
    NotFound { what: &'static str, id: String },
    #[error("There is nothing at this path; docs/netwright-api.md lists what there is.")]
    NoSuchPath,
    #[error("The method {0} is not allowed: everything here is only read, with GET.")]
    MethodNotAllowed(String),
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Meaningless(String),
    /// With where to get a token, if that is known.
    #[error("The request needs a token: send X-Auth-Token.")]
    Unauthorized(Option<String>),
    #[error("The role 'admin' is needed for this.")]
    Forbidden,
    #[error(transparent)]
    Auth(AuthError),
}

impl LiveError {
    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound { .. } | Self::NoSuchPath => (StatusCode::NOT_FOUND, "NotFound"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "Malformed"),
            Self::Meaningless(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Meaningless"),
            Self::Unauthorized(_) | Self::Auth(AuthError::Unauthorized) => {
                (StatusCode::UNAUTHORIZED, "Unauthorized")
            }
            Self::Forbidden | Self::Auth(AuthError::NoProject | AuthError::ForeignHost(_)) => {
                (StatusCode::FORBIDDEN, "Forbidden")
            }
            Self::Auth(AuthError::InvalidProject(_)) => (StatusCode::BAD_REQUEST, "Malformed"),
            Self::Auth(AuthError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Unavailable")
            }
        }
    }
}

impl IntoResponse for LiveError {
    fn into_response(self) -> Response {
        let (status, kind) = self.class();
        let body = json!({"error": {"type": kind, "message": self.to_string()}});
        let mut response = (status, Json(body)).into_response();
        if let Self::Unauthorized(Some(challenge)) = &self
            && let Ok(value) = HeaderValue::try_from(challenge)
        {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
