//! ARP requests and neighbour solicitations, answered from the plan.

use crate::packet::{Arp, Ethernet, Payload};
use crate::transport::{self, Transport};
use model::{Mac, NetworkId};
use plan::{HostPlan, Member, Segment, UnitKey};
use std::net::{IpAddr, Ipv6Addr};

/// What to do with a request.
pub(crate) enum Resolution {
    /// By what `unit` says: the address is at `mac`.
    Answer {
        unit: UnitKey,
        mac: Mac,
        frame: Vec<u8>,
    },
    /// Ask the workloads: a member may hold it as an address pair, or the sender announces its own address.
    Forward,
    Unknown,
}

/// The address a frame asks for; `None` if it asks for none.
pub(crate) fn requested(payload: &Payload) -> Option<IpAddr> {
    match payload {
        Payload::Arp(arp) if arp.is_request => Some(arp.target.into()),
        Payload::Ip(ip) => match ip.transport {
            Transport::Icmp(icmp) if icmp.kind == transport::NEIGHBOUR_SOLICITATION => {
                icmp.neighbour?.target.map(IpAddr::V6)
            }
            _ => None,
        },
        _ => None,
    }
}

/// True for neighbour solicitations and advertisements, which security groups do not filter.
pub(crate) fn is_exempt(transport: &Transport) -> bool {
    matches!(transport, Transport::Icmp(icmp) if icmp.neighbour.is_some()
        && matches!(icmp.kind, transport::NEIGHBOUR_SOLICITATION | transport::NEIGHBOUR_ADVERTISEMENT))
}

/// A member's address is its own; one that a pair claims is for the workloads to tell; the network's services come last.
pub(crate) fn resolve(
    plan: &HostPlan,
    segment: &Segment,
    ethernet: &Ethernet,
    payload: &Payload,
    frame: &[u8],
    address: IpAddr,
) -> Resolution {
    let network = segment.network;
    let answer = |unit, mac: Mac| {
        if mac == ethernet.source {
            return Resolution::Forward;
        }
        let frame = match payload {
            Payload::Arp(arp) => arp_reply(frame, arp, mac),
            _ => advertisement(ethernet, payload, address, mac),
        };
        Resolution::Answer { unit, mac, frame }
    };
    if let Some(holder) = holder(plan, network, address) {
        return answer(UnitKey::Member(network, holder.port), holder.mac);
    }
    let paired = plan
        .members(network)
        .flat_map(|member| &member.pairs)
        .any(|pair| pair.ip_address.contains(&address));
    if paired {
        Resolution::Forward
    } else if segment.service_addresses().any(|served| served == address) {
        answer(UnitKey::Segment(network), segment.service_mac())
    } else {
        Resolution::Unknown
    }
}

/// The member that has the address, or the MAC that the link-local address is made of.
fn holder(plan: &HostPlan, network: NetworkId, address: IpAddr) -> Option<&Member> {
    let fixed = plan
        .members(network)
        .find(|member| member.addresses.contains(&address));
    fixed.or_else(|| {
        plan.members(network)
            .find(|member| IpAddr::V6(member.mac.link_local()) == address)
    })
}

/// The request turned around in place (RFC 826); what followed it stays.
fn arp_reply(request: &[u8], arp: &Arp, holder: Mac) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply.copy_within(6..12, 0);
    reply[6..12].copy_from_slice(&holder.0);
    reply[20..22].copy_from_slice(&[0, 2]);
    reply[22..28].copy_from_slice(&holder.0);
    reply[28..32].copy_from_slice(&arp.target.octets());
    reply[32..38].copy_from_slice(&arp.sender_mac.0);
    reply[38..42].copy_from_slice(&arp.sender.octets());
    reply
}

/// A neighbour advertisement (RFC 4861 section 4.4), solicited unless the asker has no address yet.
fn advertisement(ethernet: &Ethernet, payload: &Payload, target: IpAddr, holder: Mac) -> Vec<u8> {
    let asker = match payload {
        Payload::Ip(ip) => match ip.source {
            IpAddr::V6(source) if !source.is_unspecified() => Some(source),
            _ => None,
        },
        _ => None,
    };
    let IpAddr::V6(target) = target else {
        return Vec::new();
    };
    let destination = asker.unwrap_or(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let mut message = vec![
        136,
        0,
        0,
        0,
        if asker.is_some() { 0x60 } else { 0x20 },
        0,
        0,
        0,
    ];
    message.extend(target.octets());
    message.extend([2, 1]);
    message.extend(holder.0);
    let checksum = icmpv6_checksum(target, destination, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = Vec::with_capacity(86);
    frame.extend(ethernet.source.0);
    frame.extend(holder.0);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(target.octets());
    frame.extend(destination.octets());
    frame.extend(message);
    frame
}

/// The checksum of an ICMPv6 message whose own field is zero (RFC 8200 section 8.1).
fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or_default();
    let next_header = [0, 0, 0, 58];
    internet_checksum(&[
        &source.octets(),
        &destination.octets(),
        &length.to_be_bytes(),
        &next_header,
        message,
    ])
}

/// The Internet checksum (RFC 1071) over parts of even length, but for the last.
pub(crate) fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
