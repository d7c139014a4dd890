//! NLRI to the wire.

use super::{Label, Nlri, Payload, Route, RouteDistinguisher, RtMembership, evpn_wire};
use ipnet::{Ipv4Net, Ipv6Net};

/// Appends a route. `withdraw`: label fields of IP prefixes say what RFC 8277 2.4 asks for, whatever the payload has.
pub(crate) fn encode(route: &Route, add_path: bool, withdraw: bool, out: &mut Vec<u8>) {
    if add_path {
        out.extend_from_slice(&route.path_id.to_be_bytes());
    }
    let label = || match route.payload {
        _ if withdraw => Label::WITHDRAWN,
        Payload::Label(label) => label,
        // RFC 3032 2.1: a route without a label of its own has the one that means none.
        Payload::None | Payload::Evpn(_) => Label::IMPLICIT_NULL,
    };
    match &route.nlri {
        Nlri::Ipv4(net) => ipv4([], *net, out),
        Nlri::Ipv6(net) => ipv6([], *net, out),
        Nlri::LabeledIpv4(net) => ipv4(octets(label()), *net, out),
        Nlri::LabeledIpv6(net) => ipv6(octets(label()), *net, out),
        Nlri::Vpnv4(rd, net) => ipv4(distinguished(label(), *rd), *net, out),
        Nlri::Vpnv6(rd, net) => ipv6(distinguished(label(), *rd), *net, out),
        Nlri::Evpn(nlri) => {
            let payload = match route.payload {
                Payload::Evpn(payload) => payload,
                _ => Default::default(),
            };
            evpn_wire::encode(nlri, &payload, out);
        }
        Nlri::RouteTarget(RtMembership::Default) => out.push(0),
        Nlri::RouteTarget(RtMembership::Target {
            origin,
            target,
            bits,
        }) => {
            let bits = (*bits).min(64);
            out.push(32 + bits);
            out.extend_from_slice(&origin.to_be_bytes());
            out.extend_from_slice(&target.0[..usize::from(bits).div_ceil(8)]);
        }
    }
}

fn octets(label: Label) -> [u8; 3] {
    let [_, a, b, c] = label.field().to_be_bytes();
    [a, b, c]
}

fn distinguished(label: Label, rd: RouteDistinguisher) -> [u8; 11] {
    let mut head = [0; 11];
    head[..3].copy_from_slice(&octets(label));
    head[3..].copy_from_slice(&rd.0);
    head
}

fn ipv4<const HEAD: usize>(head: [u8; HEAD], net: Ipv4Net, out: &mut Vec<u8>) {
    prefix(head, net.addr().octets(), net.prefix_len(), out);
}

fn ipv6<const HEAD: usize>(head: [u8; HEAD], net: Ipv6Net, out: &mut Vec<u8>) {
    prefix(head, net.addr().octets(), net.prefix_len(), out);
}

#[inline]
fn prefix<const HEAD: usize, const ADDRESS: usize>(
    head: [u8; HEAD],
    address: [u8; ADDRESS],
    length: u8,
    out: &mut Vec<u8>,
) {
    // At most 24 + 64 + 128 bits.
    out.push(8 * HEAD as u8 + length);
    out.extend_from_slice(&head);
    // Copied whole and cut: a copy of a fixed size is a move, one of a variable size is a call.
    out.extend_from_slice(&address);
    out.truncate(out.len() + usize::from(length).div_ceil(8) - ADDRESS);
}
