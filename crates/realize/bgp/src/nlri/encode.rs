//! NLRI to the wire.

use super::{Label, Nlri, Payload, Route, RtMembership, evpn_wire};
use ipnet::{Ipv4Net, Ipv6Net};

/// Appends a route. `withdraw`: label fields of IP prefixes say what RFC 8277 2.4 asks for, whatever the payload has.
pub(crate) fn encode(route: &Route, add_path: bool, withdraw: bool, out: &mut Vec<u8>) {
    if add_path {
        out.extend_from_slice(&route.path_id.to_be_bytes());
    }
    let label = || match route.payload {
        Payload::Label(label) if !withdraw => label,
        _ => Label::WITHDRAWN,
    };
    match &route.nlri {
        Nlri::Ipv4(net) => ipv4(&[], &[], *net, out),
        Nlri::Ipv6(net) => ipv6(&[], &[], *net, out),
        Nlri::LabeledIpv4(net) => ipv4(&octets(label()), &[], *net, out),
        Nlri::LabeledIpv6(net) => ipv6(&octets(label()), &[], *net, out),
        Nlri::Vpnv4(rd, net) => ipv4(&octets(label()), &rd.0, *net, out),
        Nlri::Vpnv6(rd, net) => ipv6(&octets(label()), &rd.0, *net, out),
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

fn ipv4(label: &[u8], rd: &[u8], net: Ipv4Net, out: &mut Vec<u8>) {
    prefix(label, rd, &net.addr().octets(), net.prefix_len(), out);
}

fn ipv6(label: &[u8], rd: &[u8], net: Ipv6Net, out: &mut Vec<u8>) {
    prefix(label, rd, &net.addr().octets(), net.prefix_len(), out);
}

#[inline]
fn prefix(label: &[u8], rd: &[u8], address: &[u8], length: u8, out: &mut Vec<u8>) {
    // At most 24 + 64 + 128 bits.
    out.push(8 * (label.len() + rd.len()) as u8 + length);
    out.extend_from_slice(label);
    out.extend_from_slice(rd);
    out.extend_from_slice(&address[..usize::from(length).div_ceil(8)]);
}
