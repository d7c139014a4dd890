//! MRT (RFC 6396) with add-path (RFC 8050): tables and messages as archives keep them. Records are read and written one at a
//! time, so a dump of any size passes through in constant memory; files are the caller's.
//!
//! Of a table's routes everything is decoded; what is malformed in them is the record's error and costs only that record.

mod decode;
mod encode;

pub use decode::{frame, records};

use crate::attribute::Attributes;
use crate::family::AfiSafi;
use crate::nlri::{PathId, Route};
use crate::{Asn, RouterId};
use std::net::IpAddr;
use thiserror::Error;

/// Timestamp, type, subtype and length.
pub const HEADER: usize = 12;
/// The longest record that is read, in octets: a route with 65,535 paths needs no more in practice.
pub const MAX_RECORD: usize = 1 << 26;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Seconds since the epoch.
    pub seconds: u32,
    /// Of BGP4MP_ET; below 1,000,000.
    pub microseconds: Option<u32>,
    pub body: Body<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// First in a table dump: what the indexes of its routes' paths mean.
    Peers(PeerIndex),
    /// One route with its paths.
    Rib(Rib),
    /// A BGP message, header included.
    Message {
        session: Session,
        /// Sent, not received.
        local: bool,
        /// NLRI in it have path identifiers.
        add_path: bool,
        message: &'a [u8],
    },
    StateChange {
        session: Session,
        /// RFC 4271 8.2.2, as RFC 6396 4.4.1 numbers them: 1 Idle to 6 Established.
        old: u16,
        new: u16,
    },
    /// Of another type: passed over or kept, as the caller likes.
    Other {
        kind: u16,
        subtype: u16,
        octets: &'a [u8],
    },
}

/// PEER_INDEX_TABLE (RFC 6396 4.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIndex {
    pub collector: RouterId,
    /// Often empty; UTF-8, what is not is replaced.
    pub view: String,
    /// At most 65,535.
    pub peers: Vec<Peer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    pub router_id: RouterId,
    pub address: IpAddr,
    pub asn: Asn,
}

/// A route of TABLE_DUMP_V2 (RFC 6396 4.3.2, 4.3.3). IPv4 and IPv6 unicast have subtypes of their own; every other family is
/// RIB_GENERIC.
#[derive(Debug, Clone, PartialEq)]
pub struct Rib {
    /// Counts up from 0 in a dump.
    pub sequence: u32,
    /// Its path id is that of each path.
    pub route: Route,
    pub add_path: bool,
    /// At most 65,535.
    pub paths: Vec<Path>,
}

/// One path of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Index into [`PeerIndex::peers`].
    pub peer: u16,
    /// When it was learnt, seconds since the epoch.
    pub originated: u32,
    /// 0 without add-path.
    pub path_id: PathId,
    /// AS numbers have 4 octets, whatever the session had.
    pub attributes: Attributes,
}

/// Between whom a BGP4MP record was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    /// The record, and the AS_PATHs in its message, have AS numbers of 4 octets.
    pub as4: bool,
    pub peer_asn: Asn,
    pub local_asn: Asn,
    pub interface: u16,
    /// Of one family with `local_address`.
    pub peer_address: IpAddr,
    pub local_address: IpAddr,
}

/// Why octets are no MRT.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MrtError {
    #[error(
        "an MRT record of {0} octets: at most 67,108,864 are read; the file is damaged or none of MRT"
    )]
    Length(u32),
    #[error("an MRT record ({0}) ends before its fields do")]
    Truncated(&'static str),
    #[error("an MRT record of AFI {0}: only 1 and 2 have addresses")]
    Addresses(u16),
    #[error("a RIB_GENERIC record of {0}, which is no known family")]
    Family(AfiSafi),
    #[error("an MRT record with a route that is none of its family")]
    Route,
    #[error("an MRT record with malformed attributes: {0}")]
    Attributes(String),
}

/// The types and subtypes this speaker reads (IANA "MRT Types").
pub(crate) mod code {
    pub(crate) const TABLE_DUMP_V2: u16 = 13;
    pub(crate) const BGP4MP: u16 = 16;
    pub(crate) const BGP4MP_ET: u16 = 17;

    pub(crate) const PEER_INDEX_TABLE: u16 = 1;
    pub(crate) const RIB_IPV4_UNICAST: u16 = 2;
    pub(crate) const RIB_IPV6_UNICAST: u16 = 4;
    pub(crate) const RIB_GENERIC: u16 = 6;
    pub(crate) const RIB_IPV4_UNICAST_ADDPATH: u16 = 8;
    pub(crate) const RIB_IPV6_UNICAST_ADDPATH: u16 = 10;
    pub(crate) const RIB_GENERIC_ADDPATH: u16 = 12;

    pub(crate) const STATE_CHANGE: u16 = 0;
    pub(crate) const MESSAGE: u16 = 1;
    pub(crate) const MESSAGE_AS4: u16 = 4;
    pub(crate) const STATE_CHANGE_AS4: u16 = 5;
    pub(crate) const MESSAGE_LOCAL: u16 = 6;
    pub(crate) const MESSAGE_AS4_LOCAL: u16 = 7;
    pub(crate) const MESSAGE_ADDPATH: u16 = 8;
    pub(crate) const MESSAGE_AS4_ADDPATH: u16 = 9;
    pub(crate) const MESSAGE_LOCAL_ADDPATH: u16 = 10;
    pub(crate) const MESSAGE_AS4_LOCAL_ADDPATH: u16 = 11;

    /// Of a message record: 4-octet AS numbers, sent by the collector's side, with path identifiers.
    pub(crate) const MESSAGES: [(u16, bool, bool, bool); 8] = [
        (MESSAGE, false, false, false),
        (MESSAGE_AS4, true, false, false),
        (MESSAGE_LOCAL, false, true, false),
        (MESSAGE_AS4_LOCAL, true, true, false),
        (MESSAGE_ADDPATH, false, false, true),
        (MESSAGE_AS4_ADDPATH, true, false, true),
        (MESSAGE_LOCAL_ADDPATH, false, true, true),
        (MESSAGE_AS4_LOCAL_ADDPATH, true, true, true),
    ];
}
