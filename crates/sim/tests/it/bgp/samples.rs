//! One route of every kind, written by hand, and what a router must show of it.

use super::world::{ASN, Family};
use sim::bgp::messages::{self, TRANSITIVE, WELL_KNOWN, attribute, mp_reach, mp_unreach};
use sim::bgp::{Kind, Source};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A route as octets of NLRI, with what its name must contain wherever it is shown.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) family: Family,
    pub(super) shown: &'static str,
    nlri: Vec<u8>,
    /// Where the label is in the NLRI, if there is one.
    label_at: Option<usize>,
}

/// `65000:1`
const RD: [u8; 8] = [0, 0, 0xfd, 0xe8, 0, 0, 0, 1];
/// Label 100, bottom of stack.
const LABEL: [u8; 3] = [0, 6, 0x41];
const VNI: [u8; 3] = [0, 0x27, 0x10];
const ESI: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The load's own address: IPv6 routes go there, whoever announces them.
pub(super) const NEXT_HOP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, 1);

/// The labels in withdraws that are seen in the wild: FRR's, BIRD's, the announced one (GoBGP's) and RFC 8277's.
pub(super) const WITHDRAW_LABELS: [[u8; 3]; 4] = [[0, 0, 0], [0, 0, 1], LABEL, [0x80, 0, 0]];

impl Sample {
    /// All that a family has.
    pub(super) fn of(family: Family) -> Vec<Self> {
        let labelled = |parts: &[&[u8]], shown| Self {
            family,
            shown,
            nlri: parts.concat(),
            label_at: Some(1),
        };
        let plain = |parts: &[&[u8]], shown| Self {
            family,
            shown,
            nlri: parts.concat(),
            label_at: None,
        };
        match family {
            Family::Ipv4Unicast => vec![plain(&[&[24, 10, 1, 2]], "10.1.2.0/24")],
            Family::Ipv6Unicast => {
                vec![plain(&[&[48, 0x20, 1, 0xd, 0xb8, 0, 1]], "2001:db8:1::/48")]
            }
            Family::Ipv4Labeled => {
                vec![labelled(&[&[24 + 24], &LABEL, &[10, 2, 3]], "10.2.3.0/24")]
            }
            Family::Ipv6Labeled => vec![labelled(
                &[&[24 + 48], &LABEL, &[0x20, 1, 0xd, 0xb8, 0, 2]],
                "2001:db8:2::/48",
            )],
            Family::Vpnv4 => vec![labelled(
                &[&[24 + 64 + 24], &LABEL, &RD, &[10, 3, 4]],
                "10.3.4.0/24",
            )],
            Family::Vpnv6 => vec![labelled(
                &[&[24 + 64 + 48], &LABEL, &RD, &[0x20, 1, 0xd, 0xb8, 0, 3]],
                "2001:db8:3::/48",
            )],
            Family::Evpn => Self::evpn(),
            Family::RouteTarget => Vec::new(),
        }
    }

    fn evpn() -> Vec<Self> {
        let route = |kind: u8, parts: &[&[u8]], shown| {
            let body = parts.concat();
            Self {
                family: Family::Evpn,
                shown,
                nlri: [&[kind, body.len() as u8][..], &body].concat(),
                label_at: None,
            }
        };
        let tag = [0; 4];
        vec![
            route(1, &[&RD, &ESI, &tag, &[0; 3]], "01:02:03:04:05:06:07:08:09"),
            route(
                2,
                &[
                    &RD,
                    &[0; 10],
                    &tag,
                    &[48, 2, 0, 0, 0, 0, 0x21],
                    &[32, 10, 9, 0, 1],
                    &VNI,
                ],
                "02:00:00:00:00:21",
            ),
            route(3, &[&RD, &tag, &[32, 198, 51, 100, 33]], "198.51.100.33"),
            route(4, &[&RD, &ESI, &[32, 198, 51, 100, 34]], "198.51.100.34"),
            route(
                5,
                &[&RD, &[0; 10], &tag, &[24, 10, 9, 8, 0], &[0; 4], &VNI],
                "10.9.8.0",
            ),
        ]
    }

    /// The UPDATE that announces it, to an internal neighbour, or to an external one of that AS.
    pub(super) fn announce(&self, next_hop: Ipv4Addr, external: Option<u32>) -> Vec<u8> {
        self.announce_with(next_hop, external, &[])
    }

    /// The same with further attributes.
    pub(super) fn announce_with(
        &self,
        next_hop: Ipv4Addr,
        external: Option<u32>,
        further: &[u8],
    ) -> Vec<u8> {
        let mut attributes = Vec::new();
        let v6 = NEXT_HOP6.octets();
        let v4 = next_hop.octets();
        let hop: Vec<u8> = match self.family {
            Family::Ipv4Unicast => Vec::new(),
            Family::Ipv6Unicast | Family::Ipv6Labeled => v6.to_vec(),
            Family::Vpnv4 => [&[0; 8][..], &v4].concat(),
            Family::Vpnv6 => [&[0; 8][..], &v6].concat(),
            _ => v4.to_vec(),
        };
        if self.family != Family::Ipv4Unicast {
            attributes.extend(mp_reach(self.family, &hop, &self.nlri));
        }
        attributes.extend(attribute(WELL_KNOWN, 1, &[0]));
        match external {
            Some(asn) => {
                let path = [&[2, 1][..], &asn.to_be_bytes()].concat();
                attributes.extend(attribute(WELL_KNOWN, 2, &path));
            }
            None => attributes.extend(attribute(WELL_KNOWN, 2, &[])),
        }
        if self.family == Family::Ipv4Unicast {
            attributes.extend(attribute(WELL_KNOWN, 3, &v4));
        }
        if external.is_none() {
            attributes.extend(attribute(WELL_KNOWN, 5, &100_u32.to_be_bytes()));
        }
        if matches!(self.family, Family::Vpnv4 | Family::Vpnv6 | Family::Evpn) {
            let mut extended = messages::route_target((65000, 1)).to_vec();
            if self.family == Family::Evpn {
                extended.extend([3, 12, 0, 0, 0, 0, 0, 8]);
            }
            if self.nlri[0] == 5 {
                extended.extend([6, 3, 2, 0, 0, 0, 0, 0x55]);
            }
            attributes.extend(attribute(TRANSITIVE, 16, &extended));
        }
        attributes.extend(further);
        match self.family {
            Family::Ipv4Unicast => messages::update(&[], &attributes, &self.nlri),
            _ => messages::update(&[], &attributes, &[]),
        }
    }

    /// Whether its NLRI, with its label or another one, is among the octets: a message may hold several routes.
    pub(super) fn is_in(&self, octets: &[u8], label: Option<[u8; 3]>) -> bool {
        let nlri = self.labelled(label);
        octets.windows(nlri.len()).any(|window| window == nlri)
    }

    fn labelled(&self, label: Option<[u8; 3]>) -> Vec<u8> {
        let mut nlri = self.nlri.clone();
        if let (Some(at), Some(label)) = (self.label_at, label) {
            nlri[at..at + 3].copy_from_slice(&label);
        }
        nlri
    }

    /// The UPDATE that withdraws it.
    pub(super) fn withdraw(&self) -> Vec<u8> {
        match self.family {
            Family::Ipv4Unicast => messages::update(&self.nlri, &[], &[]),
            _ => messages::update(&[], &mp_unreach(self.family, &self.nlri), &[]),
        }
    }

    /// The same with another label in the NLRI.
    pub(super) fn withdraw_labelled(&self, label: [u8; 3]) -> Vec<u8> {
        let other = self.labelled(Some(label));
        messages::update(&[], &mp_unreach(self.family, &other), &[])
    }
}

/// Communities of every kind: 65010:77, 4200000009:1:2, target 65000:99.
pub(super) fn communities() -> Vec<u8> {
    let large: Vec<u8> = [4_200_000_009_u32, 1, 2]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    [
        attribute(TRANSITIVE, 8, &(65010_u32 << 16 | 77).to_be_bytes()),
        attribute(TRANSITIVE, 16, &messages::route_target((65000, 99))),
        attribute(TRANSITIVE, 32, &large),
    ]
    .concat()
}

/// The sample of IPv4 unicast, as everybody writes it.
pub(super) const fn far_prefix() -> &'static str {
    "10.1.2.0/24"
}

/// Numbered IPv4 routes of an internal neighbour.
pub(super) const fn numbered(next_hop: Ipv4Addr) -> Source {
    Source {
        kind: Kind::Ipv4,
        asn: ASN,
        external: false,
        next_hop,
        targets: 0,
    }
}
