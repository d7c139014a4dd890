//! The API as the controller serves it, on a thread and a runtime of its own.

use anyhow::{Context, Result, anyhow};
use api::{ApiState, router};
use auth::{Authenticator, NoAuth};
use axum::serve::ListenerExt;
use operations::Defaults;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens a new store in `dir` and serves it on a free loopback port.
    pub(crate) async fn start(dir: PathBuf) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (started, address) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("api-server".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Runtime::new();
                let outcome = runtime
                    .map_err(anyhow::Error::from)
                    .map(|runtime| runtime.block_on(serve(dir, started, stopped)));
                if let Err(error) | Ok(Err(error)) = outcome {
                    tracing::error!(%error, "the API server ended");
                }
            })?;
        let address = address
            .await
            .context("the API server did not start; its log says why")?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

async fn serve(
    dir: PathBuf,
    started: oneshot::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let store = Store::open(&dir, operations::schema(), store::Options::default())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let auth = Authenticator::None(NoAuth::new(address)?);
    let state = ApiState::new(store.clone(), auth, Defaults::default());
    started
        .send(address)
        .map_err(|_| anyhow!("nobody waits for the server"))?;
    let listener = listener.tap_io(|stream| {
        // Without it a small answer may wait for the client's delayed ACK.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::warn!(%error, "cannot set TCP_NODELAY");
        }
    });
    tokio::select! {
        ended = async { axum::serve(listener, router(state)).await } => ended?,
        _ = stopped => {}
    }
    store.close().await;
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its thread.
            let _ = thread.join();
        }
    }
}
