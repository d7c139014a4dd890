//! BMP (RFC 7854), with Adj-RIB-Out (RFC 8671) and Loc-RIB (RFC 9069): the messages by which a router shows a collector what
//! it hears, decides and says. Both directions, so that a test can read what the daemon sends. BGP messages inside stay raw:
//! they are mirrored, not judged.

mod decode;
mod encode;
mod peer;
mod statistics;

pub use decode::frame;
pub use peer::{Instance, Peer, RibView, Timestamp};
pub use statistics::{Statistic, StatisticValue};

use std::net::IpAddr;
use thiserror::Error;

/// The protocol version of the header.
pub const VERSION: u8 = 3;
/// Version, length and type.
pub const HEADER: usize = 6;
/// The longest message that is read, in octets. RFC 7854 sets no bound; two OPENs or one UPDATE of RFC 8654 fit many times.
pub const MAX_MESSAGE: usize = 1 << 20;

/// One BMP message. `&[u8]` fields hold whole BGP messages, headers included.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<'a> {
    /// Routes of a peer or of a table, as an UPDATE.
    RouteMonitoring {
        peer: Peer,
        update: &'a [u8],
    },
    Statistics {
        peer: Peer,
        values: Vec<Statistic>,
    },
    PeerDown {
        peer: Peer,
        reason: PeerDown<'a>,
    },
    PeerUp {
        peer: Peer,
        /// Unspecified for Loc-RIB.
        local_address: IpAddr,
        local_port: u16,
        remote_port: u16,
        sent_open: &'a [u8],
        received_open: &'a [u8],
        information: Vec<Information>,
    },
    /// First on a connection.
    Initiation(Vec<Information>),
    /// Last on a connection.
    Termination {
        reason: Option<TerminationReason>,
        information: Vec<Information>,
    },
    /// Messages as they came, for debugging (RFC 7854 4.7): the TLVs raw.
    RouteMirroring {
        peer: Peer,
        tlvs: &'a [u8],
    },
}

/// A text of an Initiation, Peer Up or Termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Information {
    pub kind: InformationKind,
    /// UTF-8; what is not is replaced when read. At most 65,535 octets are written.
    pub text: String,
}

/// IANA "BMP Initiation and Peer Up Information TLVs".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InformationKind {
    String,
    SysDescr,
    SysName,
    /// RFC 9069 5.3: which table a Loc-RIB peer is.
    TableName,
    Other(u16),
}

impl InformationKind {
    pub const fn code(self) -> u16 {
        match self {
            Self::String => 0,
            Self::SysDescr => 1,
            Self::SysName => 2,
            Self::TableName => 3,
            Self::Other(other) => other,
        }
    }

    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Self::String,
            1 => Self::SysDescr,
            2 => Self::SysName,
            3 => Self::TableName,
            other => Self::Other(other),
        }
    }
}

/// Why a session ended (RFC 7854 4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerDown<'a> {
    /// We closed it with this NOTIFICATION.
    LocalNotification(&'a [u8]),
    /// We closed it without one: the event of RFC 4271 8.1, 0 if none fits.
    LocalEvent(u16),
    /// The peer closed it with this NOTIFICATION.
    RemoteNotification(&'a [u8]),
    /// The peer closed it without one.
    RemoteClosed,
    /// It is no longer monitored.
    Deconfigured,
    /// RFC 9069 5.3: a table is no longer shown.
    TableClosed(Vec<Information>),
}

/// RFC 7854 4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TerminationReason {
    AdministrativelyClosed,
    Unspecified,
    OutOfResources,
    RedundantConnection,
    PermanentlyClosed,
    Other(u16),
}

impl TerminationReason {
    pub const fn code(self) -> u16 {
        match self {
            Self::AdministrativelyClosed => 0,
            Self::Unspecified => 1,
            Self::OutOfResources => 2,
            Self::RedundantConnection => 3,
            Self::PermanentlyClosed => 4,
            Self::Other(other) => other,
        }
    }

    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Self::AdministrativelyClosed,
            1 => Self::Unspecified,
            2 => Self::OutOfResources,
            3 => Self::RedundantConnection,
            4 => Self::PermanentlyClosed,
            other => Self::Other(other),
        }
    }
}

/// Why octets are no BMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BmpError {
    #[error("BMP version {0}, only 3 is spoken")]
    Version(u8),
    #[error("a BMP message of {0} octets: at least 6 and at most 1,048,576 are read")]
    Length(u32),
    #[error("BMP message type {0} is unknown")]
    Type(u8),
    #[error("BMP peer type {0} is unknown")]
    PeerType(u8),
    #[error("BMP peer down reason {0} is unknown")]
    PeerDownReason(u8),
    #[error("a {0} ends before its fields do")]
    Truncated(&'static str),
}
