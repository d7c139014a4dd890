//! From a table's best paths to what the kernel should do for their prefix. A pure function: what it does not want is as
//! much its point as what it wants, because a route in the kernel without its encapsulation is a leak.

use crate::kernel::{NextHop, Tunnel, Want};
use bgp::PeerId;
use bgp::attribute::{Attributes, Community, Encapsulation};
use bgp::nlri::{Esi, EvpnPayload, Mac, Payload};
use bgp::rib::{BestPath, Origin, TableChange};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;

/// How one of the speaker's tables goes into the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Install {
    /// The kernel's number of the table.
    pub(super) table: u32,
    /// The BLACKHOLE community (RFC 7999) is obeyed.
    pub(super) blackhole: bool,
    /// The L3 VNI whose VXLAN device leads to other routers of the VRF.
    pub(super) vni: Option<u32>,
}

/// What the kernel should do for a prefix; `None`: nothing of ours. Routes that start here are the kernel's already. Those
/// with a label need an encapsulation that is not the routing table's.
pub(super) fn want(
    links: &HashMap<PeerId, u32>,
    install: &Install,
    prefix: IpNet,
    change: &TableChange,
) -> Option<Want> {
    let mut next_hops = Vec::new();
    for path in &change.paths {
        let Origin::Peer(peer) = path.origin else {
            return None;
        };
        if install.blackhole && path.attributes.has_community(Community::BLACKHOLE) {
            return Some(Want::Blackhole);
        }
        let next_hop = match &path.payload {
            Payload::None => next_hop(links.get(&peer).copied(), install.table, path),
            Payload::Evpn(payload) => tunnel(install, prefix, payload, &path.attributes),
            Payload::Label(_) => None,
        };
        // One that cannot be written leaves the traffic to those that are as good.
        next_hops.extend(next_hop.map(|next_hop| (next_hop, 1)));
    }
    next_hops.sort_unstable();
    next_hops.dedup();
    (!next_hops.is_empty()).then_some(Want::Forward(next_hops))
}

/// The link-local next hop where the session is on a link and has one (RFC 2545 section 3, RFC 8950), else the global one.
fn next_hop(link: Option<u32>, table: u32, path: &BestPath) -> Option<NextHop> {
    let hop = path.attributes.next_hop?;
    let is_link_local = |address: &IpAddr| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let global = hop.address();
    let link_local = hop.link_local().map(IpAddr::V6);
    match (link_local.or(Some(global).filter(is_link_local)), link) {
        (Some(address), Some(interface)) => Some(NextHop::OnLink { address, interface }),
        _ if is_link_local(&global) => None,
        _ => Some(NextHop::Routed {
            table,
            address: global,
        }),
    }
}

/// The far end of a prefix route of the interface-less model (RFC 9136 4.4.1), which names its router's MAC. One with a
/// gateway or an Ethernet segment is resolved by another route, and is not a VTEP's own.
fn tunnel(
    install: &Install,
    prefix: IpNet,
    payload: &EvpnPayload,
    attributes: &Attributes,
) -> Option<NextHop> {
    let vni = install.vni?;
    if payload.gateway.is_some() || payload.esi != Esi::default() || !is_vxlan(attributes) {
        return None;
    }
    let remote_vni = payload.label.vni();
    let vtep = attributes.next_hop?.address();
    let router_mac = attributes.router_mac()?;
    // Frames to a group, or to nobody, are not for one router.
    let is_usable = router_mac.0[0] & 1 == 0 && router_mac != Mac::default() && remote_vni != 0;
    is_usable.then(|| {
        let is_v6 = matches!(prefix, IpNet::V6(_));
        NextHop::Tunnel(Tunnel::new(is_v6, (vni, remote_vni), vtep, router_mac))
    })
}

/// Whether VXLAN is among the encapsulations it says its router takes; one that says nothing takes what is configured
/// (RFC 8365 5.1.3).
fn is_vxlan(attributes: &Attributes) -> bool {
    let mut said = attributes.encapsulations().peekable();
    said.peek().is_none() || said.any(|encapsulation| encapsulation == Encapsulation::Vxlan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bgp::attribute::{ExtendedCommunity, NextHop as Hop, Origin as Code};
    use bgp::nlri::{Label, Nlri};
    use bgp::rib::{TableId, VrfId};
    use bgp::{Family, PeerId};
    use std::sync::Arc;

    const INSTALL: Install = Install {
        table: 1_001,
        blackhole: false,
        vni: Some(50),
    };
    const MAC: Mac = Mac([2, 0, 0, 0, 5, 2]);

    fn path(payload: Payload, extended: &[ExtendedCommunity]) -> BestPath {
        let next_hop = Hop::Ipv4([192, 0, 2, 2].into());
        let attributes = Attributes {
            extended: extended.to_vec().into(),
            ..Attributes::new(Code::Igp, Some(next_hop))
        };
        BestPath {
            origin: Origin::Peer(PeerId(1)),
            path_id: 0,
            payload,
            attributes: Arc::new(attributes),
        }
    }

    fn wanted(install: &Install, prefix: &str, paths: Vec<BestPath>) -> Option<Want> {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        let nlri = match prefix {
            IpNet::V4(net) => Nlri::Ipv4(net),
            IpNet::V6(net) => Nlri::Ipv6(net),
        };
        let change = TableChange {
            table: TableId::Vrf(VrfId(0), Family::Ipv4Unicast),
            nlri,
            paths,
        };
        want(&HashMap::new(), install, prefix, &change)
    }

    fn prefix_route(vni: u32) -> EvpnPayload {
        EvpnPayload {
            label: Label::from_vni(vni),
            ..EvpnPayload::default()
        }
    }

    #[test]
    fn a_path_that_cannot_be_written_leaves_the_route_to_its_equals() {
        let gateway = EvpnPayload {
            gateway: Some([10, 9, 9, 9].into()),
            ..prefix_route(50)
        };
        let router = ExtendedCommunity::router_mac(MAC);
        let good = path(Payload::Evpn(prefix_route(51)), &[router]);
        let bad = path(Payload::Evpn(gateway), &[router]);
        let alone = wanted(&INSTALL, "10.2.0.0/24", vec![good.clone()]);
        assert!(alone.is_some());
        for paths in [vec![good.clone(), bad.clone()], vec![bad.clone(), good]] {
            assert_eq!(wanted(&INSTALL, "10.2.0.0/24", paths), alone);
        }
        assert_eq!(wanted(&INSTALL, "10.2.0.0/24", vec![bad]), None);
    }

    #[test]
    fn a_prefix_route_leads_into_the_tunnel_its_router_asks_for() {
        let router = ExtendedCommunity::router_mac(MAC);
        let vxlan = ExtendedCommunity::encapsulation(Encapsulation::Vxlan);
        for (prefix, is_v6) in [("10.2.0.0/24", false), ("2001:db8:2::/64", true)] {
            let one = path(Payload::Evpn(prefix_route(51)), &[router, vxlan]);
            let tunnel = Tunnel::new(is_v6, (50, 51), [192, 0, 2, 2].into(), MAC);
            let expected = Want::Forward(vec![(NextHop::Tunnel(tunnel), 1)]);
            assert_eq!(wanted(&INSTALL, prefix, vec![one]), Some(expected));
        }
    }

    /// Each would send packets of the VRF where nobody takes them for the VRF's.
    #[test]
    fn what_is_no_tunnel_of_vxlan_is_not_written() {
        let router = ExtendedCommunity::router_mac(MAC);
        let gateway = EvpnPayload {
            gateway: Some([10, 9, 9, 9].into()),
            ..prefix_route(50)
        };
        let segment = EvpnPayload {
            esi: Esi([1; 10]),
            ..prefix_route(50)
        };
        let mpls = ExtendedCommunity::encapsulation(Encapsulation::Mpls);
        let group = ExtendedCommunity::router_mac(Mac([1, 0, 0x5e, 0, 0, 1]));
        let cases: [(Payload, &[ExtendedCommunity]); 7] = [
            (Payload::Evpn(prefix_route(50)), &[]),
            (Payload::Evpn(prefix_route(50)), &[group]),
            (Payload::Evpn(prefix_route(50)), &[router, mpls]),
            (Payload::Evpn(prefix_route(0)), &[router]),
            (Payload::Evpn(gateway), &[router]),
            (Payload::Evpn(segment), &[router]),
            (Payload::Label(Label::from_mpls(16)), &[router]),
        ];
        for (payload, extended) in cases {
            let refused = wanted(&INSTALL, "10.2.0.0/24", vec![path(payload, extended)]);
            assert_eq!(refused, None, "{payload:?} {extended:?}");
        }
        let no_vni = Install {
            vni: None,
            ..INSTALL
        };
        let one = path(Payload::Evpn(prefix_route(50)), &[router]);
        assert_eq!(wanted(&no_vni, "10.2.0.0/24", vec![one]), None);
    }
}
