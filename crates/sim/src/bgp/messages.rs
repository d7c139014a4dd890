//! BGP messages as a lab needs them, written by hand from the RFCs: what measures and tests the speaker must not share
//! its encoder. Nothing here decodes more than it must to count routes.

use bgp::Family;
use std::net::Ipv4Addr;

pub const HEADER: usize = 19;
/// The largest message without RFC 8654, which the lab never offers: no peer gets an advantage by it.
pub const MAX_MESSAGE: usize = 4096;

pub const OPEN: u8 = 1;
pub const UPDATE: u8 = 2;
pub const NOTIFICATION: u8 = 3;
pub const KEEPALIVE: u8 = 4;

/// Seconds without a message after which a peer may give the lab up.
const HOLD_TIME: u16 = 180;
/// AS_TRANS (RFC 6793 9).
const AS_TRANS: u16 = 23456;

/// Attribute flags (RFC 4271 4.3).
pub const WELL_KNOWN: u8 = 0x40;
pub const OPTIONAL: u8 = 0x80;
pub const TRANSITIVE: u8 = 0xc0;
const EXTENDED_LENGTH: u8 = 0x10;

/// A message of a type around its body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend(((HEADER + body.len()) as u16).to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

pub fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// An OPEN with 4-octet AS, route refresh, the families, and graceful restart as a helper, for which peers mark the end
/// of their table; then the `further` capabilities.
pub fn open(asn: u32, router_id: Ipv4Addr, families: &[Family], further: &[u8]) -> Vec<u8> {
    let mut capabilities = Vec::new();
    for family in families {
        let (afi, safi) = family.codes();
        capabilities.extend([1, 4]);
        capabilities.extend(afi.to_be_bytes());
        capabilities.extend([0, safi]);
    }
    capabilities.extend([2, 0]);
    capabilities.extend([64, 2, 0, 120]);
    capabilities.extend([65, 4]);
    capabilities.extend(asn.to_be_bytes());
    capabilities.extend(further);
    open_with(asn, router_id, &capabilities)
}

/// An OPEN with the given capabilities, fewer than 253 octets of them.
pub fn open_with(asn: u32, router_id: Ipv4Addr, capabilities: &[u8]) -> Vec<u8> {
    let mut body = vec![4];
    body.extend(u16::try_from(asn).unwrap_or(AS_TRANS).to_be_bytes());
    body.extend(HOLD_TIME.to_be_bytes());
    body.extend(router_id.octets());
    let length = capabilities.len() as u8;
    body.extend([length + 2, 2, length]);
    body.extend(capabilities);
    message(OPEN, &body)
}

/// One path attribute.
pub fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(value.len() + 4);
    match u8::try_from(value.len()) {
        Ok(length) => attribute.extend([flags, code, length]),
        Err(_) => {
            attribute.extend([flags | EXTENDED_LENGTH, code]);
            attribute.extend((value.len() as u16).to_be_bytes());
        }
    }
    attribute.extend(value);
    attribute
}

/// An UPDATE (RFC 4271 4.3).
pub fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + withdrawn.len() + attributes.len() + nlri.len());
    body.extend((withdrawn.len() as u16).to_be_bytes());
    body.extend(withdrawn);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(nlri);
    message(UPDATE, &body)
}

/// The marker that a family's table is complete (RFC 4724 2).
pub fn end_of_rib(family: Family) -> Vec<u8> {
    if family == Family::Ipv4Unicast {
        return update(&[], &[], &[]);
    }
    update(&[], &mp_unreach(family, &[]), &[])
}

/// MP_REACH_NLRI (RFC 4760 3); the next hop as the family wants it, with its zero RD if it is a VPN's.
pub fn mp_reach(family: Family, next_hop: &[u8], nlri: &[u8]) -> Vec<u8> {
    let (afi, safi) = family.codes();
    let mut value = afi.to_be_bytes().to_vec();
    value.extend([safi, next_hop.len() as u8]);
    value.extend(next_hop);
    value.push(0);
    value.extend(nlri);
    attribute(OPTIONAL, 14, &value)
}

/// MP_UNREACH_NLRI (RFC 4760 4).
pub fn mp_unreach(family: Family, nlri: &[u8]) -> Vec<u8> {
    let (afi, safi) = family.codes();
    let mut value = afi.to_be_bytes().to_vec();
    value.push(safi);
    value.extend(nlri);
    attribute(OPTIONAL, 15, &value)
}

/// A route-target membership for each target `asn:number` (RFC 4684 4).
pub fn memberships(asn: u32, next_hop: Ipv4Addr, targets: &[(u16, u32)]) -> Vec<u8> {
    let nlri = membership_nlri(asn, targets);
    let mut attributes = mp_reach(Family::RouteTarget, &next_hop.octets(), &nlri);
    attributes.extend(attribute(WELL_KNOWN, 1, &[0]));
    attributes.extend(attribute(WELL_KNOWN, 2, &[]));
    attributes.extend(attribute(WELL_KNOWN, 5, &100_u32.to_be_bytes()));
    update(&[], &attributes, &[])
}

/// Takes memberships back.
pub fn no_memberships(asn: u32, targets: &[(u16, u32)]) -> Vec<u8> {
    let nlri = membership_nlri(asn, targets);
    update(&[], &mp_unreach(Family::RouteTarget, &nlri), &[])
}

fn membership_nlri(asn: u32, targets: &[(u16, u32)]) -> Vec<u8> {
    let mut nlri = Vec::new();
    for target in targets {
        nlri.push(96);
        nlri.extend(asn.to_be_bytes());
        nlri.extend(route_target(*target));
    }
    nlri
}

/// A route target as an extended community (RFC 4360 4).
pub fn route_target((asn, number): (u16, u32)) -> [u8; 8] {
    let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), number.to_be_bytes());
    [0, 2, a, b, c, d, e, f]
}
