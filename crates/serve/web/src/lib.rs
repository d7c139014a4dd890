//! The browser console as HTTP routes: the assets that `npm run build` leaves in `ui/dist`, embedded in the binary.
//! It knows nothing of the cloud and reads nothing at run time: the console is a client of `/netwright/v1` like any other.

mod serve;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use rust_embed::Embed;

/// Built by `npm ci && npm run build` in `ui`. A checkout without Node.js builds too: the folder may be missing,
/// and then every page says how to build it.
#[derive(Embed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Console;

/// `GET /console` and `GET /assets/{file}`. `/` is the caller's, who answers API clients there: see [`wants_page`].
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    routes::<Console, S>()
}

/// The console's page, for a request with these headers. 501 with instructions if this binary was built without it.
pub fn page(headers: &HeaderMap) -> Response {
    serve::page::<Console>(headers)
}

/// Whether the client asks for a page rather than for JSON: browsers name `text/html` in `Accept`, API clients and
/// `curl` do not.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT);
    accepts
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

fn routes<A: Embed + 'static, S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            "/console",
            get(|headers: HeaderMap| async move { serve::page::<A>(&headers) }),
        )
        .route("/assets/{*file}", get(serve::asset::<A>))
}

#[cfg(test)]
mod tests;
