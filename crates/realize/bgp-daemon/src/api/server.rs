//! The HTTP server: a Unix socket for the operator of this host, and TCP if it is configured. Whoever floods it, or
//! talks slowly, or not at all, takes one of a bounded number of places and loses it soon; sessions never wait for it.

use crate::Error;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Connections served at once; each costs a task and a few pages.
const CONNECTIONS: usize = 64;
/// Until a request's headers are there.
const HEADERS: Duration = Duration::from_secs(10);
/// What hyper may buffer of a request's head.
const HEAD_OCTETS: usize = 32 << 10;

/// A secret that TCP clients show. It does not show itself.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// In a time that tells nothing of where they differ.
    fn is(&self, shown: &str) -> bool {
        let (own, shown) = (self.0.as_bytes(), shown.as_bytes());
        let differing = own.iter().zip(shown).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == shown.len() && differing == 0
    }
}

/// The socket of the operator; only root, or who runs the daemon, may connect.
pub(crate) fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile), Error> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(Error::path("create", directory))?;
    }
    // The state directory is locked, so what is there is a leftover, unless somebody answers.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(Error::path("listen on", path)(
            io::ErrorKind::AddrInUse.into(),
        ));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::path("remove", path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(Error::path("listen on", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(Error::path("protect", path))?;
    Ok((listener, SocketFile(path.to_owned())))
}

/// Removes the socket's file when the daemon ends.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that stays is replaced by the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen { address, source })
}

/// Serves the operator's socket until the task is aborted.
pub(crate) async fn serve_unix(listener: UnixListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve(stream, router.clone());
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Serves a TCP listener until the task is aborted; with a token, only who shows it.
pub(crate) async fn serve_tcp(listener: TcpListener, router: Router, token: Option<Token>) {
    let router = match token {
        Some(token) => router.layer(middleware::from_fn(move |request, next| {
            authorize(token.clone(), request, next)
        })),
        None => router.layer(middleware::from_fn(refuse_browsers)),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve(stream, router.clone());
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Out of descriptors, most likely; connections wait in the backlog meanwhile.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the API cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an API connection ended");
    }
}

/// Without a token the listener is for programs of this host. A web page that a browser of this host shows must not reach
/// it: neither across origins, nor by a name of its own that leads here (DNS rebinding).
async fn refuse_browsers(request: Request<Body>, next: Next) -> Response {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    match headers.contains_key(header::ORIGIN) || !is_local(host) {
        false => next.run(request).await,
        true => super::Refusal::new(
            StatusCode::FORBIDDEN,
            "this listener has no token and answers programs of this host only, by its address or as localhost",
        )
        .into_response(),
    }
}

/// `localhost` or a loopback address, with or without a port.
fn is_local(host: &str) -> bool {
    let port = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, after)) if port(after) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = address
        .parse()
        .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    loopback || name.eq_ignore_ascii_case("localhost")
}

async fn authorize(token: Token, request: Request<Body>, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
    match shown.is_some_and(|shown| token.is(shown)) {
        true => next.run(request).await,
        false => super::Refusal::new(
            StatusCode::UNAUTHORIZED,
            "show the daemon's token: Authorization: Bearer TOKEN",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_hosts_own_names_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:9179",
            "127.0.0.1",
            "127.0.0.1:9179",
            "[::1]:9179",
            "[::1]",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil",
            "192.0.2.1:9179",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_its_whole_text() {
        let token = Token::new("secret");
        assert!(token.is("secret"));
        assert!(!token.is("secre") && !token.is("secret1") && !token.is("") && !token.is("Secret"));
    }
}
