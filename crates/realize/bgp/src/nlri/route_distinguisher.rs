//! Route distinguishers (RFC 4364 4.2).

/// The eight octets of a route distinguisher, ordered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RouteDistinguisher(pub [u8; 8]);
