//! Frames of the stream, parsed: what each side may say.

use crate::field::{address, host, put_address, put_uuid, required, uuid};
use crate::{DecodeError, Digest, proto};
use bytes::Bytes;
use model::{HostName, PortId};
use plan::UnitKey;
use std::net::IpAddr;
use uuid::Uuid;

/// A frame from an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentFrame {
    Hello(Hello),
    Inventory(Inventory),
    /// The controller may send this many more bytes of deltas.
    Credit(u32),
    /// The host matches its plan at this revision.
    Applied(u64),
    Status(Vec<PortStatus>),
    Counters(Vec<PortCounters>),
}

/// A frame from a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControllerFrame {
    Welcome(Welcome),
    Snapshot(Snapshot),
    Delta(Delta),
    /// With everything sent so far the agent has its whole plan at this revision.
    End(u64),
    Reject(Reject),
    GoAway(GoAwayReason),
}

/// Who the agent is and where it stands. The first frame of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// [`PROTOCOL`](crate::PROTOCOL) of the agent.
    pub protocol: u32,
    pub host: HostName,
    pub agent_version: String,
    /// Differs after each boot of the host's kernel.
    pub boot_id: Uuid,
    /// Where other hosts send VXLAN to.
    pub tunnel_address: IpAddr,
    /// The last revision applied, on any stream; 0 if none.
    pub applied: u64,
}

/// A part of what the agent has already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    pub entries: Vec<(UnitKey, Digest)>,
    /// The inventory is complete with this frame.
    pub last: bool,
}

/// What became of a port on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    pub port: PortId,
    pub state: PortState,
    /// Why the port is not up; empty when it is.
    pub reason: String,
    /// The revision of the plan this speaks of.
    pub revision: u64,
}

/// Whether a port forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortState {
    /// The port forwards as planned.
    Up,
    /// Its device is not plugged, or the port is administratively down.
    Down,
    /// The agent could not realize the port.
    Error,
}

/// The counters of a port since its device was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortCounters {
    pub port: PortId,
    pub counters: Vec<Counter>,
}

/// Packets and bytes that met one fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub name: String,
    pub packets: u64,
    pub bytes: u64,
}

/// The controller accepts the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub protocol: u32,
    /// Differs after each start of the controller.
    pub epoch: Uuid,
    pub controller_version: String,
}

/// The answer to the inventory begins; the deltas up to the next `End` are the whole difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    pub revision: u64,
    /// How many units differ, for a progress display; units may change meanwhile.
    pub upserts: u64,
    pub deletes: u64,
}

/// Units to put and units to remove. A key stands in one of the two at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// As [`encode_unit`](crate::encode_unit) made them, in key order; decoded one by one, so that a
    /// unit the agent cannot read harms only itself.
    pub upserts: Vec<Bytes>,
    pub deletes: Vec<UnitKey>,
}

/// A frame of the agent was refused and nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    pub message: String,
}

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectCode {
    /// The protocol versions have nothing in common, or a frame came out of turn.
    Protocol,
    /// The certificate is for another host.
    Identity,
    /// A frame could not be decoded, or exceeds a limit.
    Malformed,
    /// The host could not be registered.
    Registration,
    /// The frame speaks of ports bound elsewhere.
    ForeignPort,
}

impl RejectCode {
    /// True when the controller closes the stream after this.
    pub fn ends_stream(self) -> bool {
        self != Self::ForeignPort
    }
}

/// Why the controller closes a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoAwayReason {
    /// The controller stops; connect to another one, or to this one later.
    Draining,
    /// A newer stream of the same host took over.
    Replaced,
}

impl From<&AgentFrame> for proto::AgentFrame {
    fn from(frame: &AgentFrame) -> Self {
        use proto::agent_frame::Frame;
        let frame = match frame {
            AgentFrame::Hello(hello) => Frame::Hello(hello.into()),
            AgentFrame::Inventory(inventory) => Frame::Inventory(inventory.into()),
            AgentFrame::Credit(bytes) => Frame::Credit(proto::Credit { bytes: *bytes }),
            AgentFrame::Applied(revision) => Frame::Applied(proto::Applied {
                revision: *revision,
            }),
            AgentFrame::Status(ports) => Frame::Status(proto::Status {
                ports: ports.iter().map(Into::into).collect(),
            }),
            AgentFrame::Counters(ports) => Frame::Counters(proto::Counters {
                ports: ports.iter().map(Into::into).collect(),
            }),
        };
        Self { frame: Some(frame) }
    }
}

impl TryFrom<proto::AgentFrame> for AgentFrame {
    type Error = DecodeError;

    fn try_from(frame: proto::AgentFrame) -> Result<Self, DecodeError> {
        use proto::agent_frame::Frame;
        Ok(match required("agent_frame.frame", frame.frame)? {
            Frame::Hello(hello) => Self::Hello(hello.try_into()?),
            Frame::Inventory(inventory) => Self::Inventory((&inventory).try_into()?),
            Frame::Credit(credit) => Self::Credit(credit.bytes),
            Frame::Applied(applied) => Self::Applied(applied.revision),
            Frame::Status(status) => Self::Status(all(status.ports)?),
            Frame::Counters(counters) => Self::Counters(all(counters.ports)?),
        })
    }
}

impl From<&ControllerFrame> for proto::ControllerFrame {
    fn from(frame: &ControllerFrame) -> Self {
        use proto::controller_frame::Frame;
        let frame = match frame {
            ControllerFrame::Welcome(welcome) => Frame::Welcome(proto::Welcome {
                protocol: welcome.protocol,
                epoch: put_uuid(welcome.epoch),
                controller_version: welcome.controller_version.clone(),
            }),
            ControllerFrame::Snapshot(snapshot) => Frame::Snapshot(proto::Snapshot {
                revision: snapshot.revision,
                upserts: snapshot.upserts,
                deletes: snapshot.deletes,
            }),
            ControllerFrame::Delta(delta) => Frame::Delta(delta.into()),
            ControllerFrame::End(revision) => Frame::End(proto::End {
                revision: *revision,
            }),
            ControllerFrame::Reject(reject) => Frame::Reject(proto::Reject {
                code: encode_reject(reject.code).into(),
                message: reject.message.clone(),
            }),
            ControllerFrame::GoAway(reason) => Frame::GoAway(proto::GoAway {
                reason: encode_go_away(*reason).into(),
            }),
        };
        Self { frame: Some(frame) }
    }
}

impl TryFrom<proto::ControllerFrame> for ControllerFrame {
    type Error = DecodeError;

    fn try_from(frame: proto::ControllerFrame) -> Result<Self, DecodeError> {
        use proto::controller_frame::Frame;
        Ok(match required("controller_frame.frame", frame.frame)? {
            Frame::Welcome(welcome) => Self::Welcome(Welcome {
                protocol: welcome.protocol,
                epoch: uuid("welcome.epoch", &welcome.epoch)?,
                controller_version: welcome.controller_version,
            }),
            Frame::Snapshot(snapshot) => Self::Snapshot(Snapshot {
                revision: snapshot.revision,
                upserts: snapshot.upserts,
                deletes: snapshot.deletes,
            }),
            Frame::Delta(delta) => Self::Delta(delta.try_into()?),
            Frame::End(end) => Self::End(end.revision),
            Frame::Reject(reject) => Self::Reject(Reject {
                code: decode_reject(reject.code)?,
                message: reject.message,
            }),
            Frame::GoAway(go_away) => Self::GoAway(decode_go_away(go_away.reason)?),
        })
    }
}

impl From<&Hello> for proto::Hello {
    fn from(hello: &Hello) -> Self {
        Self {
            protocol: hello.protocol,
            host: hello.host.to_string(),
            agent_version: hello.agent_version.clone(),
            boot_id: put_uuid(hello.boot_id),
            tunnel_address: put_address(hello.tunnel_address),
            applied: hello.applied,
        }
    }
}

impl TryFrom<proto::Hello> for Hello {
    type Error = DecodeError;

    fn try_from(hello: proto::Hello) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol: hello.protocol,
            host: host("hello.host", &hello.host)?,
            agent_version: hello.agent_version,
            boot_id: uuid("hello.boot_id", &hello.boot_id)?,
            tunnel_address: address("hello.tunnel_address", &hello.tunnel_address)?,
            applied: hello.applied,
        })
    }
}

impl From<&Inventory> for proto::Inventory {
    fn from(inventory: &Inventory) -> Self {
        Self {
            entries: inventory
                .entries
                .iter()
                .map(|(key, digest)| proto::InventoryEntry {
                    key: Some(key.into()),
                    digest: digest.0.to_vec(),
                })
                .collect(),
            last: inventory.last,
        }
    }
}

impl TryFrom<&proto::Inventory> for Inventory {
    type Error = DecodeError;

    fn try_from(inventory: &proto::Inventory) -> Result<Self, DecodeError> {
        let entries = inventory.entries.iter().map(|entry| {
            let key = required("inventory.key", entry.key.as_ref())?.try_into()?;
            Ok((key, Digest::decode("inventory.digest", &entry.digest)?))
        });
        Ok(Self {
            entries: entries.collect::<Result<_, DecodeError>>()?,
            last: inventory.last,
        })
    }
}

impl From<&PortStatus> for proto::PortStatus {
    fn from(status: &PortStatus) -> Self {
        let state = match status.state {
            PortState::Up => proto::PortState::Up,
            PortState::Down => proto::PortState::Down,
            PortState::Error => proto::PortState::Error,
        };
        Self {
            port: put_uuid(status.port.0),
            state: state.into(),
            reason: status.reason.clone(),
            revision: status.revision,
        }
    }
}

impl TryFrom<proto::PortStatus> for PortStatus {
    type Error = DecodeError;

    fn try_from(status: proto::PortStatus) -> Result<Self, DecodeError> {
        let state = match proto::PortState::try_from(status.state) {
            Ok(proto::PortState::Up) => PortState::Up,
            Ok(proto::PortState::Down) => PortState::Down,
            Ok(proto::PortState::Error) => PortState::Error,
            Ok(proto::PortState::Unspecified) | Err(_) => {
                let problem = "not a known state";
                return Err(DecodeError::value("status.state", status.state, problem));
            }
        };
        Ok(Self {
            port: PortId(uuid("status.port", &status.port)?),
            state,
            reason: status.reason,
            revision: status.revision,
        })
    }
}

impl From<&PortCounters> for proto::PortCounters {
    fn from(port: &PortCounters) -> Self {
        Self {
            port: put_uuid(port.port.0),
            counters: port
                .counters
                .iter()
                .map(|counter| proto::Counter {
                    name: counter.name.clone(),
                    packets: counter.packets,
                    bytes: counter.bytes,
                })
                .collect(),
        }
    }
}

impl TryFrom<proto::PortCounters> for PortCounters {
    type Error = DecodeError;

    fn try_from(port: proto::PortCounters) -> Result<Self, DecodeError> {
        Ok(Self {
            port: PortId(uuid("counters.port", &port.port)?),
            counters: port
                .counters
                .into_iter()
                .map(|counter| Counter {
                    name: counter.name,
                    packets: counter.packets,
                    bytes: counter.bytes,
                })
                .collect(),
        })
    }
}

impl From<&Delta> for proto::Delta {
    fn from(delta: &Delta) -> Self {
        Self {
            upserts: delta.upserts.clone(),
            deletes: delta.deletes.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::Delta> for Delta {
    type Error = DecodeError;

    fn try_from(delta: proto::Delta) -> Result<Self, DecodeError> {
        let deletes = delta.deletes.iter().map(TryInto::try_into);
        Ok(Self {
            deletes: deletes.collect::<Result<_, _>>()?,
            upserts: delta.upserts,
        })
    }
}

fn encode_reject(code: RejectCode) -> proto::RejectCode {
    match code {
        RejectCode::Protocol => proto::RejectCode::Protocol,
        RejectCode::Identity => proto::RejectCode::Identity,
        RejectCode::Malformed => proto::RejectCode::Malformed,
        RejectCode::Registration => proto::RejectCode::Registration,
        RejectCode::ForeignPort => proto::RejectCode::ForeignPort,
    }
}

fn decode_reject(value: i32) -> Result<RejectCode, DecodeError> {
    match proto::RejectCode::try_from(value) {
        Ok(proto::RejectCode::Protocol) => Ok(RejectCode::Protocol),
        Ok(proto::RejectCode::Identity) => Ok(RejectCode::Identity),
        Ok(proto::RejectCode::Malformed) => Ok(RejectCode::Malformed),
        Ok(proto::RejectCode::Registration) => Ok(RejectCode::Registration),
        Ok(proto::RejectCode::ForeignPort) => Ok(RejectCode::ForeignPort),
        Ok(proto::RejectCode::Unspecified) | Err(_) => {
            Err(DecodeError::value("reject.code", value, "not a known code"))
        }
    }
}

fn encode_go_away(reason: GoAwayReason) -> proto::GoAwayReason {
    match reason {
        GoAwayReason::Draining => proto::GoAwayReason::Draining,
        GoAwayReason::Replaced => proto::GoAwayReason::Replaced,
    }
}

fn decode_go_away(value: i32) -> Result<GoAwayReason, DecodeError> {
    match proto::GoAwayReason::try_from(value) {
        Ok(proto::GoAwayReason::Draining) => Ok(GoAwayReason::Draining),
        Ok(proto::GoAwayReason::Replaced) => Ok(GoAwayReason::Replaced),
        Ok(proto::GoAwayReason::Unspecified) | Err(_) => {
            let problem = "not a known reason";
            Err(DecodeError::value("go_away.reason", value, problem))
        }
    }
}

/// Decodes a repeated field.
fn all<W, T: TryFrom<W, Error = DecodeError>>(items: Vec<W>) -> Result<Vec<T>, DecodeError> {
    items.into_iter().map(T::try_from).collect()
}
