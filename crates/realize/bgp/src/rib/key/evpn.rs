//! EVPN route keys as octets: type, RD, then the fields RFC 7432 7 calls the key, every field at a fixed place and
//! addresses behind their length, so that no key is the beginning of another and RDs of one kind stand together.

use crate::nlri::{Esi, EvpnNlri, Mac, RouteDistinguisher};
use crate::rib::trie::Nibbles;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LENGTH: usize = 64;

/// The octets of the key, zero behind the last field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EvpnKey([u8; LENGTH]);

impl std::fmt::Debug for EvpnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.route().fmt(f)
    }
}

struct Writer {
    key: [u8; LENGTH],
    at: usize,
}

impl Writer {
    fn put(&mut self, octets: &[u8]) {
        self.key[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }

    /// Length in octets (0: none), then the address.
    fn address(&mut self, address: Option<IpAddr>) {
        match address {
            None => self.put(&[0]),
            Some(IpAddr::V4(v4)) => {
                self.put(&[4]);
                self.put(&v4.octets());
            }
            Some(IpAddr::V6(v6)) => {
                self.put(&[16]);
                self.put(&v6.octets());
            }
        }
    }
}

struct Reader<'k> {
    key: &'k [u8; LENGTH],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        octets.copy_from_slice(&self.key[self.at..self.at + N]);
        self.at += N;
        octets
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.take::<1>()[0] {
            0 => None,
            4 => Some(Ipv4Addr::from(self.take::<4>()).into()),
            _ => Some(Ipv6Addr::from(self.take::<16>()).into()),
        }
    }

    /// An address written by [`Writer::address`] from a field that always has one.
    fn some_address(&mut self) -> IpAddr {
        self.address().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl EvpnKey {
    pub(crate) fn new(route: &EvpnNlri) -> Self {
        let mut out = Writer {
            key: [0; LENGTH],
            at: 0,
        };
        match *route {
            EvpnNlri::AutoDiscovery { rd, esi, tag } => {
                out.put(&[1]);
                out.put(&rd.0);
                out.put(&esi.0);
                out.put(&tag.to_be_bytes());
            }
            EvpnNlri::MacIp { rd, tag, mac, ip } => {
                out.put(&[2]);
                out.put(&rd.0);
                out.put(&tag.to_be_bytes());
                out.put(&mac.0);
                out.address(ip);
            }
            EvpnNlri::InclusiveMulticast {
                rd,
                tag,
                originator,
            } => {
                out.put(&[3]);
                out.put(&rd.0);
                out.put(&tag.to_be_bytes());
                out.address(Some(originator));
            }
            EvpnNlri::EthernetSegment {
                rd,
                esi,
                originator,
            } => {
                out.put(&[4]);
                out.put(&rd.0);
                out.put(&esi.0);
                out.address(Some(originator));
            }
            EvpnNlri::IpPrefix { rd, tag, prefix } => {
                out.put(&[5]);
                out.put(&rd.0);
                out.put(&tag.to_be_bytes());
                out.address(Some(prefix.addr()));
                out.put(&[prefix.prefix_len()]);
            }
            EvpnNlri::SelectiveMulticast {
                rd,
                tag,
                source,
                group,
                originator,
            } => {
                out.put(&[6]);
                out.put(&rd.0);
                out.put(&tag.to_be_bytes());
                out.address(source);
                out.address(group);
                out.address(Some(originator));
            }
        }
        Self(out.key)
    }

    pub(crate) fn route(&self) -> EvpnNlri {
        let mut key = Reader {
            key: &self.0,
            at: 1,
        };
        let rd = RouteDistinguisher(key.take());
        match self.0[0] {
            1 => EvpnNlri::AutoDiscovery {
                rd,
                esi: Esi(key.take()),
                tag: u32::from_be_bytes(key.take()),
            },
            2 => EvpnNlri::MacIp {
                rd,
                tag: u32::from_be_bytes(key.take()),
                mac: Mac(key.take()),
                ip: key.address(),
            },
            3 => EvpnNlri::InclusiveMulticast {
                rd,
                tag: u32::from_be_bytes(key.take()),
                originator: key.some_address(),
            },
            4 => EvpnNlri::EthernetSegment {
                rd,
                esi: Esi(key.take()),
                originator: key.some_address(),
            },
            5 => {
                let tag = u32::from_be_bytes(key.take());
                let address = key.some_address();
                let length = key.take::<1>()[0];
                let prefix = IpNet::new(address, length).unwrap_or_else(|_| address.into());
                EvpnNlri::IpPrefix { rd, tag, prefix }
            }
            _ => EvpnNlri::SelectiveMulticast {
                rd,
                tag: u32::from_be_bytes(key.take()),
                source: key.address(),
                group: key.address(),
                originator: key.some_address(),
            },
        }
    }

    /// Type 2.
    pub(super) const fn is_mac(&self) -> bool {
        self.0[0] == 2
    }

    /// From the RD, so that the routes of one VRF stay together.
    pub(super) fn block_of(&self) -> u32 {
        let rd = &self.0[1..9];
        rd.iter().fold(0, |hash: u32, octet| {
            hash.wrapping_mul(31) + u32::from(*octet)
        })
    }
}

impl Nibbles for EvpnKey {
    fn nibble(&self, position: u16) -> u8 {
        let octet = self
            .0
            .get(usize::from(position / 2))
            .copied()
            .unwrap_or_default();
        if position & 1 == 0 {
            octet >> 4
        } else {
            octet & 0xf
        }
    }

    fn diverge(&self, other: &Self) -> Option<u16> {
        let at = self.0.iter().zip(&other.0).position(|(a, b)| a != b)?;
        let low = (self.0[at] ^ other.0[at]) & 0xf0 == 0;
        Some(2 * at as u16 + u16::from(low))
    }
}
