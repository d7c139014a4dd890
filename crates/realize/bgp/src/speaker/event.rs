//! What has happened, for logs, metrics, BMP and watchers. Typed; texts are made by who shows them.

use crate::bfd::BfdState;
use crate::message::RefreshKind;
use crate::session::{Down, Negotiated, State};
use crate::{Family, FamilySet, PeerId, Time};
use bytes::Bytes;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub time: Time,
    /// `None`: with no neighbor.
    pub peer: Option<PeerId>,
    pub kind: EventKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A neighbor came to be: configured, or called from a range.
    Added,
    Removed,
    State {
        from: State,
        to: State,
    },
    /// A session was established; with both OPENs as they were on the wire.
    Up {
        negotiated: Arc<Negotiated>,
        sent_open: Bytes,
        received_open: Bytes,
    },
    Down(Down),
    /// A connection ended before it was a session.
    Failed(Down),
    ConnectFailed(String),
    /// Somebody called whom we do not speak with, or not now.
    Refused {
        remote: IpAddr,
        why: Refused,
    },
    /// An UPDATE with a fault and what was done (RFC 7606).
    Malformed(Malformed),
    /// The neighbor's routes of a family are dropped and no more are taken in this session (RFC 7606 2).
    FamilyDisabled(Family),
    PrefixWarning {
        family: Family,
        count: u32,
        limit: u32,
    },
    PrefixLimit {
        family: Family,
        count: u32,
        limit: u32,
    },
    /// The session is gone, these routes stay as stale (RFC 4724).
    Kept(FamilySet),
    /// Routes are stale for long now (RFC 9494).
    LongLived(Family),
    /// What was still stale is gone.
    Swept {
        family: Family,
        why: Swept,
    },
    EndOfRib(Family),
    Refresh {
        family: Family,
        kind: RefreshKind,
    },
    /// After a restart of ours, routes are chosen and sent from here on (RFC 4724 4.1).
    SelectionStarts {
        /// Not all neighbors had sent theirs.
        timed_out: bool,
    },
    /// The tables were built anew, because our AS or router id has changed: what follows them must begin again.
    TablesReplaced,
    Bfd(BfdState),
    /// The body of an UPDATE as it came; only while mirroring is on.
    Mirror(Bytes),
}

/// Why a caller was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// No neighbor with that address is configured.
    Unknown,
    /// The range has as many neighbors as it may have.
    Limit(u32),
    Shutdown,
    /// It called too often.
    Rate,
    /// The neighbor has failed often and must wait.
    Damped,
    /// The neighbor has a connection of this kind already.
    Second,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no neighbor with this address is configured"),
            Self::Limit(limit) => write!(f, "its range is full with {limit} neighbors"),
            Self::Shutdown => f.write_str("the neighbor is shut down"),
            Self::Rate => f.write_str("it calls too often"),
            Self::Damped => f.write_str("the neighbor has failed often and must wait"),
            Self::Second => f.write_str("the neighbor has a connection already"),
        }
    }
}

/// Why stale routes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Swept {
    /// The neighbor has sent all it has.
    EndOfRib,
    /// It came back without having kept its forwarding.
    NotPreserved,
    /// It did not come back, or not with all its routes, in time.
    Time,
    /// Its session went down again.
    Again,
}

/// A faulty UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong and what was done.
    pub fault: String,
    /// The body of the UPDATE, at most [`Malformed::KEPT`] octets of it.
    pub bytes: Bytes,
    /// Events like this that were not reported before this one, so that a flood of them does no harm.
    pub suppressed: u64,
}

impl Malformed {
    /// Octets of a message that are kept.
    pub const KEPT: usize = 4096;
}
