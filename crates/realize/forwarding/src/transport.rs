//! The transport header, neighbour discovery, and what an ICMP error quotes.

use crate::DropReason;
use crate::packet::{Fragment, array, be16};
use model::{Mac, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const TCP: u8 = Protocol::TCP;
const MAX_ND_OPTIONS: usize = 8;

pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp {
        ports: Ports,
        flags: u8,
    },
    Udp(Ports),
    /// SCTP, DCCP and UDP-Lite.
    Ports(Ports),
    Icmp(Icmp),
    /// A protocol without ports, or a later fragment.
    Opaque,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ports {
    pub(crate) source: u16,
    pub(crate) destination: u16,
}

/// ICMP in IPv4 or ICMPv6 in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Icmp {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) echo: Option<Echo>,
    /// The packet an error message is about, when it quotes enough of it.
    pub(crate) quoted: Option<Quoted>,
    pub(crate) neighbour: Option<Neighbour>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Echo {
    pub(crate) is_request: bool,
    pub(crate) id: u16,
}

/// The quoted packet's flow; `ports` of a protocol without ports are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Ports,
    pub(crate) echo: Option<Echo>,
}

/// A neighbour discovery message of types 133 to 136.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// Of solicitations and advertisements of neighbours.
    pub(crate) target: Option<Ipv6Addr>,
    /// Source link-layer address of solicitations, target link-layer address of advertisements.
    pub(crate) link_layer: Option<Mac>,
}

/// `body` runs from the transport header to the end of the IP packet.
pub(crate) fn parse(
    is_ipv6: bool,
    protocol: u8,
    body: &[u8],
    fragment: Fragment,
    hop_limit: u8,
) -> Result<Transport, DropReason> {
    if matches!(fragment, Fragment::Later(_)) {
        return Ok(Transport::Opaque);
    }
    let shortest = |length| {
        if body.len() < length {
            Err(DropReason::TransportTruncated)
        } else {
            Ok(())
        }
    };
    match protocol {
        Protocol::TCP => {
            shortest(20)?;
            let offset = usize::from(body[12] >> 4) * 4;
            if offset < 20 || offset > body.len() {
                return Err(DropReason::TcpHeaderLength);
            }
            Ok(Transport::Tcp {
                ports: ports(body),
                flags: body[13],
            })
        }
        Protocol::UDP => {
            shortest(8)?;
            let length = be16(body, 4).map_or(0, usize::from);
            let too_long = length > body.len() && fragment == Fragment::Whole;
            if length < 8 || too_long {
                return Err(DropReason::UdpLength);
            }
            Ok(Transport::Udp(ports(body)))
        }
        Protocol::UDPLITE => shortest(8).map(|()| Transport::Ports(ports(body))),
        Protocol::SCTP | Protocol::DCCP => shortest(12).map(|()| Transport::Ports(ports(body))),
        Protocol::ICMP if !is_ipv6 => shortest(8).map(|()| Transport::Icmp(icmp(body))),
        Protocol::ICMPV6 if is_ipv6 => {
            shortest(8)?;
            icmpv6(body, fragment, hop_limit).map(Transport::Icmp)
        }
        _ => Ok(Transport::Opaque),
    }
}

fn ports(body: &[u8]) -> Ports {
    Ports {
        source: be16(body, 0).unwrap_or_default(),
        destination: be16(body, 2).unwrap_or_default(),
    }
}

fn echo(body: &[u8], request: u8, reply: u8) -> Option<Echo> {
    let kind = body[0];
    (kind == request || kind == reply).then(|| Echo {
        is_request: kind == request,
        id: be16(body, 4).unwrap_or_default(),
    })
}

fn icmp(body: &[u8]) -> Icmp {
    let is_error = matches!(body[0], 3 | 4 | 11 | 12);
    Icmp {
        kind: body[0],
        code: body[1],
        echo: echo(body, 8, 0),
        quoted: is_error.then(|| quoted_ipv4(&body[8..])).flatten(),
        neighbour: None,
    }
}

fn icmpv6(body: &[u8], fragment: Fragment, hop_limit: u8) -> Result<Icmp, DropReason> {
    let kind = body[0];
    let neighbour = match kind {
        ROUTER_SOLICITATION..=NEIGHBOUR_ADVERTISEMENT => {
            // RFC 6980: never fragmented; RFC 4861: never from beyond the link.
            if fragment != Fragment::Whole || hop_limit != 255 || body[1] != 0 {
                return Err(DropReason::NdMalformed);
            }
            Some(neighbour(kind, body).ok_or(DropReason::NdMalformed)?)
        }
        _ => None,
    };
    Ok(Icmp {
        kind,
        code: body[1],
        echo: echo(body, 128, 129),
        quoted: matches!(kind, 1..=4)
            .then(|| quoted_ipv6(&body[8..]))
            .flatten(),
        neighbour,
    })
}

fn neighbour(kind: u8, body: &[u8]) -> Option<Neighbour> {
    let (fixed, wanted_option) = match kind {
        ROUTER_SOLICITATION => (8, 1),
        ROUTER_ADVERTISEMENT => (16, 1),
        NEIGHBOUR_SOLICITATION => (24, 1),
        _ => (24, 2),
    };
    let target = match fixed {
        24 => Some(Ipv6Addr::from(array::<16>(body, 8)?)),
        _ => None,
    };
    if target.is_some_and(|t| t.is_multicast()) {
        return None;
    }
    let mut options = body.get(fixed..)?;
    let mut link_layer = None;
    for _ in 0..MAX_ND_OPTIONS {
        if options.is_empty() {
            break;
        }
        let header: [u8; 8] = array(options, 0)?;
        let length = usize::from(header[1]) * 8;
        if length == 0 || length > options.len() {
            return None;
        }
        if header[0] == wanted_option {
            if length != 8 || link_layer.is_some() {
                return None;
            }
            link_layer = array(&header, 2).map(Mac);
        }
        options = &options[length..];
    }
    options
        .is_empty()
        .then_some(Neighbour { target, link_layer })
}

fn quoted_ipv4(packet: &[u8]) -> Option<Quoted> {
    let header: [u8; 20] = array(packet, 0)?;
    let header_length = usize::from(header[0] & 0xf) * 4;
    let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if header[0] >> 4 != 4 || header_length < 20 || offset != 0 {
        return None;
    }
    let body: [u8; 8] = array(packet, header_length)?;
    let is_icmp = header[9] == Protocol::ICMP;
    Some(Quoted {
        source: Ipv4Addr::from(array::<4>(packet, 12)?).into(),
        destination: Ipv4Addr::from(array::<4>(packet, 16)?).into(),
        protocol: header[9],
        ports: quoted_ports(header[9], &body),
        echo: is_icmp.then(|| echo(&body, 8, 0)).flatten(),
    })
}

/// Extension headers in the quoted packet are not followed: such an error is nobody's.
fn quoted_ipv6(packet: &[u8]) -> Option<Quoted> {
    let header: [u8; 40] = array(packet, 0)?;
    if header[0] >> 4 != 6 || matches!(header[6], 0 | 43 | 44 | 60) {
        return None;
    }
    let body: [u8; 8] = array(packet, 40)?;
    let is_icmp = header[6] == Protocol::ICMPV6;
    Some(Quoted {
        source: Ipv6Addr::from(array::<16>(packet, 8)?).into(),
        destination: Ipv6Addr::from(array::<16>(packet, 24)?).into(),
        protocol: header[6],
        ports: quoted_ports(header[6], &body),
        echo: is_icmp.then(|| echo(&body, 128, 129)).flatten(),
    })
}

fn quoted_ports(protocol: u8, body: &[u8; 8]) -> Ports {
    match protocol {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol::DCCP | Protocol::UDPLITE => {
            ports(body)
        }
        _ => Ports {
            source: 0,
            destination: 0,
        },
    }
}
