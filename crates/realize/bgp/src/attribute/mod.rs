//! Path attributes, decoded. One value of [`Attributes`] is shared by every route that came with it, so it is kept small:
//! what most routes lack is behind one pointer ([`Rare`]).

mod as_path;
mod community;
pub(crate) mod decode;
pub(crate) mod encode;
mod extended;
mod next_hop;
mod pmsi;
mod rare;
pub mod rules;
mod text;

pub use as_path::{AsPath, Segment, SegmentKind, is_private};
pub use community::{Community, LargeCommunity};
pub use extended::{Encapsulation, ExtendedCommunity, ExtendedKind, Ipv6ExtendedCommunity};
pub use next_hop::NextHop;
pub use pmsi::{Pmsi, TunnelKind};
pub use rare::{Rare, RareAttributes};

use crate::nlri::{Mac, RouteTarget};
use crate::{Asn, RouterId};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// ORIGIN (RFC 4271 5.1.1); lower is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Origin {
    Igp = 0,
    Egp = 1,
    Incomplete = 2,
}

/// AGGREGATOR, merged with AS4_AGGREGATOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aggregator {
    pub asn: Asn,
    pub address: Ipv4Addr,
}

/// An attribute this speaker does not interpret; kept only if transitive (RFC 4271 5, the partial bit is set when passed on).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    pub flags: u8,
    pub code: u8,
    pub value: Box<[u8]>,
}

/// The attributes of a route. Lists are as sent, duplicates included. 136 octets and what its lists need.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attributes {
    pub origin: Origin,
    pub atomic_aggregate: bool,
    pub next_hop: Option<NextHop>,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub as_path: AsPath,
    pub communities: Box<[Community]>,
    pub extended: Box<[ExtendedCommunity]>,
    pub large: Box<[LargeCommunity]>,
    /// Aggregator, originator id, cluster list, PMSI, only-to-customer, IPv6 extended communities, unknown ones.
    pub rare: Rare,
}

impl Attributes {
    /// What a route that starts here has: nothing but an origin and perhaps a next hop.
    pub fn new(origin: Origin, next_hop: Option<NextHop>) -> Self {
        Self {
            origin,
            atomic_aggregate: false,
            next_hop,
            med: None,
            local_pref: None,
            as_path: AsPath::EMPTY,
            communities: Box::default(),
            extended: Box::default(),
            large: Box::default(),
            rare: Rare::default(),
        }
    }

    pub fn has_community(&self, community: Community) -> bool {
        self.communities.contains(&community)
    }

    /// The route targets, in the order of the attribute.
    pub fn route_targets(&self) -> impl Iterator<Item = RouteTarget> + '_ {
        self.extended
            .iter()
            .filter_map(|community| community.route_target())
    }

    pub fn has_extended(&self, community: ExtendedCommunity) -> bool {
        self.extended.contains(&community)
    }

    /// MAC mobility (RFC 7432 7.7): sequence number and whether the MAC is sticky.
    pub fn mac_mobility(&self) -> Option<(u32, bool)> {
        self.extended
            .iter()
            .find_map(|community| match community.kind() {
                ExtendedKind::MacMobility { sticky, sequence } => Some((sequence, sticky)),
                _ => None,
            })
    }

    /// The encapsulations the egress offers (RFC 9012 4.1), in the order of the attribute.
    pub fn encapsulations(&self) -> impl Iterator<Item = Encapsulation> + '_ {
        self.extended
            .iter()
            .filter_map(|community| match community.kind() {
                ExtendedKind::Encapsulation(encapsulation) => Some(encapsulation),
                _ => None,
            })
    }

    /// The MAC behind which an egress routes (RFC 9135 8.1).
    pub fn router_mac(&self) -> Option<Mac> {
        self.extended
            .iter()
            .find_map(|community| match community.kind() {
                ExtendedKind::RouterMac(mac) => Some(mac),
                _ => None,
            })
    }

    /// Octets per second of the path behind the next hop, for unequal multipath; the first, if there are several.
    pub fn link_bandwidth(&self) -> Option<f32> {
        self.extended
            .iter()
            .find_map(|community| match community.kind() {
                ExtendedKind::LinkBandwidth {
                    octets_per_second, ..
                } => Some(octets_per_second),
                _ => None,
            })
    }

    /// The color (RFC 9012 4.3); the first, if there are several.
    pub fn color(&self) -> Option<u32> {
        self.extended
            .iter()
            .find_map(|community| match community.kind() {
                ExtendedKind::Color { color, .. } => Some(color),
                _ => None,
            })
    }

    /// Whether there are extended communities that must not cross the border of an AS, but those that `stays` holds of.
    pub(crate) fn is_bound_to_as(&self, stays: impl Fn(ExtendedCommunity) -> bool) -> bool {
        let bound = |one: &ExtendedCommunity| !one.is_transitive() && !stays(*one);
        let ipv6 = &self.rare.ipv6_extended;
        self.extended.iter().any(bound) || ipv6.iter().any(|one| !one.is_transitive())
    }

    /// Drops them (RFC 4360 6).
    pub(crate) fn cross_border(&mut self, stays: impl Fn(ExtendedCommunity) -> bool) {
        if !self.is_bound_to_as(&stays) {
            return;
        }
        let free = |one: &ExtendedCommunity| one.is_transitive() || stays(*one);
        self.extended = self.extended.iter().copied().filter(free).collect();
        if !self.rare.ipv6_extended.is_empty() {
            let all = self.rare.ipv6_extended.iter().copied();
            self.rare.ipv6_extended = all.filter(|one| one.is_transitive()).collect();
        }
    }

    pub fn originator_id(&self) -> Option<RouterId> {
        self.rare.originator_id
    }

    pub fn cluster_list(&self) -> &[Ipv4Addr] {
        &self.rare.cluster_list
    }
}
