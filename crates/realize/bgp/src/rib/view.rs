//! What readers of the RIB get: plain values, made when asked for.

use super::best::Reason;
use super::config::TableId;
use crate::attribute::Attributes;
use crate::nlri::{Nlri, PathId, Payload};
use crate::{Family, PeerId};
use std::sync::Arc;

/// Where a path comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Peer(PeerId),
    /// Originated here.
    Local,
}

/// One path of a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct PathView {
    pub nlri: Nlri,
    pub origin: Origin,
    /// As received.
    pub path_id: PathId,
    pub payload: Payload,
    /// As received, before policy.
    pub received: Arc<Attributes>,
    /// As used, after policy; none if rejected.
    pub used: Option<Arc<Attributes>>,
    pub weight: u16,
    pub state: PathState,
    /// Kept for a peer that is restarting (RFC 4724, 9494).
    pub stale: bool,
}

/// What the decision process made of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    Best,
    /// Used beside the best.
    Multipath,
    /// Lost; the first step in which the best one was better.
    Lost(Reason),
    Rejected(Rejection),
}

/// Why a received path is not considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("the import policy rejects it")]
    Policy,
    #[error("no import policy is configured for this external peer (RFC 8212)")]
    NoPolicy,
    #[error("our own AS is in its path (RFC 4271 9.1.2)")]
    AsLoop,
    #[error("its ORIGINATOR_ID is our router id (RFC 4456 8)")]
    OriginatorLoop,
    #[error("our cluster id is in its CLUSTER_LIST (RFC 4456 8)")]
    ClusterLoop,
    #[error("its first AS is not the peer's")]
    FirstAs,
    #[error("it leaks: ONLY_TO_CUSTOMER forbids it from this peer (RFC 9234 5)")]
    RouteLeak,
    #[error("its next hop is ourselves or not usable")]
    NextHop,
    #[error("its next hop is unreachable")]
    Unreachable,
    #[error("it is for neighbors with default-originate and for nothing else")]
    DefaultOriginate,
}

/// Why a route is not sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Withheld {
    #[error("there is no usable path")]
    NoPath,
    #[error("the family was not negotiated")]
    Family,
    #[error("the peer is its source")]
    Source,
    #[error("learnt from an internal peer and neither side is a client (RFC 4456 6)")]
    InternalToInternal,
    #[error("the NO_ADVERTISE community")]
    NoAdvertise,
    #[error("the NO_EXPORT or NO_EXPORT_SUBCONFED community")]
    NoExport,
    #[error("ONLY_TO_CUSTOMER forbids it towards this peer (RFC 9234 5)")]
    OnlyToCustomer,
    #[error("it is long-lived stale and the peer has no LLGR (RFC 9494 4.3)")]
    LlgrStale,
    #[error("no export policy is configured for this external peer (RFC 8212)")]
    NoPolicy,
    #[error("the export policy rejects it")]
    Policy,
    #[error("the peer has not told its route targets yet (RFC 4684)")]
    MembershipPending,
    #[error("the peer wants none of its route targets (RFC 4684)")]
    NoMembership,
    #[error("it has no next hop the peer could use")]
    NextHop,
    #[error("as many better paths as the peer may get are sent (add-path)")]
    PathLimit,
}

/// What `explain` says of a route: each path, and each peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub table: TableId,
    pub nlri: Nlri,
    pub paths: Vec<PathView>,
    pub exports: Vec<ExportView>,
}

/// Whether a peer gets the best path.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportView {
    pub peer: PeerId,
    /// With which attributes, or why not.
    pub outcome: Result<Arc<Attributes>, Withheld>,
    /// It has been handed to the peer's session (or waits in its queue).
    pub sent: bool,
}

/// A route as a peer was sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentView {
    pub nlri: Nlri,
    /// As sent; 0 without add-path.
    pub path_id: PathId,
    pub payload: Payload,
    pub attributes: Arc<Attributes>,
}

/// Counts of a peer's routes in one family; kept, never computed by a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the Adj-RIB-In, rejected ones included: what max-prefix counts.
    pub received: u32,
    pub accepted: u32,
    pub stale: u32,
    pub advertised: u32,
}

/// Sizes of a table; kept, never computed by a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableCounts {
    /// With at least one path, rejected ones included.
    pub prefixes: u32,
    pub paths: u32,
}

/// A table's best path changed; what the kernel, BMP and the planner subscribe to.
#[derive(Debug, Clone, PartialEq)]
pub struct TableChange {
    pub table: TableId,
    pub nlri: Nlri,
    /// Best first, then its multipath companions; empty: the prefix is gone.
    pub paths: Vec<BestPath>,
}

/// A path in use.
#[derive(Debug, Clone, PartialEq)]
pub struct BestPath {
    pub origin: Origin,
    pub path_id: PathId,
    pub payload: Payload,
    pub attributes: Arc<Attributes>,
}

/// A page of a walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page starts; none at the end.
    pub next: Option<Nlri>,
}

/// Which prefixes a walk returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    #[default]
    All,
    Exact(Nlri),
    /// The longest prefix that covers this one.
    Longest(Nlri),
    /// This prefix and all more specific ones.
    Covered(Nlri),
}

/// What a dry run of a policy change finds, per route.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyEffect {
    pub peer: PeerId,
    pub direction: Direction,
    pub nlri: Nlri,
    pub effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Import,
    Export,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Added(Arc<Attributes>),
    Removed(Arc<Attributes>),
    Changed {
        before: Arc<Attributes>,
        after: Arc<Attributes>,
    },
}

/// What an UPDATE did.
#[derive(Debug, Default)]
pub struct UpdateOutcome {
    pub announced: u32,
    pub withdrawn: u32,
    /// Announced routes that import did not accept.
    pub rejected: u32,
    /// Malformed attributes and what was done about them (RFC 7606), for the log.
    pub faults: Vec<crate::message::Fault>,
    /// Set for an End-of-RIB marker; it has been acted on.
    pub end_of_rib: Option<Family>,
}
