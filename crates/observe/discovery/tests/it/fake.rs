//! An HTTP server on loopback that answers from a function and remembers what it was asked.

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A request as it came: method, path, and the query's pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// The microversion that is asked for.
    pub(crate) version: Option<String>,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Starts it; `answer` gives the response to a request.
    pub(crate) async fn start(
        answer: impl Fn(&Asked) -> Response + Clone + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let (answer, seen) = (answer.clone(), Arc::clone(&seen));
            async move {
                let url = reqwest::Url::parse(&format!("http://fake{}", request.uri()));
                let query = url.map(|url| url.query_pairs().into_owned().collect());
                let version = request.headers().get("openstack-api-version");
                let version = version.and_then(|version| version.to_str().ok());
                let one = Asked {
                    method: request.method().to_string(),
                    path: request.uri().path().to_owned(),
                    query: query.unwrap_or_default(),
                    version: version.map(str::to_owned),
                };
                let response = answer(&one);
                seen.lock().expect("not poisoned").push(one);
                response
            }
        });
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, asked, server })
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn json(value: &Value) -> Response {
    axum::Json(value.clone()).into_response()
}

pub(crate) fn missing() -> Response {
    axum::http::StatusCode::NOT_FOUND.into_response()
}
