//! The contract between controllers and host agents: `netwright.agent.v1`.
//!
//! Here are the frames of the stream, units and keys as bytes, and the way back with a precise
//! [`DecodeError`]. Bytes from the other side are parsed once, at this edge; whoever reads an [`AgentFrame`] or a
//! [`ControllerFrame`] has valid ids, addresses and keys. Nothing here does I/O or decides anything.
//!
//! One bidirectional stream per agent and controller (`Agent.Connect`):
//!
//! ```text
//! agent                                controller
//!   Hello ──────────────────────────────→
//!         ←────────────────────────────── Welcome           (or Reject, and the stream ends)
//!   Credit, Inventory*, last ───────────→
//!         ←────────────────────────────── Snapshot, Delta*, End      the difference only
//!   Applied(revision) ──────────────────→
//!         ←────────────────────────────── Delta*, End                for each change, coalesced
//!   Applied, Status, Counters, Credit ──→                            at any time
//!         ←────────────────────────────── Reject | GoAway            at any time
//! ```
//!
//! `docs/agent-stream.md` has the rules in full.

mod digest;
mod error;
mod field;
mod frame;
mod key;
mod rule;
mod unit;

/// The generated messages and the gRPC client and server.
#[allow(
    clippy::all,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "generated"
)]
pub mod proto {
    include!("generated/netwright.agent.v1.rs");
}

pub use digest::{Digest, digest};
pub use error::DecodeError;
pub use frame::{
    AgentFrame, ControllerFrame, Counter, Delta, GoAwayReason, Hello, Inventory, PortCounters,
    PortState, PortStatus, Reject, RejectCode, Snapshot, Welcome,
};
pub use unit::{decode_unit, encode_unit};

/// The version of the protocol. A change that an older peer would misunderstand raises it.
pub const PROTOCOL: u32 = 1;

/// A frame larger than this ends the stream, in either direction (bytes, encoded).
pub const MAX_FRAME: usize = 4 << 20;

/// A sender starts another frame before one grows past this (bytes, encoded). A single unit may be larger:
/// a rule set of 10,000 rules has about 600 KiB.
pub const FRAME_TARGET: usize = 1 << 20;

/// An agent has at most this much credit open; more is not counted (bytes).
pub const MAX_CREDIT: u64 = 64 << 20;

/// An inventory has at most this many entries.
pub const MAX_INVENTORY: usize = 4_000_000;

/// The length of an encoded delta, which is what credit is counted in.
pub fn delta_length(delta: &proto::Delta) -> usize {
    prost::Message::encoded_len(delta)
}

/// The length of an encoded frame, without the five bytes gRPC puts before it.
pub fn frame_length(frame: &proto::ControllerFrame) -> usize {
    prost::Message::encoded_len(frame)
}
