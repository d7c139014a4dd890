//! Route targets (RFC 4360 4, RFC 5668, RFC 5701) and route-target membership (RFC 4684).

use crate::Asn;

/// A route target: the eight octets of its extended community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTarget(pub [u8; 8]);

/// The key of a route-target constraint route: a prefix of (origin AS, route target), 0 or 32 to 96 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RtMembership {
    /// Length 0: all targets.
    Default,
    /// Lengths 32 to 96: the origin AS and the leading `bits` (0 to 64) of the target; the other bits are zero.
    Target {
        origin: Asn,
        target: RouteTarget,
        bits: u8,
    },
}

impl RtMembership {
    /// A prefix of `bits` (at most 64) of the target; the bits behind it are cleared.
    pub const fn target(origin: Asn, target: RouteTarget, bits: u8) -> Self {
        let bits = if bits > 64 { 64 } else { bits };
        let mask = match u64::MAX.checked_shl(64 - bits as u32) {
            Some(mask) => mask,
            None => 0,
        };
        let target = u64::from_be_bytes(target.0) & mask;
        Self::Target {
            origin,
            target: RouteTarget(target.to_be_bytes()),
            bits,
        }
    }
}
