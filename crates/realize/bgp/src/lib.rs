//! BGP-4 as a library: codec, sessions, RIBs, policy, route reflection. Pure: no I/O, no clock, no threads.
//!
//! ```text
//!   bytes ──► session (one connection: FSM, negotiation, timers) ──► speaker ──► rib ──► encoded blocks ──► bytes
//!               uses message, attribute, nlri                        peers, GR     tables, best path, policy,
//!                                                                                  groups, route-target index
//! ```
//!
//! Everything that happens comes in as a value with its time ([`Time`]) and goes out as a value, so a run can be replayed
//! from a log of its inputs. `bgp-daemon` is the shell that owns sockets, clocks and threads.
//!
//! Beside that: [`bmp`] and [`mrt`], the formats for collectors and archives; [`torture`], malformed messages and what must
//! become of each.
//!
//! The three types to know: [`speaker::Speaker`], [`rib::Rib`], [`message::Message`].

pub mod attribute;
pub mod bfd;
pub mod bmp;
pub mod config;
pub mod family;
pub mod message;
pub mod mrt;
pub mod nlri;
pub mod policy;
pub mod rib;
pub mod session;
pub mod speaker;
pub mod text;
pub mod torture;
mod wire;

pub use family::{Family, FamilySet};

/// Milliseconds on a clock that only goes forward; its zero is the caller's choice. The core never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

/// A configured or dynamic neighbour, stable while it is configured, across its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// An autonomous system number (RFC 6793): 4 octets everywhere inside.
pub type Asn = u32;

/// A BGP identifier (RFC 6286): an IPv4-shaped number, unique within the AS.
pub type RouterId = std::net::Ipv4Addr;
