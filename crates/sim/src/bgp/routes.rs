//! Numbered routes: what injectors send and receivers count. The number of a route can be read from its NLRI, so a receiver
//! knows *which* routes it has and not only how many came.
//!
//! Ten routes in a row share one attribute set and their prefixes are neighbours; the blocks of ten are scattered, as in a
//! real table, so that no peer profits from sorted input.

use super::messages::{
    self, MAX_MESSAGE, TRANSITIVE, WELL_KNOWN, attribute, mp_reach, mp_unreach, route_target,
};
use bgp::Family;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::ops::Range;

/// Routes that share one attribute set.
pub(super) const BLOCK: u32 = 10;
/// Blocks are scattered over this many places; a power of two, so that multiplying by an odd number permutes them.
const PLACES: u32 = 1 << 17;
/// Slots that routes can have, and so the numbers that a receiver can tell apart.
pub(super) const SLOTS: u32 = PLACES * BLOCK;
/// Prefixes are /24s from here on.
const FIRST_PREFIX: u32 = 0x1000_0000;
/// The AS of route targets and route distinguishers.
pub(super) const TARGET_AS: u16 = 65000;

/// What kind of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ipv4,
    Vpnv4,
    /// MAC with IPv4 address, VXLAN.
    EvpnMacIp,
    /// IPv4 prefix with router MAC, VXLAN.
    EvpnPrefix,
}

impl Kind {
    pub const fn family(self) -> Family {
        match self {
            Self::Ipv4 => Family::Ipv4Unicast,
            Self::Vpnv4 => Family::Vpnv4,
            Self::EvpnMacIp | Self::EvpnPrefix => Family::Evpn,
        }
    }
}

/// The place of a route among [`SLOTS`].
fn slot(number: u32) -> u32 {
    let place = (number / BLOCK).wrapping_mul(0x9e37_79b1) % PLACES;
    place * BLOCK + number % BLOCK
}

/// The slot that a prefix stands for, if it is a /24 of ours.
pub(super) fn slot_of_prefix(prefix: Ipv4Net) -> Option<u32> {
    let offset = u32::from(prefix.network()).checked_sub(FIRST_PREFIX)?;
    let slot = offset >> 8;
    (prefix.prefix_len() == 24 && slot < SLOTS).then_some(slot)
}

/// The prefix that a slot stands for.
pub(super) fn prefix_of_slot(slot: u32) -> Ipv4Net {
    Ipv4Net::new_assert((FIRST_PREFIX + (slot << 8)).into(), 24)
}

/// What an injector announces.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub kind: Kind,
    /// The injector's AS; first in the AS path if the session is external.
    pub asn: u32,
    pub external: bool,
    pub next_hop: Ipv4Addr,
    /// Route targets `65000:0` to here; each block has one, in turn.
    pub targets: u32,
}

impl Source {
    /// The messages that announce the numbers, blocks being whole. Another `version` is another attribute set for each.
    pub fn announce(&self, numbers: Range<u32>, version: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut first = numbers.start;
        while first < numbers.end {
            let last = numbers.end.min((first / BLOCK + 1) * BLOCK);
            out.extend(self.announce_block(first..last, version));
            first = last;
        }
        out
    }

    /// The message that announces an IPv4 prefix by its slot.
    pub(super) fn announce_slot(&self, slot: u32) -> Vec<u8> {
        let [a, b, c, _] = prefix_of_slot(slot).network().octets();
        let nlri = [24, a, b, c];
        messages::update(&[], &self.attributes(0, 0), &nlri)
    }

    fn announce_block(&self, numbers: Range<u32>, version: u32) -> Vec<u8> {
        let block = numbers.start / BLOCK;
        let mut nlri = Vec::new();
        numbers.for_each(|number| self.nlri(number, &mut nlri));
        let own = self.attributes(block, version);
        match self.kind {
            Kind::Ipv4 => messages::update(&[], &own, &nlri),
            Kind::Vpnv4 => {
                let mut next_hop = vec![0; 8];
                next_hop.extend(self.next_hop.octets());
                let mut attributes = mp_reach(Family::Vpnv4, &next_hop, &nlri);
                attributes.extend(own);
                messages::update(&[], &attributes, &[])
            }
            Kind::EvpnMacIp | Kind::EvpnPrefix => {
                let mut attributes = mp_reach(Family::Evpn, &self.next_hop.octets(), &nlri);
                attributes.extend(own);
                messages::update(&[], &attributes, &[])
            }
        }
    }

    /// The messages that withdraw the numbers, packed as full as they get.
    pub fn withdraw(&self, numbers: Range<u32>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut nlri = Vec::new();
        for number in numbers {
            self.nlri(number, &mut nlri);
            if nlri.len() > MAX_MESSAGE - 128 {
                out.extend(self.withdraw_message(&std::mem::take(&mut nlri)));
            }
        }
        if !nlri.is_empty() {
            out.extend(self.withdraw_message(&nlri));
        }
        out
    }

    fn withdraw_message(&self, nlri: &[u8]) -> Vec<u8> {
        match self.kind {
            Kind::Ipv4 => messages::update(nlri, &[], &[]),
            _ => messages::update(&[], &mp_unreach(self.kind.family(), nlri), &[]),
        }
    }

    fn attributes(&self, block: u32, version: u32) -> Vec<u8> {
        let mut path = Vec::new();
        // None of these may be an AS of the lab: that would be a loop.
        let transit = [200_000 + block, 400 + block % 97, 7000 + version];
        let own = self.external.then_some(self.asn);
        let hops: Vec<u32> = own.into_iter().chain(transit).collect();
        path.extend([2, hops.len() as u8]);
        hops.iter()
            .for_each(|asn: &u32| path.extend(asn.to_be_bytes()));

        let mut attributes = attribute(WELL_KNOWN, 1, &[0]);
        attributes.extend(attribute(WELL_KNOWN, 2, &path));
        if self.kind == Kind::Ipv4 {
            attributes.extend(attribute(WELL_KNOWN, 3, &self.next_hop.octets()));
        }
        if !self.external {
            attributes.extend(attribute(WELL_KNOWN, 5, &100_u32.to_be_bytes()));
        }
        let communities = [
            (u32::from(TARGET_AS) << 16) | (block & 0xffff),
            (100 << 16) | 1,
        ];
        let communities: Vec<u8> = communities.iter().flat_map(|c| c.to_be_bytes()).collect();
        attributes.extend(attribute(TRANSITIVE, 8, &communities));
        if self.kind != Kind::Ipv4 {
            attributes.extend(attribute(TRANSITIVE, 16, &self.extended(block)));
        }
        attributes
    }

    /// Extended communities: the route target; for EVPN also VXLAN (RFC 9012 4.1) and, with a prefix, the router's MAC (RFC 9135 8.1).
    fn extended(&self, block: u32) -> Vec<u8> {
        let mut extended = route_target((TARGET_AS, self.target(block))).to_vec();
        if matches!(self.kind, Kind::EvpnMacIp | Kind::EvpnPrefix) {
            extended.extend([3, 12, 0, 0, 0, 0, 0, 8]);
        }
        if self.kind == Kind::EvpnPrefix {
            extended.extend([6, 3, 2, 0]);
            extended.extend(self.next_hop.octets());
        }
        extended
    }

    fn target(&self, block: u32) -> u32 {
        block % self.targets.max(1)
    }

    fn nlri(&self, number: u32, out: &mut Vec<u8>) {
        let slot = slot(number);
        let target = self.target(number / BLOCK);
        let [first, second] = TARGET_AS.to_be_bytes();
        let [a, b, c, d] = target.to_be_bytes();
        let distinguisher = [0, 0, first, second, a, b, c, d];
        let prefix = (FIRST_PREFIX + (slot << 8)).to_be_bytes();
        let [_, v, n, i] = (10_000 + target).to_be_bytes();
        match self.kind {
            Kind::Ipv4 => {
                out.push(24);
                out.extend(&prefix[..3]);
            }
            Kind::Vpnv4 => {
                let label = ((16 + target) << 4 | 1).to_be_bytes();
                out.push(24 + 64 + 24);
                out.extend(&label[1..]);
                out.extend(distinguisher);
                out.extend(&prefix[..3]);
            }
            Kind::EvpnMacIp => {
                out.extend([2, 37]);
                out.extend(distinguisher);
                out.extend([0; 14]);
                out.extend([48, 2, 0]);
                out.extend(slot.to_be_bytes());
                out.push(32);
                out.extend((0x0a00_0000 | slot).to_be_bytes());
                out.extend([v, n, i]);
            }
            Kind::EvpnPrefix => {
                out.extend([5, 34]);
                out.extend(distinguisher);
                out.extend([0; 14]);
                out.push(24);
                out.extend(prefix);
                out.extend([0; 4]);
                out.extend([v, n, i]);
            }
        }
    }
}

/// What an UPDATE says about numbered routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Announced(u32),
    Withdrawn(u32),
}

/// Calls `said` for each numbered route in the body of an UPDATE. Only lengths are followed; nothing is validated beyond what
/// keeps the walk inside the message. `false` if it left it.
pub fn scan(kind: Kind, body: &[u8], said: &mut impl FnMut(Said)) -> bool {
    scan_parts(kind, body, said).is_some()
}

fn scan_parts(kind: Kind, body: &[u8], said: &mut impl FnMut(Said)) -> Option<()> {
    let (withdrawn, rest) = counted(body)?;
    let (mut attributes, nlri) = counted(rest)?;
    if kind == Kind::Ipv4 {
        slots(kind, withdrawn, |slot| said(Said::Withdrawn(slot)))?;
        slots(kind, nlri, |slot| said(Said::Announced(slot)))?;
    }
    let (afi, safi) = kind.family().codes();
    while let [flags, code, rest @ ..] = attributes {
        let (value, next) = if flags & EXTENDED_LENGTH == 0 {
            let (length, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(*length))?
        } else {
            counted(rest)?
        };
        attributes = next;
        match code {
            14 => {
                let (head, rest) = value.split_at_checked(4)?;
                if head[..3] != [(afi >> 8) as u8, afi as u8, safi] {
                    continue;
                }
                let nlri = rest.get(usize::from(head[3]) + 1..)?;
                slots(kind, nlri, |slot| said(Said::Announced(slot)))?;
            }
            15 if value.get(..3)? == [(afi >> 8) as u8, afi as u8, safi] => {
                slots(kind, &value[3..], |slot| said(Said::Withdrawn(slot)))?;
            }
            _ => {}
        }
    }
    Some(())
}

const EXTENDED_LENGTH: u8 = 0x10;

/// What a two-octet length announces, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// The slots of the routes in a list of NLRI; a route that is none of ours is passed over.
fn slots(kind: Kind, mut nlri: &[u8], mut each: impl FnMut(u32)) -> Option<()> {
    let of_prefix = |bytes: &[u8]| {
        let prefix = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]);
        prefix
            .checked_sub(FIRST_PREFIX)
            .map_or(SLOTS, |offset| offset >> 8)
    };
    while let [first, rest @ ..] = nlri {
        let (slot, next) = match kind {
            Kind::Ipv4 | Kind::Vpnv4 => {
                let (route, next) = rest.split_at_checked(usize::from(*first).div_ceil(8))?;
                let start = if kind == Kind::Ipv4 { 0 } else { 11 };
                (route.get(start..start + 3).map_or(SLOTS, of_prefix), next)
            }
            Kind::EvpnMacIp | Kind::EvpnPrefix => {
                let (length, rest) = rest.split_first()?;
                let (route, next) = rest.split_at_checked(usize::from(*length))?;
                let slot = match (first, kind) {
                    (2, Kind::EvpnMacIp) => route.get(25..29).map_or(SLOTS, |mac| {
                        u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]])
                    }),
                    (5, Kind::EvpnPrefix) => route.get(23..26).map_or(SLOTS, of_prefix),
                    _ => SLOTS,
                };
                (slot, next)
            }
        };
        if slot < SLOTS {
            each(slot);
        }
        nlri = next;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_receiver_sees_what_an_injector_says() {
        for kind in [Kind::Ipv4, Kind::Vpnv4, Kind::EvpnMacIp, Kind::EvpnPrefix] {
            let source = Source {
                kind,
                asn: 65001,
                external: true,
                next_hop: Ipv4Addr::new(192, 0, 2, 1),
                targets: 7,
            };
            let numbers = 5..10_003;
            let expected: BTreeSet<u32> = numbers.clone().map(slot).collect();
            assert_eq!(expected.len(), numbers.len(), "slots are distinct");
            let (announced, withdrawn) = heard(kind, &source.announce(numbers.clone(), 0));
            assert_eq!(
                (announced, withdrawn.len()),
                (expected.clone(), 0),
                "{kind:?}"
            );
            let (announced, withdrawn) = heard(kind, &source.withdraw(numbers));
            assert_eq!((announced.len(), withdrawn), (0, expected), "{kind:?}");
        }
    }

    fn heard(kind: Kind, mut stream: &[u8]) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let (mut announced, mut withdrawn) = (BTreeSet::new(), BTreeSet::new());
        while !stream.is_empty() {
            let length = usize::from(u16::from_be_bytes([stream[16], stream[17]]));
            assert!(length <= MAX_MESSAGE);
            let inside = scan(kind, &stream[messages::HEADER..length], &mut |said| {
                let fresh = match said {
                    Said::Announced(slot) => announced.insert(slot),
                    Said::Withdrawn(slot) => withdrawn.insert(slot),
                };
                assert!(fresh, "said twice");
            });
            assert!(inside);
            stream = &stream[length..];
        }
        (announced, withdrawn)
    }
}
