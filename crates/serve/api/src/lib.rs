//! HTTP: the Neutron API v2.0, the Netwright API and the console on one router.
//!
//! This room translates: requests to operations, rows to JSON, refusals to statuses. It decides who may see and
//! write what; what may be done to an object is decided by `operations`. It keeps no state of its own.

pub mod calipso;
mod error;
mod live;
mod metrics;
mod neutron;
mod observed;
mod refusal;
mod request;
mod resource;
mod topology;
mod who;

pub use metrics::Metrics;

use auth::Authenticator;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use controller::Controller;
use error::ApiError;
use inventory::Inventory;
use observed::Observed;
use operations::Defaults;
use std::ops::Deref;
use std::sync::Arc;
use store::Store;
use tokio::sync::watch;

/// What the service is made of.
pub struct ApiState {
    store: Store,
    auth: Authenticator,
    defaults: Defaults,
    observed: Observed,
    metrics: Metrics,
    inventory: Option<Inventory>,
    connection_tests: calipso::ConnectionTests,
    ending: watch::Receiver<bool>,
}

impl ApiState {
    pub fn new(store: Store, auth: Authenticator, defaults: Defaults) -> Self {
        Self {
            store,
            auth,
            defaults,
            observed: Observed::default(),
            metrics: Metrics::default(),
            inventory: None,
            connection_tests: calipso::ConnectionTests::default(),
            ending: watch::channel(false).1,
        }
    }

    /// With what a controller knows of hosts and ports; without one, nothing is observed.
    pub fn with_controller(mut self, controller: Controller) -> Self {
        self.observed = Observed::by(controller);
        self
    }

    /// With the maps of environments; without them, nothing is under `/netwright/v1/topology`.
    pub fn with_inventory(mut self, inventory: Inventory) -> Self {
        self.inventory = Some(inventory);
        self
    }

    /// Event streams, which have no end of their own, end when this turns true.
    pub fn ending_with(mut self, ending: watch::Receiver<bool>) -> Self {
        self.ending = ending;
        self
    }

    /// The figures of requests, to be registered where the process shows its metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// What handlers work on: cheap to clone, since the router clones it for every request.
#[derive(Clone)]
struct App(Arc<ApiState>);

impl Deref for App {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.0
    }
}

/// The whole HTTP service.
pub fn router(state: ApiState) -> Router {
    let app = App(Arc::new(state));
    Router::new()
        .route("/", get(root))
        .merge(neutron::routes())
        .merge(live::routes())
        .merge(topology::routes())
        .merge(calipso::routes())
        .merge(web::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            metrics::observe,
        ))
        .layer(middleware::from_fn(request_id))
        .with_state(app)
}

/// Browsers get the console, clients the versions of the API.
async fn root(headers: HeaderMap) -> Response {
    match web::wants_page(&headers) {
        true => web::page(&headers),
        false => neutron::discovery(&headers).into_response(),
    }
}

async fn no_such_path() -> ApiError {
    ApiError::NoSuchPath
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::MethodNotAllowed {
        method: method.to_string(),
        path: uri.path().to_owned(),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// Names every request, in the answer and in the log.
async fn request_id(request: Request, next: Next) -> Response {
    let id = format!("req-{}", uuid::Uuid::new_v4());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    tracing::debug!(%id, %method, path, status = response.status().as_u16(), "request");
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
