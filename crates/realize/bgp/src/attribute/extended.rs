//! Extended communities (RFC 4360) and those of 20 octets (RFC 5701): kept as their octets, read as [`ExtendedKind`].

use crate::nlri::{Esi, Mac, RouteTarget};
use std::net::Ipv6Addr;

/// An extended community (RFC 4360), its eight octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// What an egress can decapsulate (IANA "BGP Tunnel Encapsulation Attribute Tunnel Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    Gre,
    Vxlan,
    Nvgre,
    Mpls,
    MplsOverGre,
    VxlanGpe,
    MplsOverUdp,
    Geneve,
    Other(u16),
}

impl Encapsulation {
    pub const fn from_code(code: u16) -> Self {
        match code {
            2 => Self::Gre,
            8 => Self::Vxlan,
            9 => Self::Nvgre,
            10 => Self::Mpls,
            11 => Self::MplsOverGre,
            12 => Self::VxlanGpe,
            13 => Self::MplsOverUdp,
            19 => Self::Geneve,
            other => Self::Other(other),
        }
    }

    pub const fn code(self) -> u16 {
        match self {
            Self::Gre => 2,
            Self::Vxlan => 8,
            Self::Nvgre => 9,
            Self::Mpls => 10,
            Self::MplsOverGre => 11,
            Self::VxlanGpe => 12,
            Self::MplsOverUdp => 13,
            Self::Geneve => 19,
            Self::Other(other) => other,
        }
    }
}

/// What an extended community says; reserved bits are not read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExtendedKind {
    /// Transitive xx02 of the three address types.
    RouteTarget(RouteTarget),
    /// Transitive xx03: site of origin. The octets are formed as those of a target are.
    SiteOfOrigin(RouteTarget),
    /// 0x030b
    Color {
        flags: u16,
        color: u32,
    },
    /// 0x030c
    Encapsulation(Encapsulation),
    /// 0x030d
    DefaultGateway,
    /// 0x4004 or 0x0004: octets per second (RFC draft-ietf-idr-link-bandwidth).
    LinkBandwidth {
        transitive: bool,
        asn: u16,
        octets_per_second: f32,
    },
    /// 0x0600
    MacMobility {
        sticky: bool,
        sequence: u32,
    },
    /// 0x0601
    EsiLabel {
        single_active: bool,
        label: u32,
    },
    /// 0x0602: the upper six octets of the ESI value.
    EsImport(Mac),
    /// 0x0603
    RouterMac(Mac),
    /// 0x0604: L2 control flags and MTU.
    Layer2 {
        control: u16,
        mtu: u16,
    },
    /// 0x0605
    ETree {
        leaf: bool,
        label: u32,
    },
    /// 0x0606
    DesignatedForwarder([u8; 6]),
    /// 0x0609
    MulticastFlags(u16),
    /// 0x0300 and others of the opaque type.
    Opaque {
        subtype: u8,
        value: [u8; 6],
    },
    Other([u8; 8]),
}

impl ExtendedCommunity {
    pub const DEFAULT_GATEWAY: Self = Self([0x03, 0x0d, 0, 0, 0, 0, 0, 0]);

    pub const fn type_high(self) -> u8 {
        self.0[0]
    }

    pub const fn subtype(self) -> u8 {
        self.0[1]
    }

    /// Whether it may leave the AS it is of (RFC 4360 2).
    pub const fn is_transitive(self) -> bool {
        self.0[0] & 0x40 == 0
    }

    /// Link bandwidth, transitive or not.
    pub const fn is_link_bandwidth(self) -> bool {
        matches!(self.0, [0 | 0x40, 4, ..])
    }

    /// The target, if it is one.
    pub const fn route_target(self) -> Option<RouteTarget> {
        match self.0 {
            [0..=2, 2, ..] => Some(RouteTarget(self.0)),
            _ => None,
        }
    }

    pub const fn encapsulation(encapsulation: Encapsulation) -> Self {
        let [a, b] = encapsulation.code().to_be_bytes();
        Self([0x03, 0x0c, 0, 0, 0, 0, a, b])
    }

    pub const fn router_mac(mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self([0x06, 0x03, a, b, c, d, e, f])
    }

    pub const fn es_import(mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self([0x06, 0x02, a, b, c, d, e, f])
    }

    /// The ES-Import target of an Ethernet segment (RFC 7432 7.6): the high six octets of the ESI's value.
    pub const fn es_import_of(esi: Esi) -> Self {
        let [_, a, b, c, d, e, f, ..] = esi.0;
        Self([0x06, 0x02, a, b, c, d, e, f])
    }

    pub const fn mac_mobility(sequence: u32, sticky: bool) -> Self {
        let [a, b, c, d] = sequence.to_be_bytes();
        Self([0x06, 0x00, sticky as u8, 0, a, b, c, d])
    }

    pub const fn esi_label(label: u32, single_active: bool) -> Self {
        let [_, a, b, c] = label.to_be_bytes();
        Self([0x06, 0x01, single_active as u8, 0, 0, a, b, c])
    }

    pub const fn color(color: u32) -> Self {
        let [a, b, c, d] = color.to_be_bytes();
        Self([0x03, 0x0b, 0, 0, a, b, c, d])
    }

    pub const fn link_bandwidth(asn: u16, octets_per_second: f32) -> Self {
        let [a, b] = asn.to_be_bytes();
        let [c, d, e, f] = octets_per_second.to_be_bytes();
        Self([0x40, 0x04, a, b, c, d, e, f])
    }

    pub const fn kind(self) -> ExtendedKind {
        match self.0 {
            [0..=2, 2, ..] => ExtendedKind::RouteTarget(RouteTarget(self.0)),
            // The octets of a site of origin differ from a target's only in the subtype.
            [0..=2, 3, ..] => {
                let mut octets = self.0;
                octets[1] = 2;
                ExtendedKind::SiteOfOrigin(RouteTarget(octets))
            }
            [high @ (0 | 0x40), 4, a, b, c, d, e, f] => ExtendedKind::LinkBandwidth {
                transitive: high == 0,
                asn: u16::from_be_bytes([a, b]),
                octets_per_second: f32::from_be_bytes([c, d, e, f]),
            },
            [3, 0x0b, a, b, c, d, e, f] => ExtendedKind::Color {
                flags: u16::from_be_bytes([a, b]),
                color: u32::from_be_bytes([c, d, e, f]),
            },
            [3, 0x0c, _, _, _, _, a, b] => {
                ExtendedKind::Encapsulation(Encapsulation::from_code(u16::from_be_bytes([a, b])))
            }
            [3, 0x0d, ..] => ExtendedKind::DefaultGateway,
            [3, subtype, a, b, c, d, e, f] => ExtendedKind::Opaque {
                subtype,
                value: [a, b, c, d, e, f],
            },
            [6, ..] => evpn(self.0),
            other => ExtendedKind::Other(other),
        }
    }
}

const fn evpn(octets: [u8; 8]) -> ExtendedKind {
    match octets {
        [_, 0, flags, _, a, b, c, d] => ExtendedKind::MacMobility {
            sticky: flags & 1 != 0,
            sequence: u32::from_be_bytes([a, b, c, d]),
        },
        [_, 1, flags, _, _, a, b, c] => ExtendedKind::EsiLabel {
            single_active: flags & 1 != 0,
            label: u32::from_be_bytes([0, a, b, c]),
        },
        [_, 2, a, b, c, d, e, f] => ExtendedKind::EsImport(Mac([a, b, c, d, e, f])),
        [_, 3, a, b, c, d, e, f] => ExtendedKind::RouterMac(Mac([a, b, c, d, e, f])),
        [_, 4, a, b, c, d, _, _] => ExtendedKind::Layer2 {
            control: u16::from_be_bytes([a, b]),
            mtu: u16::from_be_bytes([c, d]),
        },
        [_, 5, flags, _, _, a, b, c] => ExtendedKind::ETree {
            leaf: flags & 1 != 0,
            label: u32::from_be_bytes([0, a, b, c]),
        },
        [_, 6, a, b, c, d, e, f] => ExtendedKind::DesignatedForwarder([a, b, c, d, e, f]),
        [_, 9, a, b, ..] => ExtendedKind::MulticastFlags(u16::from_be_bytes([a, b])),
        other => ExtendedKind::Other(other),
    }
}

impl From<ExtendedKind> for ExtendedCommunity {
    fn from(kind: ExtendedKind) -> Self {
        let (high, subtype, [a, b, c, d, e, f]) = match kind {
            ExtendedKind::RouteTarget(target) => return Self(target.0),
            ExtendedKind::SiteOfOrigin(RouteTarget([high, _, a, b, c, d, e, f])) => {
                (high, 3, [a, b, c, d, e, f])
            }
            ExtendedKind::Color { flags, color } => (3, 0x0b, halves(flags, color)),
            ExtendedKind::Encapsulation(one) => return Self::encapsulation(one),
            ExtendedKind::DefaultGateway => return Self::DEFAULT_GATEWAY,
            ExtendedKind::LinkBandwidth {
                transitive,
                asn,
                octets_per_second,
            } => {
                let high = if transitive { 0 } else { 0x40 };
                (high, 4, halves(asn, octets_per_second.to_bits()))
            }
            ExtendedKind::MacMobility { sticky, sequence } => {
                return Self::mac_mobility(sequence, sticky);
            }
            ExtendedKind::EsiLabel {
                single_active,
                label,
            } => return Self::esi_label(label, single_active),
            ExtendedKind::EsImport(mac) => return Self::es_import(mac),
            ExtendedKind::RouterMac(mac) => return Self::router_mac(mac),
            ExtendedKind::Layer2 { control, mtu } => (6, 4, halves(control, u32::from(mtu) << 16)),
            ExtendedKind::ETree { leaf, label } => {
                (6, 5, halves(u16::from(leaf) << 8, label & 0xff_ffff))
            }
            ExtendedKind::DesignatedForwarder(value) => (6, 6, value),
            ExtendedKind::MulticastFlags(flags) => (6, 9, halves(flags, 0)),
            ExtendedKind::Opaque { subtype, value } => (3, subtype, value),
            ExtendedKind::Other(octets) => return Self(octets),
        };
        Self([high, subtype, a, b, c, d, e, f])
    }
}

fn halves(first: u16, second: u32) -> [u8; 6] {
    let [a, b] = first.to_be_bytes();
    let [c, d, e, f] = second.to_be_bytes();
    [a, b, c, d, e, f]
}

impl From<RouteTarget> for ExtendedCommunity {
    fn from(target: RouteTarget) -> Self {
        Self(target.0)
    }
}

/// An IPv6 address specific extended community (RFC 5701), its twenty octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6ExtendedCommunity(pub [u8; 20]);

impl Ipv6ExtendedCommunity {
    /// Type and subtype: 0x0002 is a route target, 0x0003 a route origin.
    pub const fn type_code(self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Whether it may leave the AS it is of (RFC 5701 2).
    pub const fn is_transitive(self) -> bool {
        self.0[0] & 0x40 == 0
    }

    pub fn address(self) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.0[2..18]);
        octets.into()
    }

    /// The local administrator field.
    pub const fn local(self) -> u16 {
        u16::from_be_bytes([self.0[18], self.0[19]])
    }
}
