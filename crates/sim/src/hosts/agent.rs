//! One simulated host.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use model::HostName;
use plan::UnitKey;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use uuid::Uuid;
use wire::proto::agent_client::AgentClient;
use wire::{
    AgentFrame, ControllerFrame, Delta, Hello, Inventory, MAX_FRAME, PROTOCOL, decode_unit, proto,
};

/// Bytes of deltas a simulated host has open.
const CREDIT: u32 = 16 << 20;
/// What gRPC puts before each message: a flag and the length.
const MESSAGE_HEADER: u64 = 5;

/// What a simulated host has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last revision applied and acknowledged.
    pub applied: u64,
    /// Units in its plan.
    pub units: usize,
    /// Bytes of all messages from the controller, with their gRPC headers.
    pub bytes: u64,
}

/// An agent without a kernel: it keeps its plan and acknowledges each revision. Ends when dropped.
pub struct SimHost {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<Result<()>>,
}

impl Drop for SimHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SimHost {
    /// Connects with nothing in hand and waits for the whole plan.
    pub async fn connect(
        controller: SocketAddr,
        host: HostName,
        tunnel_address: IpAddr,
    ) -> Result<Self> {
        let uri = format!("http://{controller}").parse()?;
        let channel = Channel::builder(uri).tcp_nodelay(true).connect().await?;
        let (to, frames) = mpsc::channel(16);
        let mut client = AgentClient::new(channel).max_decoding_message_size(MAX_FRAME);
        let hello = Hello {
            protocol: PROTOCOL,
            host,
            agent_version: "simulated".to_owned(),
            boot_id: Uuid::nil(),
            tunnel_address,
            applied: 0,
        };
        let inventory = Inventory {
            entries: Vec::new(),
            last: true,
        };
        for frame in [
            AgentFrame::Hello(hello),
            AgentFrame::Credit(CREDIT),
            AgentFrame::Inventory(inventory),
        ] {
            to.send((&frame).into()).await?;
        }
        let from = client
            .connect(ReceiverStream::new(frames))
            .await?
            .into_inner();
        let (tell, seen) = watch::channel(Seen::default());
        let agent = Agent {
            to,
            from,
            plan: HashMap::new(),
            taken: 0,
            bytes: 0,
        };
        let mut host = Self {
            seen,
            task: tokio::spawn(agent.run(tell)),
        };
        host.reached(1).await?;
        Ok(host)
    }

    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Until the host has applied this revision.
    pub async fn reached(&mut self, revision: u64) -> Result<Seen> {
        let reached = self.seen.wait_for(|seen| seen.applied >= revision).await;
        Ok(*reached.context("the stream of a simulated host ended")?)
    }
}

struct Agent {
    to: mpsc::Sender<proto::AgentFrame>,
    from: Streaming<proto::ControllerFrame>,
    plan: HashMap<UnitKey, Bytes>,
    /// Bytes of deltas since credit was last given.
    taken: u32,
    bytes: u64,
}

impl Agent {
    async fn run(mut self, tell: watch::Sender<Seen>) -> Result<()> {
        while let Some(frame) = self.from.message().await? {
            self.bytes += MESSAGE_HEADER + wire::frame_length(&frame) as u64;
            if let Some(proto::controller_frame::Frame::Delta(delta)) = &frame.frame {
                self.pay(wire::delta_length(delta)).await?;
            }
            match ControllerFrame::try_from(frame)? {
                ControllerFrame::Delta(delta) => self.take(delta)?,
                ControllerFrame::End(revision) => {
                    self.send(AgentFrame::Applied(revision)).await?;
                    tell.send_replace(Seen {
                        applied: revision,
                        units: self.plan.len(),
                        bytes: self.bytes,
                    });
                }
                ControllerFrame::Welcome(_) | ControllerFrame::Snapshot(_) => {}
                ControllerFrame::Reject(reject) => bail!("refused: {}", reject.message),
                ControllerFrame::GoAway(reason) => bail!("sent away: {reason:?}"),
            }
        }
        Ok(())
    }

    fn take(&mut self, delta: Delta) -> Result<()> {
        for value in delta.upserts {
            self.plan.insert(decode_unit(&value)?.key(), value);
        }
        for key in delta.deletes {
            self.plan.remove(&key);
        }
        Ok(())
    }

    async fn pay(&mut self, bytes: usize) -> Result<()> {
        self.taken += u32::try_from(bytes)?;
        if self.taken >= CREDIT / 4 {
            let taken = std::mem::take(&mut self.taken);
            self.send(AgentFrame::Credit(taken)).await?;
        }
        Ok(())
    }

    async fn send(&self, frame: AgentFrame) -> Result<()> {
        Ok(self.to.send((&frame).into()).await?)
    }
}
