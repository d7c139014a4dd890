//! The keys of the tables: what each family's routes are ordered and found by, in the form the [trie](super::trie) walks.
//! [`Space`] ties a family to its key and to what its routes carry beside key and attributes.

use super::trie::Nibbles;
use crate::Family;
use crate::nlri::{EvpnPayload, Label, Nlri, Payload, RouteDistinguisher, RtMembership};
use std::fmt::Debug;
use std::hash::Hash;

mod evpn;
pub(crate) use evpn::EvpnKey;

/// The bits of an address, leftmost first.
pub(crate) trait Bits: Copy + Eq + Ord + Hash + Debug + Default + Send + 'static {
    const BITS: u8;
    fn nibble(self, position: u16) -> u8;
    fn leading_equal(self, other: Self) -> u8;
    fn masked(self, length: u8) -> Self;
    /// The leading 16 bits.
    fn top(self) -> u16;
}

impl Bits for u32 {
    const BITS: u8 = 32;

    fn nibble(self, position: u16) -> u8 {
        (self >> (28 - 4 * position)) as u8 & 0xf
    }

    fn leading_equal(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    fn masked(self, length: u8) -> Self {
        self & Self::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
    }

    fn top(self) -> u16 {
        (self >> 16) as u16
    }
}

/// 128 bits with the alignment of `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Wide(u64, u64);

impl Wide {
    pub(crate) const fn new(bits: u128) -> Self {
        Self((bits >> 64) as u64, bits as u64)
    }

    pub(crate) const fn get(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }
}

impl Bits for Wide {
    const BITS: u8 = 128;

    fn nibble(self, position: u16) -> u8 {
        let half = if position < 16 { self.0 } else { self.1 };
        (half >> (60 - 4 * (position & 15))) as u8 & 0xf
    }

    fn leading_equal(self, other: Self) -> u8 {
        (self.get() ^ other.get()).leading_zeros() as u8
    }

    fn masked(self, length: u8) -> Self {
        Self::new(self.get() & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0))
    }

    fn top(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// A key of a table.
pub(crate) trait Key: Nibbles + Hash + Debug + Send + 'static {
    /// Keys of one block are in one shard.
    fn block(&self) -> u32;
    /// Whether `self` is `other` or a more general prefix of the same space; false for keys that are no prefixes.
    fn covers(&self, other: &Self) -> bool;
    /// The same prefix cut to `length` bits; none if it is no prefix.
    fn shortened(&self, length: u8) -> Option<Self>;
    /// Prefix length; 0 for keys that are no prefixes.
    fn length(&self) -> u8;
    /// How many leading prefix bits the two have in common; none if they are not of the same space.
    fn common(&self, other: &Self) -> Option<u8>;
}

/// A prefix: address bits, then length. Ordered as prefixes are listed: by address, the shorter first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PrefixKey<B> {
    bits: B,
    length: u8,
}

impl<B: Bits> PrefixKey<B> {
    pub(crate) fn new(bits: B, length: u8) -> Self {
        Self {
            bits: bits.masked(length),
            length,
        }
    }
}

impl<B: Bits> Nibbles for PrefixKey<B> {
    fn nibble(&self, position: u16) -> u8 {
        let address = u16::from(B::BITS / 4);
        if position < address {
            self.bits.nibble(position)
        } else if position == address {
            self.length >> 4
        } else {
            self.length & 0xf
        }
    }

    fn diverge(&self, other: &Self) -> Option<u16> {
        let equal = self.bits.leading_equal(other.bits);
        if equal < B::BITS {
            return Some(u16::from(equal / 4));
        }
        let lengths = self.length ^ other.length;
        (lengths != 0).then(|| u16::from(B::BITS / 4) + u16::from(lengths & 0xf0 == 0))
    }
}

impl<B: Bits> Key for PrefixKey<B> {
    fn block(&self) -> u32 {
        u32::from(self.bits.top())
    }

    fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && other.bits.masked(self.length) == self.bits
    }

    fn shortened(&self, length: u8) -> Option<Self> {
        Some(Self::new(self.bits, length))
    }

    fn length(&self) -> u8 {
        self.length
    }

    fn common(&self, other: &Self) -> Option<u8> {
        let bits = self.bits.leading_equal(other.bits);
        Some(bits.min(self.length).min(other.length))
    }
}

/// A prefix behind eight octets that tell its space: a route distinguisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VpnKey<B> {
    rd: u64,
    prefix: PrefixKey<B>,
}

impl<B: Bits> Nibbles for VpnKey<B> {
    fn nibble(&self, position: u16) -> u8 {
        if position < 16 {
            (self.rd >> (60 - 4 * position)) as u8 & 0xf
        } else {
            self.prefix.nibble(position - 16)
        }
    }

    fn diverge(&self, other: &Self) -> Option<u16> {
        let equal = (self.rd ^ other.rd).leading_zeros() as u16;
        if equal < 64 {
            return Some(equal / 4);
        }
        self.prefix.diverge(&other.prefix).map(|at| at + 16)
    }
}

impl<B: Bits> Key for VpnKey<B> {
    fn block(&self) -> u32 {
        (self.rd ^ self.rd >> 32) as u32 ^ self.prefix.block()
    }

    fn covers(&self, other: &Self) -> bool {
        self.rd == other.rd && self.prefix.covers(&other.prefix)
    }

    fn shortened(&self, length: u8) -> Option<Self> {
        let prefix = self.prefix.shortened(length)?;
        Some(Self { prefix, ..*self })
    }

    fn length(&self) -> u8 {
        self.prefix.length
    }

    fn common(&self, other: &Self) -> Option<u8> {
        (self.rd == other.rd).then(|| self.prefix.common(&other.prefix))?
    }
}

/// What a family's routes look like inside.
pub(crate) trait Space: Debug + Send + 'static {
    type Key: Key;
    /// What a path carries beside key and attributes.
    type Extra: Copy + Eq + Hash + Default + Debug + Send + 'static;
    const FAMILY: Family;
    /// None if the route is of another family.
    fn key(nlri: &Nlri) -> Option<Self::Key>;
    fn nlri(key: &Self::Key) -> Nlri;
    fn extra(payload: &Payload) -> Self::Extra;
    fn payload(extra: &Self::Extra) -> Payload;
    /// Whether MAC mobility (RFC 7432 15) decides between paths of this route.
    fn mobile(_key: &Self::Key) -> bool {
        false
    }
}

fn label(payload: &Payload) -> Label {
    match payload {
        Payload::Label(label) => *label,
        Payload::Evpn(evpn) => evpn.label,
        Payload::None => Label::default(),
    }
}

const fn v4(key: &PrefixKey<u32>) -> ipnet::Ipv4Net {
    // The length is at most 32 by construction.
    ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::from_bits(key.bits), key.length)
}

const fn v6(key: &PrefixKey<Wide>) -> ipnet::Ipv6Net {
    ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::from_bits(key.bits.get()), key.length)
}

fn key4(net: ipnet::Ipv4Net) -> PrefixKey<u32> {
    PrefixKey::new(net.addr().to_bits(), net.prefix_len())
}

fn key6(net: ipnet::Ipv6Net) -> PrefixKey<Wide> {
    PrefixKey::new(Wide::new(net.addr().to_bits()), net.prefix_len())
}

/// Declares a space: its family, key, and how both forms of a key become each other.
macro_rules! space {
    ($(#[$doc:meta])* $name:ident, $family:ident, $key:ty, $extra:ty, $from:pat => $to_key:expr, $at:ident => $to_nlri:expr $(, $mobile:ident)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Space for $name {
            type Key = $key;
            type Extra = $extra;
            const FAMILY: Family = Family::$family;

            fn key(nlri: &Nlri) -> Option<$key> {
                match nlri {
                    $from => $to_key,
                    _ => None,
                }
            }

            fn nlri($at: &$key) -> Nlri {
                $to_nlri
            }

            fn extra(payload: &Payload) -> $extra {
                <$extra as Extra>::of(payload)
            }

            fn payload(extra: &$extra) -> Payload {
                extra.payload()
            }

            $(fn mobile(key: &$key) -> bool {
                key.$mobile()
            })?
        }
    };
}

/// How a payload is kept in a path of a space.
trait Extra: Copy {
    fn of(payload: &Payload) -> Self;
    fn payload(&self) -> Payload;
}

impl Extra for () {
    fn of(_: &Payload) {}

    fn payload(&self) -> Payload {
        Payload::None
    }
}

impl Extra for Label {
    fn of(payload: &Payload) -> Self {
        label(payload)
    }

    fn payload(&self) -> Payload {
        Payload::Label(*self)
    }
}

impl Extra for EvpnPayload {
    fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Evpn(evpn) => *evpn,
            Payload::Label(_) | Payload::None => Self::default(),
        }
    }

    fn payload(&self) -> Payload {
        Payload::Evpn(*self)
    }
}

impl Extra for Payload {
    fn of(payload: &Payload) -> Self {
        *payload
    }

    fn payload(&self) -> Payload {
        *self
    }
}

space!(Unicast4, Ipv4Unicast, PrefixKey<u32>, (), Nlri::Ipv4(net) => Some(key4(*net)), key => Nlri::Ipv4(v4(key)));
space!(Unicast6, Ipv6Unicast, PrefixKey<Wide>, (), Nlri::Ipv6(net) => Some(key6(*net)), key => Nlri::Ipv6(v6(key)));
space!(Labeled4, Ipv4Labeled, PrefixKey<u32>, Label, Nlri::LabeledIpv4(net) => Some(key4(*net)), key => Nlri::LabeledIpv4(v4(key)));
space!(Labeled6, Ipv6Labeled, PrefixKey<Wide>, Label, Nlri::LabeledIpv6(net) => Some(key6(*net)), key => Nlri::LabeledIpv6(v6(key)));
space!(
    Vpn4, Vpnv4, VpnKey<u32>, Label,
    Nlri::Vpnv4(rd, net) => Some(VpnKey { rd: u64::from_be_bytes(rd.0), prefix: key4(*net) }),
    key => Nlri::Vpnv4(RouteDistinguisher(key.rd.to_be_bytes()), v4(&key.prefix))
);
space!(
    Vpn6, Vpnv6, VpnKey<Wide>, Label,
    Nlri::Vpnv6(rd, net) => Some(VpnKey { rd: u64::from_be_bytes(rd.0), prefix: key6(*net) }),
    key => Nlri::Vpnv6(RouteDistinguisher(key.rd.to_be_bytes()), v6(&key.prefix))
);
space!(
    EvpnSpace, Evpn, EvpnKey, EvpnPayload,
    Nlri::Evpn(route) => Some(EvpnKey::new(route)),
    key => Nlri::Evpn(key.route()),
    is_mac
);
space!(
    Membership, RouteTarget, RtKey, (),
    Nlri::RouteTarget(membership) => Some(RtKey::new(membership)),
    key => Nlri::RouteTarget(key.membership())
);
space!(
    /// A VRF's IPv4 routes: leaked ones bring their labels, VNIs and gateways along.
    Vrf4, Ipv4Unicast, PrefixKey<u32>, Payload, Nlri::Ipv4(net) => Some(key4(*net)), key => Nlri::Ipv4(v4(key))
);
space!(
    /// A VRF's IPv6 routes.
    Vrf6, Ipv6Unicast, PrefixKey<Wide>, Payload, Nlri::Ipv6(net) => Some(key6(*net)), key => Nlri::Ipv6(v6(key))
);

/// A route-target membership (RFC 4684 4): origin AS and target as one bit string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RtKey {
    origin: u32,
    target: u64,
    /// 0, or 32 to 96.
    length: u8,
}

impl RtKey {
    pub(crate) fn new(membership: &RtMembership) -> Self {
        match *membership {
            RtMembership::Default => Self {
                origin: 0,
                target: 0,
                length: 0,
            },
            RtMembership::Target {
                origin,
                target,
                bits,
            } => Self {
                origin,
                target: u64::from_be_bytes(target.0),
                length: 32 + bits,
            },
        }
    }

    pub(crate) fn membership(&self) -> RtMembership {
        if self.length == 0 {
            return RtMembership::Default;
        }
        RtMembership::Target {
            origin: self.origin,
            target: crate::nlri::RouteTarget(self.target.to_be_bytes()),
            bits: self.length - 32,
        }
    }
}

impl Nibbles for RtKey {
    fn nibble(&self, position: u16) -> u8 {
        match position {
            0..8 => Bits::nibble(self.origin, position),
            8..24 => (self.target >> (60 - 4 * (position - 8))) as u8 & 0xf,
            24 => self.length >> 4,
            _ => self.length & 0xf,
        }
    }

    fn diverge(&self, other: &Self) -> Option<u16> {
        let origin = (self.origin ^ other.origin).leading_zeros() as u16;
        if origin < 32 {
            return Some(origin / 4);
        }
        let target = (self.target ^ other.target).leading_zeros() as u16;
        if target < 64 {
            return Some(8 + target / 4);
        }
        let lengths = self.length ^ other.length;
        (lengths != 0).then(|| 24 + u16::from(lengths & 0xf0 == 0))
    }
}

/// Keys that are not IP prefixes cover only themselves.
macro_rules! not_a_prefix {
    ($key:ty, $block:expr) => {
        impl Key for $key {
            fn block(&self) -> u32 {
                $block(self)
            }

            fn covers(&self, other: &Self) -> bool {
                self == other
            }

            fn shortened(&self, _: u8) -> Option<Self> {
                None
            }

            fn length(&self) -> u8 {
                0
            }

            fn common(&self, _: &Self) -> Option<u8> {
                None
            }
        }
    };
}

not_a_prefix!(RtKey, |key: &RtKey| (key.target >> 24) as u32);
not_a_prefix!(EvpnKey, EvpnKey::block_of);
