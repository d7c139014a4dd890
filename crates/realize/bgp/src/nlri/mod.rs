//! What a route is about. [`Nlri`] is the key of a route in its table: two routes with equal keys (and path ids) replace
//! each other. What a route carries beside its key and its attributes (labels, ESI, gateway) is its [`Payload`].

pub(crate) mod decode;
pub(crate) mod encode;
mod evpn;
mod evpn_wire;
mod label;
mod route_distinguisher;
mod route_target;
mod text;

pub use decode::{NlriError, RouteIter};
pub use evpn::{Esi, EvpnNlri, Mac};
pub use label::Label;
pub use route_distinguisher::RouteDistinguisher;
pub use route_target::{RouteTarget, RtMembership};

use crate::Family;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// A path identifier (RFC 7911); 0 where add-path is not in use.
pub type PathId = u32;

/// The key of a route. Prefixes have no host bits (the decoder masks them, RFC 4271 5.3 leaves them open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nlri {
    Ipv4(Ipv4Net),
    Ipv6(Ipv6Net),
    LabeledIpv4(Ipv4Net),
    LabeledIpv6(Ipv6Net),
    Vpnv4(RouteDistinguisher, Ipv4Net),
    Vpnv6(RouteDistinguisher, Ipv6Net),
    Evpn(EvpnNlri),
    RouteTarget(RtMembership),
}

impl Nlri {
    pub const fn family(&self) -> Family {
        match self {
            Self::Ipv4(_) => Family::Ipv4Unicast,
            Self::Ipv6(_) => Family::Ipv6Unicast,
            Self::LabeledIpv4(_) => Family::Ipv4Labeled,
            Self::LabeledIpv6(_) => Family::Ipv6Labeled,
            Self::Vpnv4(..) => Family::Vpnv4,
            Self::Vpnv6(..) => Family::Vpnv6,
            Self::Evpn(_) => Family::Evpn,
            Self::RouteTarget(_) => Family::RouteTarget,
        }
    }

    /// The route distinguisher of VPN and EVPN routes.
    pub const fn route_distinguisher(&self) -> Option<RouteDistinguisher> {
        match self {
            Self::Vpnv4(rd, _) | Self::Vpnv6(rd, _) => Some(*rd),
            Self::Evpn(route) => Some(route.rd()),
            _ => None,
        }
    }

    /// The IP prefix it is about, if it is about one (EVPN: type 5 only).
    pub fn prefix(&self) -> Option<IpNet> {
        match *self {
            Self::Ipv4(net) | Self::LabeledIpv4(net) | Self::Vpnv4(_, net) => Some(net.into()),
            Self::Ipv6(net) | Self::LabeledIpv6(net) | Self::Vpnv6(_, net) => Some(net.into()),
            Self::Evpn(EvpnNlri::IpPrefix { prefix, .. }) => Some(prefix),
            Self::Evpn(_) | Self::RouteTarget(_) => None,
        }
    }
}

/// What a route carries beside key and attributes; not part of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Payload {
    #[default]
    None,
    /// Labeled unicast and VPN. Withdraws carry any value (peers send 0x000000, 0x000001, 0x800000 or the announced label): ignored.
    Label(Label),
    Evpn(EvpnPayload),
}

/// The non-key fields of an EVPN route; those a type lacks are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EvpnPayload {
    pub esi: Esi,
    /// Types 1, 2 and 5: the (L2) label or VNI.
    pub label: Label,
    /// Type 2 with IP: the L3 label or VNI.
    pub label2: Option<Label>,
    /// Type 5: gateway address; unspecified if none.
    pub gateway: Option<IpAddr>,
    /// Type 6 (RFC 9251): flags.
    pub flags: u8,
}

/// A reachable route as decoded or to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    pub nlri: Nlri,
    pub path_id: PathId,
    pub payload: Payload,
}

impl Route {
    /// A route without path id and payload: what a withdraw needs.
    pub const fn bare(nlri: Nlri) -> Self {
        Self {
            nlri,
            path_id: 0,
            payload: Payload::None,
        }
    }

    /// Why an announcement of this route must be treated as its withdraw, if it must: a prefix of type 5 with an ESI and a
    /// gateway says two different things about where it is (RFC 9136 3.2).
    pub fn treat_as_withdraw(&self) -> Option<&'static str> {
        match (&self.nlri, &self.payload) {
            (Nlri::Evpn(EvpnNlri::IpPrefix { .. }), Payload::Evpn(payload))
                if payload.gateway.is_some() && payload.esi != Esi::default() =>
            {
                Some("an IP prefix route with both an ESI and a gateway")
            }
            _ => None,
        }
    }

    /// Appends the route as NLRI. `withdraw`: labels of IP prefixes are 0x800000 (RFC 8277 2.4).
    pub fn encode(&self, add_path: bool, withdraw: bool, out: &mut Vec<u8>) {
        encode::encode(self, add_path, withdraw, out);
    }
}
