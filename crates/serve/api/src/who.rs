//! The identity behind a request, as an argument of handlers.

use crate::App;
use crate::error::ApiError;
use auth::{AuthError, Credentials, Identity};
use axum::extract::FromRequestParts;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Whoever sent the request; one without an identity never reaches the handler.
pub(crate) struct Who(pub(crate) Arc<Identity>);

impl Who {
    pub(crate) async fn of(parts: &Parts, state: &App) -> Result<Self, AuthError> {
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let credentials = Credentials {
            token: header("X-Auth-Token"),
            project: header("X-Project-Id"),
            user: header("X-User-Id"),
            roles: header("X-Roles"),
            host: header("Host"),
        };
        state.auth.authenticate(credentials).await.map(Self)
    }
}

impl FromRequestParts<App> for Who {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, Response> {
        Self::of(parts, state)
            .await
            .map_err(|error| refuse(state, error))
    }
}

fn refuse(state: &App, error: AuthError) -> Response {
    let challenge = match error {
        AuthError::Unauthorized => state.auth.challenge(),
        _ => None,
    };
    let mut response = ApiError::Auth(error).into_response();
    if let Some(value) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}
