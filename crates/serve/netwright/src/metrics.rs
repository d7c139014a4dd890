//! The Prometheus endpoint of a process.

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use std::net::SocketAddr;

/// Serves `GET /metrics` until the process ends. `text` renders OpenMetrics.
pub(crate) async fn serve(
    listen: SocketAddr,
    text: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Result<()> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen for metrics on {listen}"))?;
    let router = Router::new().route(
        "/metrics",
        get(move || std::future::ready(([(CONTENT_TYPE, OPEN_METRICS)], text()))),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}
