//! The control API: HTTP and JSON under `/bgp/v1`. Every answer is made by a short job in the engine, a page at a time,
//! so reading a table of a million routes stops no session. Its description is at `/bgp/v1/openapi.json`.

mod events;
mod mrt;
mod neighbors;
mod openapi;
mod originate;
mod policy;
mod query;
mod reload;
mod rib;
pub(crate) mod route;
mod server;
mod summary;

pub(crate) use query::table_name;

use crate::Error;
use crate::daemon::Settings;
use crate::engine::{Core, Handle};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bgp::PeerId;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A configuration file has at most this many octets.
const BODY: usize = 16 << 20;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) engine: Handle,
    pub(crate) config: PathBuf,
}

/// The running servers.
#[derive(Debug)]
pub(crate) struct Serving {
    tasks: Vec<JoinHandle<()>>,
    _socket: server::SocketFile,
}

impl Serving {
    pub(crate) async fn start(
        settings: &Settings,
        config: &bgp::config::Api,
        engine: Handle,
    ) -> Result<Self, Error> {
        let (unix, socket) = server::bind_unix(&settings.socket)?;
        let context = Context {
            engine: engine.clone(),
            config: settings.config.clone(),
        };
        let router = router(context.clone());
        let mut tasks = Vec::new();
        if let Some(address) = config.listen {
            let token = config.token_file.as_deref().map(read_token).transpose()?;
            let listener = server::bind_tcp(address).await?;
            tasks.push(tokio::spawn(server::serve_tcp(
                listener,
                router.clone(),
                token,
            )));
        }
        if let Some(address) = config.metrics {
            let listener: TcpListener = server::bind_tcp(address).await?;
            let metrics = Router::new()
                .route("/metrics", get(summary::metrics))
                .with_state(context);
            tasks.push(tokio::spawn(server::serve_tcp(listener, metrics, None)));
        }
        tasks.push(tokio::spawn(server::serve_unix(unix, router)));
        tasks.push(tokio::spawn(crate::mrt::schedule(engine.clone())));
        tasks.push(tokio::spawn(crate::bmp::follow(engine)));
        Ok(Self {
            tasks,
            _socket: socket,
        })
    }

    pub(crate) fn stop(self) {
        for task in self.tasks {
            task.abort();
        }
    }
}

fn read_token(path: &std::path::Path) -> Result<server::Token, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::path("read the token file", path))?;
    match text.trim() {
        "" => Err(Error::path("use the token file", path)(
            std::io::Error::other("it is empty"),
        )),
        token => Ok(server::Token::new(token)),
    }
}

fn router(context: Context) -> Router {
    let v1 = Router::new()
        .route("/summary", get(summary::summary))
        .route("/neighbors", get(neighbors::list))
        .route("/neighbors/{neighbor}", get(neighbors::show))
        .route("/neighbors/{neighbor}/shutdown", post(neighbors::shutdown))
        .route("/neighbors/{neighbor}/enable", post(neighbors::enable))
        .route("/neighbors/{neighbor}/clear", post(neighbors::clear))
        .route("/rib", get(rib::list))
        .route("/why", get(rib::why))
        .route(
            "/routes",
            post(originate::announce).delete(originate::withdraw),
        )
        .route("/policy/test", post(policy::test))
        .route("/mrt/dump", post(mrt::dump))
        .route("/mrt/load", post(mrt::load))
        .route("/config/diff", post(reload::diff))
        .route("/reload", post(reload::reload))
        .route("/events", get(events::stream))
        .route("/metrics", get(summary::metrics))
        .route("/openapi.json", get(openapi::document));
    Router::new()
        .nest("/bgp/v1", v1)
        .fallback(|| async {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "there is no such path; see /bgp/v1/openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(context)
}

/// An error answer: `{"error": {"status": …, "message": …}}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({"status": self.status.as_u16(), "message": self.message});
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Config { .. } | Error::Mrt { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::NoMrtDirectory => StatusCode::BAD_REQUEST,
            Error::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// What says in a sentence that something was done.
pub(crate) fn done(message: impl Into<String>) -> Answer {
    Ok(Json(json!({"message": message.into()})))
}

/// A body, or why it is none. The default extractor's refusals are no JSON.
pub(crate) fn body<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad(format!("the body is not what is expected here: {error}")))
}

impl Core {
    /// How operators know a peer: its address, or its interface.
    pub(crate) fn name_of(&self, peer: PeerId) -> String {
        let endpoint = self.speaker.endpoint(peer);
        endpoint.map_or_else(|| format!("peer {}", peer.0), ToString::to_string)
    }

    pub(crate) fn peer_named(&self, name: &str) -> Result<PeerId, Refusal> {
        let mut endpoints = self.speaker.endpoints();
        let found = endpoints.find(|(_, endpoint)| endpoint.to_string() == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            Refusal::absent(format!(
                "there is no neighbour {name}; `netwright bgp neighbors` lists them"
            ))
        })
    }
}
