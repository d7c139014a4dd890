//! What the shell is asked to do, and how it names connections.

use crate::PeerId;
use crate::bfd::BfdPacket;
use crate::config::Password;
use bytes::Bytes;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A TCP connection, named by the shell; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Who made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Incoming,
    /// We did, for this neighbor.
    Outgoing(PeerId),
}

/// What the shell knows about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnInfo {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub direction: Direction,
    /// The interface of a link-local address.
    pub interface: Option<String>,
    /// An address of ours of the other IP version on the same link, for next hops.
    pub local_other: Option<IpAddr>,
    /// Our link-local address on a link shared with the neighbor (RFC 2545 3).
    pub local_link_local: Option<Ipv6Addr>,
    /// The subnet both ends are on.
    pub shared_subnet: Option<IpNet>,
}

/// The IP TTL of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ttl {
    /// What packets are sent with.
    pub send: u8,
    /// What packets must still have when they come (RFC 5082); 1: whatever.
    pub least: u8,
}

/// Where and how to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `None`: the link-local address of the router at the other end of `interface`, which the shell finds out.
    pub address: Option<IpAddr>,
    pub interface: Option<String>,
    pub port: u16,
    pub source: Option<IpAddr>,
    pub password: Option<Password>,
    pub ttl: Ttl,
}

/// Whom an MD5 password is for, on listening sockets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    Prefix(IpNet),
    /// Link-local callers on an interface.
    Interface(String),
}

/// Something to do. In the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answered by [`super::Speaker::connected`] or [`super::Speaker::connect_failed`].
    Connect { peer: PeerId, target: Target },
    /// The attempt for this neighbor is not wanted any more; no answer.
    CancelConnect { peer: PeerId },
    /// Set on an accepted connection before anything is read from it.
    SetTtl { conn: ConnId, ttl: Ttl },
    /// [`super::Speaker::transmit`] has something for it.
    Send { conn: ConnId },
    /// Send what is still unsent and then `last`, as far as that goes without waiting, and close; no answer.
    Close { conn: ConnId, last: Option<Bytes> },
    /// Accept connections at exactly these addresses.
    Listen { addresses: Vec<SocketAddr> },
    /// On every listening socket: the password of a caller; `None`: none any more.
    Authenticate {
        caller: Caller,
        password: Option<Password>,
    },
    /// A BFD packet (RFC 5881): UDP port 3784, TTL 255.
    SendBfd {
        to: IpAddr,
        from: IpAddr,
        interface: Option<String>,
        packet: [u8; BfdPacket::LENGTH],
    },
}
