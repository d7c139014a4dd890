//! A control node: keeps every agent's copy of its plan equal to the planner's, and takes what agents report.
//!
//! The store's changes go through the planner to the sessions of the hosts they concern ([`dispatch`]); each session
//! has an outbox that the transport empties at the agent's pace ([`outbox`]); reports go to the store as port status
//! and into the [`Fleet`]. A controller holds no state that its store and its agents could not tell it again.
//! One agent, slow, broken or hostile, never delays another. The protocol is told in `docs/agent-stream.md`.

mod config;
mod dispatch;
mod error;
mod fleet;
mod identity;
mod metrics;
mod outbox;
mod reports;
mod session;

pub use config::{Config, Tls};
pub use error::ControllerError;
pub use fleet::{Fleet, FleetEvent, HostReport, PortReport};
pub use wire::{Counter, PortState};

use crate::dispatch::Dispatch;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::outbox::{Frames, Outbox};
use crate::reports::Reports;
use operations::tables::Ports;
use parking_lot::Mutex;
use planner::Planner;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{ChangeSet, Store, Watch, WatchEvent};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;
use wire::proto::agent_server::{Agent, AgentServer};
use wire::{GoAwayReason, MAX_FRAME, proto};

/// An agent that does not answer a PING for this long after this long is gone.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long connections may take to close after their last frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes in flight to us per stream; inventories are the only large thing that comes.
const WINDOW: u32 = 1 << 20;

/// A running controller. Clones are handles to the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Controller {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Mutex<Option<JoinHandle<()>>>,
    /// Ends with the handle.
    _tasks: JoinSet<()>,
}

/// What sessions and tasks have in common.
pub(crate) struct Shared {
    store: Store,
    dispatch: Arc<Dispatch>,
    fleet: Fleet,
    reports: Reports,
    metrics: Metrics,
    epoch: Uuid,
    sessions: AtomicU64,
    /// Of every open stream, welcomed or not.
    outboxes: Mutex<HashMap<u64, Arc<Outbox>>>,
    requires_certificate: bool,
    draining: watch::Sender<bool>,
}

impl Controller {
    /// Plans from the store and serves agents until it is drained or dropped.
    pub async fn start(store: Store, config: Config) -> Result<Self, ControllerError> {
        let listen = |cause| ControllerError::Listen {
            address: config.listen,
            cause,
        };
        let incoming = TcpIncoming::bind(config.listen)
            .map_err(listen)?
            .with_nodelay(Some(true));
        let address = incoming.local_addr().map_err(listen)?;
        let snapshot = store.snapshot();
        let events = store.watch(snapshot.revision());
        let planner = tokio::task::spawn_blocking(move || Planner::new(&snapshot))
            .await
            .map_err(ControllerError::Planner)?;
        let dispatch = Arc::new(Dispatch::new(planner));
        let shared = Arc::new(Shared {
            store: store.clone(),
            fleet: Fleet::new(dispatch.clone()),
            dispatch,
            reports: Reports::default(),
            metrics: Metrics::default(),
            epoch: Uuid::new_v4(),
            sessions: AtomicU64::new(0),
            outboxes: Mutex::default(),
            requires_certificate: config.tls.is_some(),
            draining: watch::Sender::new(false),
        });
        let server = serve(&shared, &config, incoming)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(shared.clone(), events));
        let writer = shared.clone();
        tasks.spawn(async move { writer.reports.write_to(store).await });
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                address,
                server: Mutex::new(Some(server)),
                _tasks: tasks,
            }),
        })
    }

    /// Where agents connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.address
    }

    /// What agents say of their hosts and ports.
    pub fn fleet(&self) -> Fleet {
        self.inner.shared.fleet.clone()
    }

    /// Reads plans. Changes wait meanwhile, so keep it short.
    pub fn with_planner<R>(&self, f: impl FnOnce(&Planner) -> R) -> R {
        self.inner.shared.dispatch.with_planner(f)
    }

    /// Adds the controller's own figures to a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.inner.shared.metrics.register(registry);
    }

    /// Sends every agent away, then closes. Data paths are not touched; agents connect elsewhere or again.
    pub async fn drain(&self) {
        self.inner.shared.go_away();
        let server = self.inner.server.lock().take();
        if let Some(mut server) = server
            && tokio::time::timeout(CLOSE_WITHIN, &mut server)
                .await
                .is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.draining.send_replace(true);
        for outbox in self.shared.outboxes.lock().values() {
            outbox.close(None);
        }
        if let Some(server) = self.server.lock().take() {
            server.abort();
        }
    }
}

fn serve(
    shared: &Arc<Shared>,
    config: &Config,
    incoming: TcpIncoming,
) -> Result<JoinHandle<()>, ControllerError> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    if let Some(tls) = &config.tls {
        server = server
            .tls_config(tls.server())
            .map_err(ControllerError::Tls)?;
    }
    let agents = AgentServer::new(Service(shared.clone()))
        .max_decoding_message_size(MAX_FRAME)
        .max_encoding_message_size(MAX_FRAME);
    let mut draining = shared.draining.subscribe();
    Ok(tokio::spawn(async move {
        let drained = async move {
            // An error says that the controller is gone, which ends serving as well.
            let _ = draining.wait_for(|draining| *draining).await;
        };
        let serving = server.serve_with_incoming_shutdown(agents, incoming, drained);
        if let Err(error) = serving.await {
            tracing::error!(%error, "agents are no longer served");
        }
    }))
}

/// Takes the store's changes, one by one, to the planner and the sessions.
async fn follow(shared: Arc<Shared>, mut events: Watch) {
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Changes(changes) => {
                shared.dispatch.advance(|planner| planner.apply(&changes));
                shared.note_ports(&changes);
            }
            WatchEvent::Reset(snapshot) => {
                tracing::warn!(
                    revision = snapshot.revision().0,
                    "fell behind the store, comparing"
                );
                let dispatch = shared.dispatch.clone();
                let reset = move || dispatch.advance(|planner| planner.reset(&snapshot));
                if tokio::task::spawn_blocking(reset).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Shared {
    /// What was said of a port ends with its binding.
    fn note_ports(&self, changes: &ChangeSet) {
        for change in changes.changes.iter().filter(|change| change.is::<Ports>()) {
            if let Some(row) = change.after::<Ports>() {
                let host = row.value.binding.host.as_ref();
                self.fleet.bound(row.value.id, host);
            } else if let Some(row) = change.before::<Ports>() {
                self.fleet.bound(row.value.id, None);
            }
        }
    }

    /// Every stream gets a `GoAway`, and so does every one that still comes.
    fn go_away(&self) {
        self.draining.send_replace(true);
        for outbox in self.outboxes.lock().values() {
            outbox.go_away(GoAwayReason::Draining);
        }
    }

    fn count_connected(&self) {
        let connected = i64::try_from(self.fleet.connected_hosts()).unwrap_or(i64::MAX);
        self.metrics.connected.set(connected);
    }

    fn count_sent(&self, outbox: &Outbox) {
        let sent = outbox.take_sent();
        self.metrics.units.inc_by(sent.units);
        self.metrics.bytes.inc_by(sent.bytes);
    }
}

/// The gRPC face.
struct Service(Arc<Shared>);

#[tonic::async_trait]
impl Agent for Service {
    type ConnectStream = Frames;

    async fn connect(
        &self,
        request: Request<Streaming<proto::AgentFrame>>,
    ) -> Result<Response<Frames>, Status> {
        let shared = self.0.clone();
        let certificates = request.peer_certs();
        let certificates = certificates.as_ref().map(|list| list.as_slice());
        let identity = Identity::of(certificates, shared.requires_certificate);
        let outbox = Arc::new(Outbox::default());
        let id = shared.sessions.fetch_add(1, Ordering::Relaxed);
        shared.outboxes.lock().insert(id, outbox.clone());
        if *shared.draining.borrow() {
            outbox.go_away(GoAwayReason::Draining);
        }
        let frames = Frames(outbox.clone());
        tokio::spawn(async move {
            session::serve(shared.clone(), outbox, request.into_inner(), identity, id).await;
            shared.outboxes.lock().remove(&id);
        });
        Ok(Response::new(frames))
    }
}
