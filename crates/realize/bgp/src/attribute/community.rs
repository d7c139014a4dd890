//! Communities (RFC 1997) with the registered names, and large communities (RFC 8092).

use crate::Asn;

/// A community.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

macro_rules! well_known {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Community {
            $(#[doc = $text] pub const $name: Self = Self($value);)*

            /// The registered communities with the names operators use.
            pub const WELL_KNOWN: &[(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

// IANA "BGP Well-known Communities".
well_known! {
    GRACEFUL_SHUTDOWN = 0xffff_0000, "graceful-shutdown";
    ACCEPT_OWN = 0xffff_0001, "accept-own";
    ROUTE_FILTER_TRANSLATED_V4 = 0xffff_0002, "route-filter-translated-v4";
    ROUTE_FILTER_V4 = 0xffff_0003, "route-filter-v4";
    ROUTE_FILTER_TRANSLATED_V6 = 0xffff_0004, "route-filter-translated-v6";
    ROUTE_FILTER_V6 = 0xffff_0005, "route-filter-v6";
    LLGR_STALE = 0xffff_0006, "llgr-stale";
    NO_LLGR = 0xffff_0007, "no-llgr";
    ACCEPT_OWN_NEXTHOP = 0xffff_0008, "accept-own-nexthop";
    STANDBY_PE = 0xffff_0009, "standby-pe";
    BLACKHOLE = 0xffff_029a, "blackhole";
    NO_EXPORT = 0xffff_ff01, "no-export";
    NO_ADVERTISE = 0xffff_ff02, "no-advertise";
    NO_EXPORT_SUBCONFED = 0xffff_ff03, "no-export-subconfed";
    NO_PEER = 0xffff_ff04, "no-peer";
}

impl Community {
    pub const fn new(asn: u16, value: u16) -> Self {
        Self((asn as u32) << 16 | value as u32)
    }

    /// The high half, by custom an AS number.
    pub const fn asn(self) -> u16 {
        (self.0 >> 16) as u16
    }

    pub const fn value(self) -> u16 {
        self.0 as u16
    }

    pub fn name(self) -> Option<&'static str> {
        // Both registered ranges begin with 0xffff: nearly every community is settled by this.
        if self.asn() != 0xffff {
            return None;
        }
        let mut named = Self::WELL_KNOWN.iter();
        named
            .find(|(known, _)| *known == self)
            .map(|(_, name)| *name)
    }
}

/// A large community (RFC 8092).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    pub global: Asn,
    pub local1: u32,
    pub local2: u32,
}

impl LargeCommunity {
    pub(crate) const LENGTH: usize = 12;

    pub(crate) fn decode(octets: [u8; Self::LENGTH]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = octets;
        Self {
            global: u32::from_be_bytes([a, b, c, d]),
            local1: u32::from_be_bytes([e, f, g, h]),
            local2: u32::from_be_bytes([i, j, k, l]),
        }
    }

    pub(crate) fn octets(self) -> [u8; Self::LENGTH] {
        let [a, b, c, d] = self.global.to_be_bytes();
        let [e, f, g, h] = self.local1.to_be_bytes();
        let [i, j, k, l] = self.local2.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}
