//! The stream to a controller (docs/agent-stream.md): receives the plan, tells what became of it. One controller at
//! a time; when it fails the next one is tried. What was received and not yet complete is thrown away with its
//! stream; what the kernel holds stays.

use crate::Error;
use crate::board::Board;
use crate::realizer::Event;
use model::HostName;
use plan::{Delta, HostPlan};
use std::convert::Infallible;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};
use tracing::{info, warn};
use uuid::Uuid;
use wire::proto;
use wire::proto::agent_client::AgentClient;
use wire::{AgentFrame, ControllerFrame, GoAwayReason, Hello, Inventory};

/// Bytes of deltas that may be under way to us.
const WINDOW: u32 = 8 << 20;
const INVENTORY_PER_FRAME: usize = 4096;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// For a controller to say welcome.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// What mutual TLS needs, in PEM.
#[derive(Clone)]
pub struct Tls {
    /// Who may vouch for controllers.
    pub ca: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// The name the controller's certificate must have, if it is not the host of the address.
    pub server_name: Option<String>,
}

impl Tls {
    fn client(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca))
            .identity(Identity::from_pem(&self.certificate, &self.key));
        match &self.server_name {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Client {
    controllers: Vec<(String, Endpoint)>,
    host: HostName,
    tunnel_address: IpAddr,
    boot_id: Uuid,
    events: mpsc::Sender<Event>,
    board: Arc<Board>,
}

impl Client {
    pub(crate) fn new(
        config: &crate::Config,
        events: mpsc::Sender<Event>,
        board: Arc<Board>,
    ) -> Result<Self, Error> {
        let controllers = config
            .controllers
            .iter()
            .map(|uri| Ok((uri.clone(), endpoint(uri, config.tls.as_ref())?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            controllers,
            host: config.host.clone(),
            tunnel_address: config.tunnel_address,
            boot_id: boot_id(),
            events,
            board,
        })
    }

    /// Connects, again and again. Ends only when the realizer has.
    pub(crate) async fn run(self) {
        let mut backoff = FIRST_BACKOFF;
        while !self.events.is_closed() && !self.controllers.is_empty() {
            for (uri, endpoint) in &self.controllers {
                let began = Instant::now();
                let Err(reason) = self.stream(uri, endpoint).await;
                warn!(
                    controller = uri,
                    reason, "no stream; the kernel keeps the last plan"
                );
                self.board.disconnected(format!("{uri}: {reason}"));
                // A stream that was good for a while; not one that is refused or replaced at once.
                if began.elapsed() >= LAST_BACKOFF {
                    backoff = FIRST_BACKOFF;
                }
            }
            tokio::time::sleep(backoff.mul_f64(crate::jitter(0.5, 1.5))).await;
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    /// One stream from its start to its end.
    async fn stream(&self, uri: &str, endpoint: &Endpoint) -> Result<Infallible, String> {
        let opening = tokio::time::timeout(PATIENCE, self.open(endpoint));
        let (mut session, version) = opening
            .await
            .map_err(|_| format!("no welcome within {} seconds", PATIENCE.as_secs()))??;
        info!(controller = uri, version, "connected");
        self.board.connected(uri);
        session.run().await
    }

    /// Connects and is welcomed; the session and the controller's version.
    async fn open(&self, endpoint: &Endpoint) -> Result<(Session<'_>, String), String> {
        let channel = endpoint.connect().await.map_err(|error| chain(&error))?;
        let mut client = AgentClient::new(channel)
            .max_decoding_message_size(wire::MAX_FRAME)
            .max_encoding_message_size(wire::MAX_FRAME);
        let (outbox, frames) = mpsc::channel(16);
        // The channel is empty, so this does not wait; and nobody else holds its other end.
        let _ = outbox.send(self.hello()).await;
        let inbound = client.connect(ReceiverStream::new(frames)).await;
        let inbound = inbound.map_err(|status| unanswered(endpoint, &status))?;
        let mut session = Session {
            outbox,
            inbound: inbound.into_inner(),
            events: &self.events,
            board: &self.board,
            consumed: 0,
        };
        let version = session.welcome().await?;
        Ok((session, version))
    }

    fn hello(&self) -> proto::AgentFrame {
        let hello = AgentFrame::Hello(Hello {
            protocol: wire::PROTOCOL,
            host: self.host.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot_id,
            tunnel_address: self.tunnel_address,
            applied: self.board.applied_revision(),
        });
        (&hello).into()
    }
}

fn endpoint(uri: &str, tls: Option<&Tls>) -> Result<Endpoint, Error> {
    let invalid = |error: tonic::transport::Error| Error::Controller {
        uri: uri.to_owned(),
        detail: chain(&error),
    };
    let endpoint = Endpoint::from_shared(uri.to_owned()).map_err(invalid)?;
    if !matches!(endpoint.uri().scheme_str(), Some("http" | "https")) {
        return Err(Error::Controller {
            uri: uri.to_owned(),
            detail: "it does not begin with http:// or https://".to_owned(),
        });
    }
    let endpoint = endpoint
        .connect_timeout(KEEP_ALIVE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(2 << 20);
    // Certificates would be left unused without a word, and so would the wish for them.
    let uri = uri.to_owned();
    match (is_tls(&endpoint), tls) {
        (true, None) => Err(Error::NoCertificates { uri }),
        (false, Some(_)) => Err(Error::PlainText { uri }),
        (false, None) => Ok(endpoint),
        (true, Some(tls)) => endpoint.tls_config(tls.client()).map_err(invalid),
    }
}

fn is_tls(endpoint: &Endpoint) -> bool {
    endpoint.uri().scheme_str() == Some("https")
}

/// Why a stream did not come to be. A controller that dislikes a certificate, or wants one, closes the connection after
/// the client has taken it for open (RFC 8446 section 4.4.2.4), and its alert may be lost.
fn unanswered(endpoint: &Endpoint, status: &Status) -> String {
    let reason = broken(status);
    if status.source().is_none() {
        return reason;
    }
    let question = match is_tls(endpoint) {
        true => "does the controller know the authority of this host's certificate?",
        false => "does the controller ask for TLS (https)?",
    };
    format!("{reason}; {question}")
}

/// What the controller said, or why it could not.
fn broken(status: &Status) -> String {
    match status.source() {
        Some(cause) => chain(cause),
        None => format!("{}: {}", status.code(), status.message()),
    }
}

/// An error with its causes; transport errors say nothing themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Differs after each boot; random where the kernel does not say.
fn boot_id() -> Uuid {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// An open stream.
struct Session<'a> {
    outbox: mpsc::Sender<proto::AgentFrame>,
    inbound: Streaming<proto::ControllerFrame>,
    events: &'a mpsc::Sender<Event>,
    board: &'a Board,
    /// Bytes of deltas taken since credit was last given back.
    consumed: usize,
}

impl Session<'_> {
    async fn welcome(&mut self) -> Result<String, String> {
        let (frame, _) = self.receive().await?;
        match frame {
            ControllerFrame::Welcome(welcome) => Ok(welcome.controller_version),
            ControllerFrame::Reject(reject) => Err(format!("refused: {}", reject.message)),
            other => Err(format!("expected a welcome, not {other:?}")),
        }
    }

    async fn run(&mut self) -> Result<Infallible, String> {
        let (reply, plan) = oneshot::channel();
        self.tell(Event::StreamOpened(reply)).await?;
        let plan = plan.await.map_err(|_| "the agent stops".to_owned())?;
        self.send_inventory(plan).await?;
        self.send(&AgentFrame::Credit(WINDOW)).await?;
        let board = self.board;
        loop {
            tokio::select! {
                frame = self.receive() => {
                    let (frame, size) = frame?;
                    self.take(frame, size).await?;
                }
                () = board.changed() => {
                    for frame in board.take_unsent() {
                        self.send(&frame).await?;
                    }
                }
            }
        }
    }

    /// What we have, so that only the difference is sent. Hashing a large plan takes a while: not on this thread.
    async fn send_inventory(&mut self, plan: HostPlan) -> Result<(), String> {
        let digests = tokio::task::spawn_blocking(move || -> Vec<_> {
            let digest = |unit| wire::digest(&wire::encode_unit(unit));
            plan.iter()
                .map(|(key, unit)| (key.clone(), digest(unit)))
                .collect()
        });
        let entries = digests.await.map_err(|error| error.to_string())?;
        for chunk in entries.chunks(INVENTORY_PER_FRAME) {
            let entries = chunk.to_vec();
            self.send(&AgentFrame::Inventory(Inventory {
                entries,
                last: false,
            }))
            .await?;
        }
        let end = Inventory {
            entries: Vec::new(),
            last: true,
        };
        self.send(&AgentFrame::Inventory(end)).await
    }

    /// The next frame and, for a delta, its size in credit. Cancel safe.
    async fn receive(&mut self) -> Result<(ControllerFrame, usize), String> {
        let frame = match self.inbound.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err("the controller closed the stream".into()),
            Err(status) => return Err(broken(&status)),
        };
        let size = match &frame.frame {
            Some(proto::controller_frame::Frame::Delta(delta)) => wire::delta_length(delta),
            _ => 0,
        };
        let frame =
            ControllerFrame::try_from(frame).map_err(|error| format!("bad frame: {error}"))?;
        Ok((frame, size))
    }

    async fn take(&mut self, frame: ControllerFrame, size: usize) -> Result<(), String> {
        match frame {
            ControllerFrame::Snapshot(snapshot) => {
                info!(
                    revision = snapshot.revision,
                    upserts = snapshot.upserts,
                    deletes = snapshot.deletes,
                    "the controller compared"
                );
                Ok(())
            }
            ControllerFrame::Delta(delta) => {
                let delta = self.decode(delta);
                self.tell(Event::Delta(delta)).await?;
                self.grant(size).await
            }
            ControllerFrame::End(revision) => self.tell(Event::End(revision)).await,
            ControllerFrame::Reject(reject) if !reject.code.ends_stream() => {
                warn!(code = ?reject.code, message = reject.message, "a frame was refused");
                Ok(())
            }
            ControllerFrame::Reject(reject) => Err(format!("refused: {}", reject.message)),
            ControllerFrame::GoAway(GoAwayReason::Draining) => Err("the controller stops".into()),
            ControllerFrame::GoAway(GoAwayReason::Replaced) => {
                Err("another agent of this host name took over the stream".into())
            }
            ControllerFrame::Welcome(_) => Err("a second welcome".into()),
        }
    }

    /// A unit that cannot be read harms only itself: its previous version stays.
    fn decode(&self, delta: wire::Delta) -> Delta {
        let mut upserts = Vec::with_capacity(delta.upserts.len());
        for bytes in &delta.upserts {
            match wire::decode_unit(bytes) {
                Ok(unit) => upserts.push(Arc::new(unit)),
                Err(error) => {
                    warn!(%error, "a unit cannot be read and is left as it was");
                    self.board.unreadable_unit();
                }
            }
        }
        Delta {
            upserts,
            deletes: delta.deletes,
        }
    }

    /// Gives credit back in portions, so that small deltas do not cost a frame each.
    async fn grant(&mut self, size: usize) -> Result<(), String> {
        self.consumed += size;
        if self.consumed < WINDOW as usize / 4 {
            return Ok(());
        }
        let bytes = u32::try_from(std::mem::take(&mut self.consumed)).unwrap_or(u32::MAX);
        self.send(&AgentFrame::Credit(bytes)).await
    }

    async fn tell(&self, event: Event) -> Result<(), String> {
        let told = self.events.send(event).await;
        told.map_err(|_| "the agent stops".to_owned())
    }

    async fn send(&self, frame: &AgentFrame) -> Result<(), String> {
        let sent = self.outbox.send(frame.into()).await;
        sent.map_err(|_| "the controller closed the stream".to_owned())
    }
}

#[cfg(test)]
mod tests;
