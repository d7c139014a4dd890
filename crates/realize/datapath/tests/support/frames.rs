//! Frames, valid unless they are told not to be.

use model::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub fn ethernet(destination: Mac, source: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(destination.0);
    frame.extend(source.0);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(sender.0.0);
    packet.extend(sender.1.octets());
    packet.extend(target.0.0);
    packet.extend(target.1.octets());
    packet
}

/// A fragment's offset in units of 8 bytes, whether more follow, and the id.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub offset: u16,
    pub more: bool,
    pub id: u32,
}

/// An IP packet of the addresses' family; `extensions` are headers by number and body for IPv6, options for IPv4.
#[derive(Debug, Clone)]
pub struct Ip {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    pub cut: Option<Cut>,
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl Ip {
    pub fn new(source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            hop_limit: 255,
            cut: None,
            extensions: Vec::new(),
        }
    }

    pub fn ethertype(&self) -> u16 {
        if self.source.is_ipv4() {
            0x0800
        } else {
            0x86dd
        }
    }

    pub fn packet(&self, body: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.ipv4(source, destination, body),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.ipv6(source, destination, body),
            _ => panic!("the addresses are of two families"),
        }
    }

    fn ipv4(&self, source: Ipv4Addr, destination: Ipv4Addr, body: &[u8]) -> Vec<u8> {
        let options = (self.extensions.len() * 4).min(40);
        let total = (20 + options + body.len()) as u16;
        let (id, flags) = match self.cut {
            Some(cut) => (
                cut.id as u16,
                cut.offset | if cut.more { 0x2000 } else { 0 },
            ),
            None => (0, 0x4000),
        };
        let mut packet = vec![0x45 + (options / 4) as u8, 0];
        packet.extend(total.to_be_bytes());
        packet.extend(id.to_be_bytes());
        packet.extend(flags.to_be_bytes());
        packet.extend([self.hop_limit, self.protocol, 0, 0]);
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(std::iter::repeat_n(1, options));
        packet.extend(body);
        packet
    }

    fn ipv6(&self, source: Ipv6Addr, destination: Ipv6Addr, body: &[u8]) -> Vec<u8> {
        let mut chain = self.extensions.clone();
        if let Some(cut) = self.cut {
            let mut header = vec![0];
            header.extend((cut.offset << 3 | u16::from(cut.more)).to_be_bytes());
            header.extend(cut.id.to_be_bytes());
            chain.push((44, header));
        }
        let mut payload = Vec::new();
        for (at, (_, header)) in chain.iter().enumerate() {
            let next = chain
                .get(at + 1)
                .map_or(self.protocol, |(number, _)| *number);
            payload.push(next);
            payload.extend(header);
        }
        payload.extend(body);
        let first = chain.first().map_or(self.protocol, |(number, _)| *number);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([first, self.hop_limit]);
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(payload);
        packet
    }
}

/// An extension header of `units` times 8 bytes, without its next-header byte. The third byte is a routing type.
pub fn extension(units: u8, kind: u8) -> Vec<u8> {
    let mut header = vec![units - 1, kind];
    header.resize(usize::from(units) * 8 - 1, 0);
    header
}

pub fn tcp(source: u16, destination: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend([0; 8]);
    header.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header.extend(data);
    header
}

pub fn udp(source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend(((8 + data.len()) as u16).to_be_bytes());
    header.extend([0, 0]);
    header.extend(data);
    header
}

pub fn icmp(kind: u8, code: u8, word: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(word);
    message.extend(data);
    message
}

/// A neighbour solicitation or advertisement with an optional link-layer address option.
pub fn neighbour(kind: u8, target: Ipv6Addr, option: Option<(u8, Mac)>) -> Vec<u8> {
    let mut message = icmp(kind, 0, [0; 4], &target.octets());
    if let Some((number, mac)) = option {
        message.extend([number, 1]);
        message.extend(mac.0);
    }
    message
}
