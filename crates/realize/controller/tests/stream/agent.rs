//! An agent that holds a plan and does nothing with it.

use bytes::Bytes;
use model::HostName;
use plan::{HostPlan, UnitKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use uuid::Uuid;
use wire::proto::agent_client::AgentClient;
use wire::{
    AgentFrame, ControllerFrame, Hello, Inventory, PROTOCOL, PortState, PortStatus, Reject,
    Snapshot, decode_unit, digest, proto,
};

/// More than any test sends.
pub(crate) const PLENTY: u32 = 1 << 30;

/// What an agent keeps between streams: encoded units by key.
pub(crate) type Held = BTreeMap<UnitKey, Bytes>;

pub(crate) struct Agent {
    pub(crate) host: HostName,
    pub(crate) held: Held,
    to: mpsc::Sender<proto::AgentFrame>,
    from: Streaming<proto::ControllerFrame>,
}

/// What came up to an `End`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) upserts: Vec<UnitKey>,
    pub(crate) deletes: Vec<UnitKey>,
    pub(crate) revision: u64,
}

pub(crate) fn hello(host: &HostName) -> Hello {
    // h7 has 192.0.2.7.
    let last = host.as_str().trim_start_matches('h').parse().unwrap_or(200);
    Hello {
        protocol: PROTOCOL,
        host: host.clone(),
        agent_version: "test".into(),
        boot_id: Uuid::from_u128(7),
        tunnel_address: [192, 0, 2, last].into(),
        applied: 0,
    }
}

impl Agent {
    /// Opens a stream and says nothing.
    pub(crate) async fn dial(address: SocketAddr, host: &str) -> Self {
        let uri = format!("http://{address}").parse().expect("a URI");
        let channel = Channel::builder(uri).connect().await.expect("a connection");
        Self::open(channel, host).await.expect("a stream")
    }

    pub(crate) async fn open(channel: Channel, host: &str) -> Result<Self, tonic::Status> {
        let (to, frames) = mpsc::channel(16);
        let mut client = AgentClient::new(channel);
        let from = client
            .connect(ReceiverStream::new(frames))
            .await?
            .into_inner();
        Ok(Self {
            host: host.parse().expect("a host name"),
            held: Held::new(),
            to,
            from,
        })
    }

    /// Opens a stream, says `Hello` and is welcomed.
    pub(crate) async fn greet(address: SocketAddr, host: &str) -> Self {
        let mut agent = Self::dial(address, host).await;
        agent.send(AgentFrame::Hello(hello(&agent.host))).await;
        let welcome = agent.next().await;
        assert!(
            matches!(welcome, Some(ControllerFrame::Welcome(_))),
            "{welcome:?}"
        );
        agent
    }

    /// Has the plan up to date, with plenty of credit.
    pub(crate) async fn connect(address: SocketAddr, host: &str, held: Held) -> (Self, Update) {
        let mut agent = Self::greet(address, host).await;
        agent.held = held;
        agent.send(AgentFrame::Credit(PLENTY)).await;
        agent.send_inventory().await;
        let update = agent.update().await;
        agent.send(AgentFrame::Applied(update.revision)).await;
        (agent, update)
    }

    pub(crate) async fn send(&mut self, frame: AgentFrame) {
        self.send_raw((&frame).into()).await;
    }

    pub(crate) async fn send_raw(&mut self, frame: proto::AgentFrame) {
        self.to.send(frame).await.expect("the stream is open");
    }

    /// In chunks of three.
    pub(crate) async fn send_inventory(&mut self) {
        let entries: Vec<_> = self
            .held
            .iter()
            .map(|(key, value)| (key.clone(), digest(value)))
            .collect();
        for chunk in entries.chunks(3) {
            let entries = chunk.to_vec();
            let last = false;
            self.send(AgentFrame::Inventory(Inventory { entries, last }))
                .await;
        }
        let done = Inventory {
            entries: Vec::new(),
            last: true,
        };
        self.send(AgentFrame::Inventory(done)).await;
    }

    pub(crate) async fn status(&mut self, port: model::PortId, state: PortState, revision: u64) {
        let status = PortStatus {
            port,
            state,
            reason: String::new(),
            revision,
        };
        self.send(AgentFrame::Status(vec![status])).await;
    }

    /// `None` when the controller has closed the stream.
    pub(crate) async fn next(&mut self) -> Option<ControllerFrame> {
        let frame = self.from.message().await.expect("an orderly stream")?;
        Some(ControllerFrame::try_from(frame).expect("a frame"))
    }

    /// Takes frames up to the next `End`.
    pub(crate) async fn update(&mut self) -> Update {
        let mut update = Update::default();
        loop {
            match self.next().await.expect("a frame") {
                ControllerFrame::Snapshot(snapshot) => update.snapshot = Some(snapshot),
                ControllerFrame::Delta(delta) => {
                    for value in delta.upserts {
                        let key = decode_unit(&value).expect("a unit").key();
                        self.held.insert(key.clone(), value);
                        update.upserts.push(key);
                    }
                    for key in delta.deletes {
                        assert!(self.held.remove(&key).is_some(), "{key} was held");
                        update.deletes.push(key);
                    }
                }
                ControllerFrame::End(revision) => {
                    update.revision = revision;
                    return update;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes updates and acknowledges them, up to a revision.
    pub(crate) async fn update_to(&mut self, revision: u64) -> Update {
        let mut all = Update::default();
        while all.revision < revision {
            let update = self.update().await;
            self.send(AgentFrame::Applied(update.revision)).await;
            all.upserts.extend(update.upserts);
            all.deletes.extend(update.deletes);
            all.revision = update.revision;
        }
        all
    }

    /// The refusal that comes next, after updates that were on their way.
    pub(crate) async fn rejection(&mut self) -> Reject {
        loop {
            match self.next().await.expect("a refusal") {
                ControllerFrame::Reject(reject) => return reject,
                ControllerFrame::GoAway(reason) => panic!("{reason:?}"),
                _ => {}
            }
        }
    }

    pub(crate) fn plan(&self) -> HostPlan {
        let units = self.held.values();
        units
            .map(|value| Arc::new(decode_unit(value).expect("a unit")))
            .collect()
    }

    /// Breaks the connection and keeps what it holds.
    pub(crate) fn leave(self) -> Held {
        self.held
    }
}
