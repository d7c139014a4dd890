//! Why a request is refused, and how that is told: a status and `{"NeutronError": {"type", "message",
//! "detail"}}` with the names Neutron gives its errors, because clients match on both.

use auth::AuthError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use operations::OpError;
use serde_json::json;
use store::{StoreError, TransactError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("The resource could not be found.")]
    NoSuchPath,
    #[error("The method {method} is not allowed for {path}.")]
    MethodNotAllowed { method: String, path: String },
    #[error("The body has more than {limit} bytes, the most that is read; split the request.")]
    BodyTooLarge { limit: usize },
    #[error("The connection ended before the body did.")]
    BodyCut,
    #[error("Content type '{0}' is not supported; send application/json.")]
    ContentType(String),
    #[error("Malformed request body: {0}.")]
    Json(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("Unrecognized attribute(s) '{0}'")]
    UnknownAttributes(String),
    #[error("Failed to parse request. Required attribute '{0}' not specified")]
    RequiredAttribute(&'static str),
    #[error("Attribute '{0}' not allowed in POST")]
    NotInCreate(&'static str),
    #[error("Cannot update read-only attribute {0}")]
    ReadOnly(&'static str),
    #[error("Invalid input for {attribute}. Reason: {reason}.")]
    InvalidAttribute { attribute: String, reason: String },
    #[error("({0}) is disallowed by policy")]
    Policy(String),
    #[error("{message}")]
    NotFound { kind: &'static str, message: String },
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Operation(#[from] OpError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: Into<ApiError>> From<TransactError<E>> for ApiError {
    fn from(error: TransactError<E>) -> Self {
        match error {
            TransactError::Refused(refusal) => refusal.into(),
            TransactError::Store(error) => Self::Store(error),
        }
    }
}

impl ApiError {
    /// The status and the type name.
    pub(crate) fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "HTTPNotFound"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed")
            }
            Self::BodyTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge")
            }
            Self::ContentType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "HTTPUnsupportedMediaType",
            ),
            Self::BodyCut
            | Self::Json(_)
            | Self::BadRequest(_)
            | Self::UnknownAttributes(_)
            | Self::RequiredAttribute(_)
            | Self::NotInCreate(_)
            | Self::ReadOnly(_)
            | Self::InvalidAttribute { .. } => (StatusCode::BAD_REQUEST, "HTTPBadRequest"),
            Self::Policy(_) => (StatusCode::FORBIDDEN, "PolicyNotAuthorized"),
            Self::NotFound { kind, .. } => (StatusCode::NOT_FOUND, kind),
            Self::Auth(AuthError::Unauthorized) => (StatusCode::UNAUTHORIZED, "HTTPUnauthorized"),
            Self::Auth(AuthError::NoProject | AuthError::ForeignHost(_)) => {
                (StatusCode::FORBIDDEN, "HTTPForbidden")
            }
            Self::Auth(AuthError::InvalidProject(_)) => (StatusCode::BAD_REQUEST, "HTTPBadRequest"),
            Self::Auth(AuthError::Unavailable(_)) | Self::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "HTTPServiceUnavailable")
            }
            Self::Operation(refusal) => crate::refusal::class(refusal),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, kind) = self.class();
        if status.is_server_error() {
            tracing::warn!(error = %self, "a request could not be served");
        }
        let body =
            json!({"NeutronError": {"type": kind, "message": self.to_string(), "detail": ""}});
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let again = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, again);
        }
        response
    }
}
