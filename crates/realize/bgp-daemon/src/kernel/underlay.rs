//! The kernel's links and the routes of others, as they are told: how a next hop is reached, and what there is to
//! redistribute. It does no I/O.

use super::lengths::Lengths;
use super::link::{Link, LinkKind};
use super::next_hop::{NextHop, Tunnel};
use super::wire::{Hop, Object, ObjectContent, Route, RouteKey, RouteKind, Way};
use bgp::nlri::Mac;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

/// `RTPROT_KERNEL`: the routes that come with an interface's addresses.
pub(crate) const PROTOCOL_KERNEL: u8 = 2;

/// How a next hop is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// Empty: it is not.
    pub(crate) ways: Vec<(Hop, u16)>,
    /// The metric of the route to it, for the best path's interior cost (RFC 4271 9.1.2.2 e).
    pub(crate) metric: u32,
}

impl Resolution {
    const NONE: Self = Self {
        ways: Vec::new(),
        metric: 0,
    };
}

/// The VXLAN device of an L3 VNI, and the interface that routes of its VRF go out of: the bridge it is a port of (the SVI),
/// or itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vxlan {
    pub(crate) index: u32,
    pub(crate) svi: u32,
    /// Packets can go through it.
    up: bool,
    /// Of the SVI: what far ends are to send routed packets to.
    pub(crate) router_mac: Mac,
    /// Where its packets come from.
    pub(crate) local: Option<IpAddr>,
}

impl Vxlan {
    #[cfg(test)]
    pub(super) const fn of(index: u32, svi: u32, router_mac: Mac) -> Self {
        Self {
            index,
            svi,
            up: true,
            router_mac,
            local: None,
        }
    }

    /// Whether it is a port of a bridge.
    pub(crate) const fn is_port(&self) -> bool {
        self.svi != self.index
    }
}

#[derive(Debug, Default)]
pub(crate) struct Underlay {
    links: HashMap<u32, Link>,
    /// VXLAN devices, by VNI.
    vxlans: HashMap<u32, u32>,
    /// By prefix, then by metric: the lowest wins.
    routes: HashMap<(u32, IpNet), BTreeMap<u32, Route>>,
    lengths: Lengths,
    /// The host's addresses.
    own: HashSet<IpAddr>,
    objects: HashMap<u32, ObjectContent>,
}

impl Underlay {
    pub(crate) fn set_link(&mut self, link: Link) -> bool {
        self.remove_vxlan(link.index);
        if let LinkKind::Vxlan { vni, .. } = link.kind {
            self.vxlans.insert(vni, link.index);
        }
        let before = self.links.insert(link.index, link.clone());
        before != Some(link)
    }

    pub(crate) fn remove_link(&mut self, index: u32) {
        self.remove_vxlan(index);
        self.links.remove(&index);
    }

    fn remove_vxlan(&mut self, index: u32) {
        if let Some(LinkKind::Vxlan { vni, .. }) = self.links.get(&index).map(|link| link.kind)
            && self.vxlans.get(&vni) == Some(&index)
        {
            self.vxlans.remove(&vni);
        }
    }

    /// The VXLAN device of a VNI, if packets can go through it.
    pub(crate) fn vxlan(&self, vni: u32) -> Option<Vxlan> {
        self.device(vni).filter(|device| device.up)
    }

    fn device(&self, vni: u32) -> Option<Vxlan> {
        let device = self.links.get(self.vxlans.get(&vni)?)?;
        let LinkKind::Vxlan { local, .. } = device.kind else {
            return None;
        };
        let master = device.master.and_then(|master| self.links.get(&master));
        let svi = master
            .filter(|master| master.kind == LinkKind::Bridge)
            .unwrap_or(device);
        Some(Vxlan {
            index: device.index,
            svi: svi.index,
            up: device.up && svi.up,
            router_mac: svi.mac?,
            local,
        })
    }

    /// Those of all VNIs, up or down.
    pub(crate) fn vxlans(&self) -> impl Iterator<Item = Vxlan> {
        self.vxlans.keys().filter_map(|vni| self.device(*vni))
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(crate) fn link_up(&self, index: u32) -> bool {
        self.links.get(&index).is_some_and(|link| link.up)
    }

    pub(crate) fn set_object(&mut self, object: Object) {
        self.objects.insert(object.id, object.content);
    }

    /// Whether it is an address of this host.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains(&address)
    }

    pub(crate) fn set_route(&mut self, route: Route) {
        if route.kind == RouteKind::Local {
            self.own.insert(route.key.prefix.addr());
            return;
        }
        let RouteKey {
            table,
            prefix,
            metric,
        } = route.key;
        let of_prefix = self.routes.entry((table, prefix)).or_default();
        if of_prefix.is_empty() {
            self.lengths.add(table, prefix);
        }
        of_prefix.insert(metric, route);
    }

    pub(crate) fn remove_route(&mut self, key: RouteKey, kind: RouteKind) {
        if kind == RouteKind::Local {
            self.own.remove(&key.prefix.addr());
            return;
        }
        let RouteKey {
            table,
            prefix,
            metric,
        } = key;
        let Some(of_prefix) = self.routes.get_mut(&(table, prefix)) else {
            return;
        };
        of_prefix.remove(&metric);
        if of_prefix.is_empty() {
            self.routes.remove(&(table, prefix));
            self.lengths.remove(table, prefix);
        }
    }

    /// Forgets everything, before it is read anew.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every route that can be redistributed: unicast, the best of its prefix, out of a link that is up.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        let best = self
            .routes
            .values()
            .filter_map(|routes| self.usable(routes));
        best.map(|(route, _)| route)
    }

    /// The best usable route of one prefix.
    pub(crate) fn route(&self, table: u32, prefix: IpNet) -> Option<&Route> {
        let routes = self.routes.get(&(table, prefix))?;
        self.usable(routes).map(|(route, _)| route)
    }

    /// The way to a next hop.
    pub(crate) fn resolve(&self, next_hop: &NextHop) -> Resolution {
        match *next_hop {
            NextHop::Routed { table, address } => self.lookup(table, address),
            NextHop::OnLink { address, interface } if self.link_up(interface) => {
                through(interface, address, false)
            }
            NextHop::OnLink { .. } => Resolution::NONE,
            NextHop::Tunnel(tunnel) => self.tunneled(&tunnel),
        }
    }

    /// The far end is on the link as far as the VRF can see, though no address says so.
    fn tunneled(&self, tunnel: &Tunnel) -> Resolution {
        let device = self.vxlan(tunnel.vni);
        device.map_or(Resolution::NONE, |device| {
            through(device.svi, tunnel.gateway(), true)
        })
    }

    /// The longest prefix that has a way.
    fn lookup(&self, table: u32, address: IpAddr) -> Resolution {
        for prefix in self.lengths.covering(table, address) {
            let routes = self.routes.get(&(table, prefix));
            if let Some((route, hops)) = routes.and_then(|routes| self.usable(routes)) {
                return Resolution {
                    ways: hops
                        .into_iter()
                        .map(|(hop, weight)| (towards(hop, address), weight))
                        .collect(),
                    metric: route.key.metric,
                };
            }
        }
        Resolution::NONE
    }

    /// The route of the lowest metric, if it forwards out of a link that is up. One that drops hides the others.
    fn usable<'a>(&self, routes: &'a BTreeMap<u32, Route>) -> Option<(&'a Route, Vec<(Hop, u16)>)> {
        for route in routes.values() {
            if route.kind != RouteKind::Unicast {
                return None;
            }
            let hops: Vec<_> = self
                .hops(&route.way)
                .into_iter()
                .filter(|(hop, _)| self.link_up(hop.interface))
                .collect();
            if !hops.is_empty() {
                return Some((route, hops));
            }
        }
        None
    }

    fn hops(&self, way: &Way) -> Vec<(Hop, u16)> {
        match way {
            Way::Hops(hops) => hops.clone(),
            Way::Object(id) => match self.objects.get(id) {
                Some(ObjectContent::Hop(hop)) => vec![(*hop, 1)],
                Some(ObjectContent::Group(members)) => members
                    .iter()
                    .filter_map(|(id, weight)| match self.objects.get(id) {
                        Some(ObjectContent::Hop(hop)) => Some((*hop, *weight)),
                        _ => None,
                    })
                    .collect(),
                None => Vec::new(),
            },
        }
    }
}

fn through(interface: u32, gateway: IpAddr, onlink: bool) -> Resolution {
    let hop = Hop {
        gateway: Some(gateway),
        interface,
        onlink,
    };
    Resolution {
        ways: vec![(hop, 1)],
        metric: 0,
    }
}

/// A hop of the covering route; on the link itself, the next hop is the gateway.
fn towards(hop: Hop, address: IpAddr) -> Hop {
    Hop {
        gateway: hop.gateway.or(Some(address)),
        ..hop
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::TABLE_MAIN;
    use super::*;

    fn link(index: u32, up: bool) -> Link {
        Link {
            index,
            name: format!("eth{index}"),
            up,
            mac: Some(Mac([2, 0, 0, 0, 0, index as u8])),
            master: None,
            kind: LinkKind::Other,
        }
    }

    fn route(prefix: &str, metric: u32, gateway: Option<&str>, interface: u32) -> Route {
        let hop = Hop {
            gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
            interface,
            onlink: false,
        };
        Route {
            key: RouteKey {
                table: TABLE_MAIN,
                prefix: prefix.parse().expect("a prefix"),
                metric,
            },
            protocol: 3,
            kind: RouteKind::Unicast,
            way: Way::Hops(vec![(hop, 1)]),
        }
    }

    fn gateways(underlay: &Underlay, address: &str) -> Vec<(String, u32)> {
        let next_hop = NextHop::Routed {
            table: TABLE_MAIN,
            address: address.parse().expect("an address"),
        };
        let resolution = underlay.resolve(&next_hop);
        let ways = resolution.ways.iter().map(|(hop, _)| {
            let gateway = hop.gateway.map(|gateway| gateway.to_string());
            (gateway.unwrap_or_default(), hop.interface)
        });
        ways.collect()
    }

    #[test]
    fn the_longest_prefix_with_a_live_link_is_the_way() {
        let mut underlay = Underlay::default();
        underlay.set_link(link(1, true));
        underlay.set_link(link(2, true));
        underlay.set_route(route("0.0.0.0/0", 0, Some("192.0.2.1"), 1));
        underlay.set_route(route("198.51.100.0/24", 0, None, 2));
        let expected = |gateway: &str, interface| vec![(gateway.to_owned(), interface)];
        assert_eq!(
            gateways(&underlay, "198.51.100.7"),
            expected("198.51.100.7", 2)
        );
        assert_eq!(gateways(&underlay, "203.0.113.1"), expected("192.0.2.1", 1));
        underlay.set_link(link(2, false));
        assert_eq!(
            gateways(&underlay, "198.51.100.7"),
            expected("192.0.2.1", 1)
        );
        underlay.remove_route(route("0.0.0.0/0", 0, None, 1).key, RouteKind::Unicast);
        assert_eq!(gateways(&underlay, "198.51.100.7"), []);
        assert_eq!(underlay.routes().count(), 0);
    }

    #[test]
    fn a_route_that_drops_hides_those_behind_it() {
        let mut underlay = Underlay::default();
        underlay.set_link(link(1, true));
        underlay.set_route(route("192.0.2.0/24", 10, None, 1));
        let mut drop = route("192.0.2.0/24", 5, None, 1);
        drop.kind = RouteKind::Blackhole;
        underlay.set_route(drop);
        assert_eq!(gateways(&underlay, "192.0.2.9"), []);
    }

    #[test]
    fn the_hosts_addresses_are_known_and_are_no_routes() {
        let mut underlay = Underlay::default();
        underlay.set_link(link(1, true));
        let address = IpAddr::from([192, 0, 2, 1]);
        let own = Route {
            kind: RouteKind::Local,
            ..route("192.0.2.1/32", 0, None, 1)
        };
        underlay.set_route(own.clone());
        assert!(underlay.is_own(address));
        assert_eq!(underlay.routes().count(), 0);
        underlay.remove_route(own.key, own.kind);
        assert!(!underlay.is_own(address));
    }

    #[test]
    fn a_tunnel_is_on_the_bridge_of_its_vni_while_both_are_up() {
        let mut underlay = Underlay::default();
        let kind = LinkKind::Vxlan {
            vni: 50,
            local: None,
        };
        let vxlan = |master| Link {
            kind,
            master,
            ..link(5, true)
        };
        let bridge = |up| Link {
            kind: LinkKind::Bridge,
            ..link(6, up)
        };
        let vtep = IpAddr::from([192, 0, 2, 7]);
        let ways = |underlay: &Underlay, v6| {
            let tunnel = Tunnel::new(v6, (50, 50), vtep, Mac([2; 6]));
            let ways = underlay.resolve(&NextHop::Tunnel(tunnel)).ways;
            ways.first().map(|(hop, _)| {
                (
                    hop.interface,
                    hop.gateway.map(|to| to.to_string()),
                    hop.onlink,
                )
            })
        };
        let by = |interface, name: &str| Some((interface, Some(name.to_owned()), true));
        assert_eq!(ways(&underlay, false), None);
        underlay.set_link(vxlan(None));
        assert_eq!(ways(&underlay, false), by(5, "192.0.2.7"));
        underlay.set_link(bridge(true));
        underlay.set_link(vxlan(Some(6)));
        assert_eq!(ways(&underlay, false), by(6, "192.0.2.7"));
        assert_eq!(ways(&underlay, true), by(6, "::ffff:192.0.2.7"));
        assert_eq!(
            underlay.vxlan(50).map(|device| device.router_mac),
            Some(Mac([2, 0, 0, 0, 0, 6]))
        );
        underlay.set_link(bridge(false));
        assert_eq!(ways(&underlay, false), None);
        underlay.remove_link(5);
        underlay.set_link(bridge(true));
        assert_eq!(ways(&underlay, false), None);
    }
}
