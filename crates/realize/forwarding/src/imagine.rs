//! The first packet of a connection, written out as a frame.

use crate::neighbour::internet_checksum;
use model::{Mac, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SYN: u8 = 0x02;
const ECHO_ID: u16 = 1;

/// Pairs are (source, destination).
pub(crate) struct Imagined {
    pub(crate) macs: (Mac, Mac),
    /// Of one family.
    pub(crate) addresses: (IpAddr, IpAddr),
    pub(crate) protocol: u8,
    pub(crate) ports: (u16, u16),
}

/// A whole frame with right lengths and an IPv4 header checksum; the transport checksum is left zero.
pub(crate) fn frame(packet: &Imagined) -> Vec<u8> {
    let body = body(packet);
    let mut frame = Vec::new();
    frame.extend(packet.macs.1.0);
    frame.extend(packet.macs.0.0);
    match packet.addresses {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0x00]);
            frame.extend(ipv4_header(
                source,
                destination,
                packet.protocol,
                body.len(),
            ));
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd]);
            frame.extend(ipv6_header(
                source,
                destination,
                packet.protocol,
                body.len(),
            ));
        }
        // The caller's addresses are of one family; a frame without a header would be dropped as truncated.
        _ => frame.extend([0x08, 0x00]),
    }
    frame.extend(body);
    frame
}

fn body(packet: &Imagined) -> Vec<u8> {
    let (source, destination) = packet.ports;
    let mut body = Vec::new();
    let is_ipv4 = packet.addresses.0.is_ipv4();
    match packet.protocol {
        Protocol::TCP => {
            body.extend(source.to_be_bytes());
            body.extend(destination.to_be_bytes());
            body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 0xff, 0xff, 0, 0, 0, 0]);
        }
        Protocol::UDP | Protocol::UDPLITE => {
            body.extend(source.to_be_bytes());
            body.extend(destination.to_be_bytes());
            body.extend([0, 8, 0, 0]);
        }
        Protocol::SCTP | Protocol::DCCP => {
            body.extend(source.to_be_bytes());
            body.extend(destination.to_be_bytes());
            body.extend([0; 8]);
        }
        Protocol::ICMP if is_ipv4 => body.extend(echo(8)),
        Protocol::ICMPV6 if !is_ipv4 => body.extend(echo(128)),
        _ => body.extend([0; 8]),
    }
    body
}

fn echo(kind: u8) -> [u8; 8] {
    let [high, low] = ECHO_ID.to_be_bytes();
    [kind, 0, 0, 0, high, low, 0, 1]
}

fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, body: usize) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(20 + body as u16).to_be_bytes());
    header[6] = 0x40;
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = internet_checksum(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, body: usize) -> [u8; 40] {
    let mut header = [0; 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&(body as u16).to_be_bytes());
    header[6] = protocol;
    header[7] = 64;
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    header
}
