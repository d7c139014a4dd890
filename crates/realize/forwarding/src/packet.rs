//! What a frame says, or which of its claims is false. Nothing here knows of ports or plans.
//!
//! Checksums are not verified: a frame between workloads of one host may carry one that its device has yet to fill in.

use crate::DropReason;
use crate::transport::{self, Transport};
use model::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const ETHERNET: usize = 14;
/// More extension headers than any host sends.
const MAX_EXTENSIONS: usize = 8;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad and the older provider tag.
const ETHERTYPE_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The Ethernet header, with the checks every hook makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    ethertype: u16,
}

impl Ethernet {
    /// `frame` is at least 14 bytes, which the kernel guarantees for an Ethernet device.
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, DropReason> {
        let mac = |at| array(frame, at).map(Mac);
        let (Some(destination), Some(source), Some(ethertype)) = (mac(0), mac(6), be16(frame, 12))
        else {
            return Err(DropReason::MulticastSource);
        };
        if ETHERTYPE_VLAN.contains(&ethertype) {
            return Err(DropReason::VlanTagged);
        }
        if !source.is_unicast() {
            return Err(DropReason::MulticastSource);
        }
        if destination.0[..5] == [0x01, 0x80, 0xc2, 0, 0] && destination.0[5] < 0x10 {
            return Err(DropReason::ReservedMulticast);
        }
        Ok(Self {
            destination,
            source,
            ethertype,
        })
    }
}

/// What is inside the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Arp(Arp),
    Ip(Ip),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) is_request: bool,
    pub(crate) sender_mac: Mac,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target: Ipv4Addr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Of the transport header; what the fragment header says for later fragments.
    pub(crate) protocol: u8,
    pub(crate) fragment: Fragment,
    pub(crate) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fragment {
    Whole,
    First(FragmentId),
    Later(FragmentId),
}

/// What the fragments of one packet share besides the addresses; IPv6 leaves the protocol out (RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FragmentId {
    pub(crate) id: u32,
    pub(crate) protocol: u8,
}

impl Payload {
    pub(crate) fn parse(ethernet: &Ethernet, frame: &[u8]) -> Result<Self, DropReason> {
        let packet = frame.get(ETHERNET..).unwrap_or_default();
        match ethernet.ethertype {
            ETHERTYPE_ARP => arp(packet).map(Self::Arp).ok_or(DropReason::ArpMalformed),
            ETHERTYPE_IPV4 => ipv4(packet).map(Self::Ip),
            ETHERTYPE_IPV6 => ipv6(packet).map(Self::Ip),
            _ => Ok(Self::Other),
        }
    }
}

fn arp(packet: &[u8]) -> Option<Arp> {
    // Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4.
    if array(packet, 0)? != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    let operation = be16(packet, 6)?;
    if !matches!(operation, 1 | 2) {
        return None;
    }
    Some(Arp {
        is_request: operation == 1,
        sender_mac: Mac(array(packet, 8)?),
        sender: array::<4>(packet, 14)?.into(),
        target: array::<4>(packet, 24)?.into(),
    })
}

fn ipv4(packet: &[u8]) -> Result<Ip, DropReason> {
    let header: [u8; 20] = array(packet, 0).ok_or(DropReason::Ipv4Truncated)?;
    if header[0] >> 4 != 4 {
        return Err(DropReason::IpVersion);
    }
    let header_length = usize::from(header[0] & 0xf) * 4;
    if header_length < 20 {
        return Err(DropReason::Ipv4HeaderLength);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if total < header_length || total > packet.len() {
        return Err(DropReason::Ipv4TotalLength);
    }
    let protocol = header[9];
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let fragment = fragment(
        FragmentId {
            id: u16::from_be_bytes([header[4], header[5]]).into(),
            protocol,
        },
        usize::from(flags & 0x1fff) * 8,
        flags & 0x2000 != 0,
        total - header_length,
        protocol,
    )?;
    let body = &packet[header_length..total];
    Ok(Ip {
        source: Ipv4Addr::from([header[12], header[13], header[14], header[15]]).into(),
        destination: Ipv4Addr::from([header[16], header[17], header[18], header[19]]).into(),
        protocol,
        fragment,
        transport: transport::parse(false, protocol, body, fragment, 255)?,
    })
}

fn fragment(
    id: FragmentId,
    offset: usize,
    more: bool,
    length: usize,
    protocol: u8,
) -> Result<Fragment, DropReason> {
    if offset == 0 && !more {
        return Ok(Fragment::Whole);
    }
    let uneven = more && (length == 0 || !length.is_multiple_of(8));
    // RFC 3128: a fragment at offset 1 would overwrite the TCP flags that were checked.
    let overlaps_tcp = protocol == transport::TCP && offset == 8;
    if uneven || offset + length > 65535 || overlaps_tcp {
        return Err(DropReason::FragmentMalformed);
    }
    Ok(if offset == 0 {
        Fragment::First(id)
    } else {
        Fragment::Later(id)
    })
}

fn ipv6(packet: &[u8]) -> Result<Ip, DropReason> {
    let header: [u8; 40] = array(packet, 0).ok_or(DropReason::Ipv6Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(DropReason::IpVersion);
    }
    let end = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let packet = packet.get(..end).ok_or(DropReason::Ipv6PayloadLength)?;
    let chain = extensions(packet, header[6])?;
    let address = |at| array::<16>(packet, at).map(Ipv6Addr::from);
    let (Some(source), Some(destination)) = (address(8), address(24)) else {
        return Err(DropReason::Ipv6Truncated);
    };
    let body = &packet[chain.offset..];
    Ok(Ip {
        source: source.into(),
        destination: destination.into(),
        protocol: chain.protocol,
        fragment: chain.fragment,
        transport: transport::parse(true, chain.protocol, body, chain.fragment, header[7])?,
    })
}

struct Chain {
    protocol: u8,
    offset: usize,
    fragment: Fragment,
}

/// Follows the extension headers (RFC 8200 section 4). AH, ESP and "no next header" end the chain as protocols.
fn extensions(packet: &[u8], first: u8) -> Result<Chain, DropReason> {
    let mut chain = Chain {
        protocol: first,
        offset: 40,
        fragment: Fragment::Whole,
    };
    let mut fragmented = false;
    for _ in 0..MAX_EXTENSIONS {
        if !matches!(chain.protocol, 0 | 43 | 44 | 60) {
            return Ok(chain);
        }
        let header: [u8; 8] = array(packet, chain.offset).ok_or(DropReason::Ipv6Extension)?;
        let length = match chain.protocol {
            0 if chain.offset != 40 => return Err(DropReason::Ipv6Extension),
            43 if header[2] == 0 => return Err(DropReason::Ipv6RoutingHeader),
            44 if fragmented => return Err(DropReason::Ipv6Extension),
            44 => 8,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        if chain.offset + length > packet.len() {
            return Err(DropReason::Ipv6Extension);
        }
        let is_fragment = chain.protocol == 44;
        chain.offset += length;
        chain.protocol = header[0];
        if is_fragment {
            fragmented = true;
            chain.fragment = ipv6_fragment(header, packet.len() - chain.offset)?;
            if matches!(chain.fragment, Fragment::Later(_)) {
                return Ok(chain);
            }
        }
    }
    if matches!(chain.protocol, 0 | 43 | 44 | 60) {
        return Err(DropReason::Ipv6ExtensionChain);
    }
    Ok(chain)
}

fn ipv6_fragment(header: [u8; 8], length: usize) -> Result<Fragment, DropReason> {
    let offset = u16::from_be_bytes([header[2], header[3]]);
    let id = FragmentId {
        id: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        protocol: 0,
    };
    fragment(
        id,
        usize::from(offset & !7),
        offset & 1 != 0,
        length,
        header[0],
    )
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}
