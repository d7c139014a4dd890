//! The REST API of an earlier system, Calipso, under `/calipso`: the same paths, parameters, statuses and shapes, so that its clients go on
//! working. A shell over the same maps as `/netwright/v1/topology`, which new clients use.
//!
//! What was wrong there is not kept: no secret is given out, an empty list is 200, and a caller sees what the environment's grants allow.

mod answer;
mod connection_tests;
mod constants;
mod documents;
mod environment;
mod login;
mod maps;
mod posts;
mod shapes;
mod spec;
mod writes;

pub use answer::{Answer, Request, answer};
pub(crate) use connection_tests::ConnectionTests;
pub use documents::{Documents, Login, Query};

use crate::App;
use crate::request::body::MAX_BODY;
use crate::topology::{Asker, MapError};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use maps::Maps;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/calipso/{*endpoint}", any(serve))
}

async fn serve(
    asker: Result<Asker, MapError>,
    State(app): State<App>,
    method: Method,
    Path(endpoint): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bytes = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(bytes) => bytes,
        Err(_) => {
            return Answer::refuse(413, format!("a body has at most {MAX_BODY} bytes"))
                .into_response();
        }
    };
    let request = Request {
        method: method.to_string(),
        endpoint,
        parameters: form_urlencoded::parse(raw.unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        token: headers
            .get("X-Auth-Token")
            .and_then(|token| token.to_str().ok())
            .map(str::to_owned),
        body: bytes.to_vec(),
    };
    let maps = match asker {
        Ok(asker) => Maps::new(asker, app.connection_tests.clone()),
        Err(error) => return refused(error),
    };
    // Documents are made from whole maps, and writes go to disk.
    match tokio::task::spawn_blocking(move || answer(&request, &maps)).await {
        Ok(answer) => answer.into_response(),
        Err(error) => Answer::refuse(500, error.to_string()).into_response(),
    }
}

/// Who may not ask is told so in the earlier system's shape.
fn refused(error: MapError) -> Response {
    let message = error.to_string();
    let response = error.into_response();
    let mut answer = Answer::refuse(response.status().as_u16(), message).into_response();
    if let Some(challenge) = response.headers().get(header::WWW_AUTHENTICATE) {
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge.clone());
    }
    answer
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            [(header::CONTENT_TYPE, "application/json")],
            self.body.to_string(),
        )
            .into_response()
    }
}
