//! Ethernet, IPv4, IPv6 and UDP: taken apart and put together for the few protocols the agent answers itself.
//! Parsers accept exactly what the headers say and never read past it. Transport checksums of received frames
//! are not checked: a frame comes over a virtual wire, where checksum offload leaves them unfinished on purpose.

use super::Silence;
use model::Mac;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

/// Reads big-endian fields off the front of a buffer.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Silence> {
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Silence::Malformed(what))?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Silence> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Silence::Malformed(what))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Silence> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Silence> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Silence> {
        self.array(what).map(u32::from_be_bytes)
    }
}

/// An Ethernet frame without a VLAN tag.
pub(super) struct Ethernet<'a> {
    pub(super) source: Mac,
    pub(super) ethertype: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    pub(super) fn parse(frame: &'a [u8]) -> Result<Self, Silence> {
        let mut reader = Reader(frame);
        let _destination: [u8; 6] = reader.array("Ethernet header")?;
        Ok(Self {
            source: Mac(reader.array("Ethernet header")?),
            ethertype: reader.u16("Ethernet header")?,
            payload: reader.0,
        })
    }
}

/// An IPv4 packet (RFC 791) that is not a fragment.
pub(super) struct Ipv4<'a> {
    pub(super) source: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) payload: &'a [u8],
}

impl<'a> Ipv4<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Result<Self, Silence> {
        const WHAT: &str = "IPv4 header";
        let malformed = || Silence::Malformed(WHAT);
        let header: &[u8; 20] = packet.first_chunk().ok_or_else(malformed)?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let whole = packet.get(..total_len).ok_or_else(malformed)?;
        let payload = whole.get(header_len..).ok_or_else(malformed)?;
        if header[0] >> 4 != 4 || header_len < 20 || checksum(&[&whole[..header_len]]) != 0 {
            return Err(malformed());
        }
        // Any offset, or more fragments to come: ports are only in the first one.
        if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
            return Err(Silence::Malformed("IPv4 fragment"));
        }
        Ok(Self {
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]),
            protocol: header[9],
            payload,
        })
    }
}

/// An IPv6 packet (RFC 8200). Extension headers are left to the caller, as `next_header`.
pub(super) struct Ipv6<'a> {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) next_header: u8,
    pub(super) hop_limit: u8,
    pub(super) payload: &'a [u8],
}

impl<'a> Ipv6<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Result<Self, Silence> {
        const WHAT: &str = "IPv6 header";
        let mut reader = Reader(packet);
        let version = reader.u32(WHAT)? >> 28;
        let payload_len = usize::from(reader.u16(WHAT)?);
        let next_header = reader.u8(WHAT)?;
        let hop_limit = reader.u8(WHAT)?;
        let source = Ipv6Addr::from(reader.array::<16>(WHAT)?);
        let destination = Ipv6Addr::from(reader.array::<16>(WHAT)?);
        if version != 6 {
            return Err(Silence::Malformed(WHAT));
        }
        Ok(Self {
            source,
            destination,
            next_header,
            hop_limit,
            payload: reader.take(payload_len, WHAT)?,
        })
    }
}

/// A UDP datagram (RFC 768).
pub(super) struct Udp<'a> {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Udp<'a> {
    pub(super) fn parse(segment: &'a [u8]) -> Result<Self, Silence> {
        const WHAT: &str = "UDP header";
        let mut reader = Reader(segment);
        let source = reader.u16(WHAT)?;
        let destination = reader.u16(WHAT)?;
        let len = usize::from(reader.u16(WHAT)?);
        let _checksum = reader.u16(WHAT)?;
        let payload_len = len.checked_sub(8).ok_or(Silence::Malformed(WHAT))?;
        Ok(Self {
            source,
            destination,
            payload: reader.take(payload_len, WHAT)?,
        })
    }
}

/// Where a reply goes from and to, on the Ethernet and the IP layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<A> {
    pub(super) source_mac: Mac,
    pub(super) destination_mac: Mac,
    pub(super) source: A,
    pub(super) destination: A,
}

impl<A> Path<A> {
    fn ethernet(&self, ethertype: u16, capacity: usize) -> Vec<u8> {
        let mut frame = Vec::with_capacity(14 + capacity);
        frame.extend(self.destination_mac.0);
        frame.extend(self.source_mac.0);
        frame.extend(ethertype.to_be_bytes());
        frame
    }
}

impl Path<Ipv4Addr> {
    /// A UDP datagram in IPv4 in Ethernet. `payload` is at most 1472 bytes, by what the callers build.
    pub(super) fn udp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut frame = self.ethernet(ETHERTYPE_IPV4, 28 + payload.len());
        let mut header = [0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(28 + payload.len() as u16).to_be_bytes());
        header[8] = 64;
        header[9] = UDP;
        header[12..16].copy_from_slice(&self.source.octets());
        header[16..20].copy_from_slice(&self.destination.octets());
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(header);

        let mut pseudo = [0; 12];
        pseudo[..8].copy_from_slice(&header[12..20]);
        pseudo[9] = UDP;
        pseudo[10..].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        frame.extend(udp_header(ports, &pseudo, payload));
        frame.extend(payload);
        frame
    }
}

impl Path<Ipv6Addr> {
    pub(super) fn udp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let pseudo = self.pseudo_header(UDP, 8 + payload.len());
        let header = udp_header(ports, &pseudo, payload);
        let mut frame = self.ipv6(UDP, 64, 8 + payload.len());
        frame.extend(header);
        frame.extend(payload);
        frame
    }

    /// An ICMPv6 message in IPv6 in Ethernet with hop limit 255, as neighbour discovery demands (RFC 4861);
    /// fills in the checksum at `message[2..4]`.
    pub(super) fn icmpv6(&self, mut message: Vec<u8>) -> Vec<u8> {
        let pseudo = self.pseudo_header(ICMPV6, message.len());
        message[2..4].fill(0);
        let sum = checksum(&[&pseudo, &message]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = self.ipv6(ICMPV6, 255, message.len());
        frame.extend(message);
        frame
    }

    fn ipv6(&self, next_header: u8, hop_limit: u8, len: usize) -> Vec<u8> {
        let mut frame = self.ethernet(ETHERTYPE_IPV6, 40 + len);
        frame.extend([0x60, 0, 0, 0]);
        frame.extend((len as u16).to_be_bytes());
        frame.extend([next_header, hop_limit]);
        frame.extend(self.source.octets());
        frame.extend(self.destination.octets());
        frame
    }

    fn pseudo_header(&self, next_header: u8, len: usize) -> [u8; 40] {
        let mut pseudo = [0; 40];
        pseudo[..16].copy_from_slice(&self.source.octets());
        pseudo[16..32].copy_from_slice(&self.destination.octets());
        pseudo[32..36].copy_from_slice(&(len as u32).to_be_bytes());
        pseudo[39] = next_header;
        pseudo
    }
}

fn udp_header(ports: (u16, u16), pseudo: &[u8], payload: &[u8]) -> [u8; 8] {
    let mut header = [0; 8];
    header[..2].copy_from_slice(&ports.0.to_be_bytes());
    header[2..4].copy_from_slice(&ports.1.to_be_bytes());
    header[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    // Zero means "no checksum" (RFC 768), so a computed zero goes out as all ones.
    let sum = match checksum(&[pseudo, &header, payload]) {
        0 => 0xffff,
        sum => sum,
    };
    header[6..].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071) over the parts; each but the last has even length.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        sum += words
            .iter()
            .map(|word| u32::from(u16::from_be_bytes(*word)))
            .sum::<u32>();
        if let [last] = rest {
            sum += u32::from(*last) << 8;
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksum_of_a_known_ipv4_header() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert_eq!(checksum(&[&header]), 0xb861);
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    proptest! {
        #[test]
        fn what_is_built_is_parsed(payload in prop::collection::vec(any::<u8>(), 0..600), ports: (u16, u16)) {
            let v4 = Path { source_mac: mac(1), destination_mac: mac(2),
                source: Ipv4Addr::new(10, 0, 0, 1), destination: Ipv4Addr::new(10, 0, 0, 2) };
            let frame = v4.udp(ports, &payload);
            let ethernet = Ethernet::parse(&frame).expect("Ethernet");
            prop_assert_eq!(ethernet.ethertype, ETHERTYPE_IPV4);
            let packet = Ipv4::parse(ethernet.payload).expect("IPv4");
            let mut pseudo = ethernet.payload[12..20].to_vec();
            pseudo.extend([0, UDP]);
            pseudo.extend((packet.payload.len() as u16).to_be_bytes());
            prop_assert_eq!(checksum(&[&pseudo, packet.payload]), 0);
            let udp = Udp::parse(packet.payload).expect("UDP");
            prop_assert_eq!((udp.source, udp.destination), ports);
            prop_assert_eq!(udp.payload, &payload[..]);

            let v6 = Path { source_mac: mac(1), destination_mac: mac(2),
                source: mac(1).link_local(), destination: mac(2).link_local() };
            let frame = v6.udp(ports, &payload);
            let packet = Ipv6::parse(&frame[14..]).expect("IPv6");
            let pseudo = v6.pseudo_header(UDP, packet.payload.len());
            prop_assert_eq!(checksum(&[&pseudo, packet.payload]), 0);
            prop_assert_eq!(Udp::parse(packet.payload).expect("UDP").payload, &payload[..]);
        }
    }
}
