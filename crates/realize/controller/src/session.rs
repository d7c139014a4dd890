//! One agent's stream from `Hello` to its end: checks each frame, takes what it says, refuses the rest by name.
//! Never sends units itself; that is the outbox's.

use crate::Shared;
use crate::identity::Identity;
use crate::outbox::Outbox;
use model::{HostName, PortId, Timestamp};
use operations::{Context, Defaults, OpError, hosts};
use plan::UnitKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Revision, TransactError};
use tonic::{Status, Streaming};
use wire::{
    AgentFrame, ControllerFrame, Digest, Hello, Inventory, MAX_INVENTORY, PROTOCOL, PortCounters,
    PortStatus, Reject, RejectCode, Welcome, proto,
};

/// An agent that opens a stream and says nothing is not kept longer than this.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Counters of one port that are kept.
const MAX_COUNTERS: usize = 64;
/// Bytes of a reason that are kept.
const MAX_REASON: usize = 1024;

/// What ends a session.
enum Ending {
    /// The agent closed the stream or its connection broke.
    Gone,
    Refused(Reject),
}

fn refuse<T>(code: RejectCode, message: impl Into<String>) -> Result<T, Ending> {
    let message = message.into();
    Err(Ending::Refused(Reject { code, message }))
}

/// A session whose agent has been welcomed.
struct Session {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    id: u64,
    host: HostName,
    progress: Progress,
}

enum Progress {
    /// Inventory frames are coming.
    Inventory(HashMap<UnitKey, Digest>),
    Live,
}

/// Serves the stream until either side ends it.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    mut frames: Streaming<proto::AgentFrame>,
    identity: Identity,
    id: u64,
) {
    let welcomed = tokio::select! {
        welcomed = welcome(&shared, &outbox, &mut frames, &identity, id) => welcomed,
        () = outbox.closed() => return,
    };
    let ending = match welcomed {
        Ok(mut session) => {
            let ending = tokio::select! {
                Err(ending) = session.run(&mut frames) => ending,
                () = outbox.closed() => Ending::Gone,
            };
            session.finish();
            ending
        }
        Err(ending) => ending,
    };
    match ending {
        Ending::Refused(reject) => {
            tracing::warn!(session = id, code = ?reject.code, "{}", reject.message);
            shared.metrics.refuse(reject.code, 1);
            outbox.reject(reject);
        }
        Ending::Gone => outbox.close(None),
    }
}

async fn next(frames: &mut Streaming<proto::AgentFrame>) -> Result<AgentFrame, Ending> {
    match frames.message().await {
        Ok(Some(frame)) => match AgentFrame::try_from(frame) {
            Ok(frame) => Ok(frame),
            Err(error) => refuse(RejectCode::Malformed, error.to_string()),
        },
        Ok(None) => Err(Ending::Gone),
        Err(status) => Err(broken(status)),
    }
}

/// tonic reports a frame it cannot decode and a connection that broke by the same means.
fn broken(status: Status) -> Ending {
    match status.code() {
        tonic::Code::Internal | tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => {
            Ending::Refused(Reject {
                code: RejectCode::Malformed,
                message: status.message().to_owned(),
            })
        }
        _ => Ending::Gone,
    }
}

/// Takes the `Hello`, checks who says it, makes the host known.
async fn welcome(
    shared: &Arc<Shared>,
    outbox: &Arc<Outbox>,
    frames: &mut Streaming<proto::AgentFrame>,
    identity: &Identity,
    id: u64,
) -> Result<Session, Ending> {
    let first = tokio::time::timeout(HELLO_WITHIN, next(frames)).await;
    let Ok(first) = first else {
        return refuse(RejectCode::Protocol, "no Hello within 10 seconds");
    };
    let AgentFrame::Hello(hello) = first? else {
        return refuse(RejectCode::Protocol, "the first frame is not Hello");
    };
    if hello.protocol != PROTOCOL {
        let message = format!(
            "the agent speaks version {} of the protocol, this controller version {PROTOCOL}",
            hello.protocol
        );
        return refuse(RejectCode::Protocol, message);
    }
    if let Some(objection) = identity.objection(&hello.host) {
        return refuse(RejectCode::Identity, objection);
    }
    let registered = register(shared, &hello).await?;
    if !shared.dispatch.reached(registered).await {
        return Err(Ending::Gone);
    }
    let known = shared.dispatch.with_planner(|planner| planner.revision());
    let applied = Revision(hello.applied).min(known);
    shared.dispatch.enter(&hello.host, id, outbox, || {
        let now = Timestamp::now();
        shared.fleet.connected(id, &hello, applied, now);
    });
    shared.count_connected();
    outbox.say(ControllerFrame::Welcome(Welcome {
        protocol: PROTOCOL,
        epoch: shared.epoch,
        controller_version: env!("CARGO_PKG_VERSION").to_owned(),
    }));
    tracing::info!(session = id, host = %hello.host, agent = hello.agent_version, "agent connected");
    Ok(Session {
        shared: shared.clone(),
        outbox: outbox.clone(),
        id,
        host: hello.host,
        progress: Progress::Inventory(HashMap::new()),
    })
}

async fn register(shared: &Shared, hello: &Hello) -> Result<Revision, Ending> {
    let now = Timestamp::now();
    let project = "netwright".parse();
    let project = project.expect("invariant: a constant that is a valid project id");
    let defaults = Defaults::default();
    let context = Context::new(now, project, true, &defaults);
    let done = shared
        .store
        .transact(|tx| hosts::register(tx, &context, &hello.host, hello.tunnel_address));
    match done.await {
        Ok(done) => Ok(done.revision),
        Err(TransactError::<OpError>::Refused(error)) => refuse(
            RejectCode::Registration,
            format!("host {}: {error}", hello.host),
        ),
        Err(TransactError::Store(error)) => {
            tracing::error!(host = %hello.host, %error, "host not registered");
            Err(Ending::Gone)
        }
    }
}

impl Session {
    /// Returns when the session is over, always with the reason.
    async fn run(&mut self, frames: &mut Streaming<proto::AgentFrame>) -> Result<(), Ending> {
        loop {
            match next(frames).await? {
                AgentFrame::Hello(_) => {
                    return refuse(RejectCode::Protocol, "a second Hello");
                }
                AgentFrame::Inventory(inventory) => self.inventory(inventory).await?,
                AgentFrame::Credit(bytes) => self.outbox.grant(bytes),
                AgentFrame::Applied(revision) => self.applied(revision)?,
                AgentFrame::Status(ports) => self.statuses(ports),
                AgentFrame::Counters(ports) => self.counters(ports)?,
            }
            self.shared.count_sent(&self.outbox);
        }
    }

    async fn inventory(&mut self, inventory: Inventory) -> Result<(), Ending> {
        let Progress::Inventory(held) = &mut self.progress else {
            return refuse(RejectCode::Protocol, "an Inventory after the last one");
        };
        if held.len() + inventory.entries.len() > MAX_INVENTORY {
            let message = format!("an inventory of more than {MAX_INVENTORY} entries");
            return refuse(RejectCode::Malformed, message);
        }
        for (key, digest) in inventory.entries {
            if let Some(key) = held.insert(key.clone(), digest).map(|_| key) {
                let message = format!("the inventory has {key} twice");
                return refuse(RejectCode::Malformed, message);
            }
        }
        if !inventory.last {
            return Ok(());
        }
        let held = std::mem::take(held);
        self.progress = Progress::Live;
        let (shared, outbox) = (self.shared.clone(), self.outbox.clone());
        let (host, id) = (self.host.clone(), self.id);
        let joined =
            tokio::task::spawn_blocking(move || shared.dispatch.join(&host, id, &outbox, held))
                .await;
        // The runtime is going down.
        joined.map_err(|_| Ending::Gone)
    }

    fn applied(&self, revision: u64) -> Result<(), Ending> {
        if self.outbox.ended().is_none_or(|ended| ended < revision) {
            let message = format!("Applied({revision}) before End({revision})");
            return refuse(RejectCode::Protocol, message);
        }
        let revision = Revision(revision);
        self.shared.fleet.applied(self.id, &self.host, revision);
        Ok(())
    }

    fn statuses(&self, mut ports: Vec<PortStatus>) {
        self.keep_own(&mut ports, |status| status.port);
        for status in &mut ports {
            let mut end = status.reason.len().min(MAX_REASON);
            while !status.reason.is_char_boundary(end) {
                end -= 1;
            }
            status.reason.truncate(end);
        }
        self.shared
            .fleet
            .statuses(&self.host, &ports, Timestamp::now());
        self.shared.reports.push(&self.host, &ports);
    }

    fn counters(&self, mut ports: Vec<PortCounters>) -> Result<(), Ending> {
        if let Some(port) = ports.iter().find(|port| port.counters.len() > MAX_COUNTERS) {
            let message = format!(
                "{} counters of port {}, of at most {MAX_COUNTERS}",
                port.counters.len(),
                port.port
            );
            return refuse(RejectCode::Malformed, message);
        }
        self.keep_own(&mut ports, |port| port.port);
        self.shared
            .fleet
            .counters(&self.host, ports, Timestamp::now());
        Ok(())
    }

    /// Drops what speaks of ports that are not bound to this host. A port bound to none is no offence: its agent may
    /// not have heard of it yet.
    fn keep_own<T>(&self, items: &mut Vec<T>, port_of: impl Fn(&T) -> PortId) {
        let mut foreign = Vec::new();
        self.shared.dispatch.with_planner(|planner| {
            items.retain(|item| {
                let bound = planner.host_of(port_of(item));
                if bound.is_some_and(|host| *host != self.host) {
                    foreign.push(port_of(item));
                }
                bound == Some(&self.host)
            });
        });
        let Some(first) = foreign.first() else {
            return;
        };
        let message = format!(
            "{} ports are not bound to host {}: {first}{}",
            foreign.len(),
            self.host,
            if foreign.len() > 1 { " and others" } else { "" }
        );
        tracing::warn!(session = self.id, "{message}");
        self.shared
            .metrics
            .refuse(RejectCode::ForeignPort, foreign.len());
        self.outbox.reject(Reject {
            code: RejectCode::ForeignPort,
            message,
        });
    }

    fn finish(&self) {
        self.shared.dispatch.leave(&self.host, self.id);
        self.shared
            .fleet
            .disconnected(self.id, &self.host, Timestamp::now());
        self.shared.count_connected();
        self.shared.count_sent(&self.outbox);
        tracing::info!(session = self.id, host = %self.host, "agent gone");
    }
}
