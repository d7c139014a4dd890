//! The kernel's links and the routes of others, as they are told: how a next hop is reached, and what there is to
//! redistribute. It does no I/O.

use super::fib::NextHop;
use super::wire::{Hop, Link, Object, ObjectContent, Route, RouteKey, RouteKind, Way};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
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

#[derive(Debug, Default)]
pub(crate) struct Underlay {
    links: HashMap<u32, Link>,
    /// By prefix, then by metric: the lowest wins.
    routes: HashMap<(u32, IpNet), BTreeMap<u32, Route>>,
    /// How many prefixes of a length there are, by table and family, so that only those are looked up.
    lengths: HashMap<(u32, bool), BTreeMap<u8, usize>>,
    objects: HashMap<u32, ObjectContent>,
}

impl Underlay {
    pub(crate) fn set_link(&mut self, link: Link) -> bool {
        let before = self.links.insert(link.index, link.clone());
        before != Some(link)
    }

    pub(crate) fn remove_link(&mut self, index: u32) {
        self.links.remove(&index);
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

    pub(crate) fn set_route(&mut self, route: Route) {
        let RouteKey {
            table,
            prefix,
            metric,
        } = route.key;
        let of_prefix = self.routes.entry((table, prefix)).or_default();
        if of_prefix.is_empty() {
            let lengths = self.lengths.entry((table, is_v6(prefix))).or_default();
            *lengths.entry(prefix.prefix_len()).or_default() += 1;
        }
        of_prefix.insert(metric, route);
    }

    pub(crate) fn remove_route(&mut self, key: RouteKey) {
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
            let lengths = self.lengths.entry((table, is_v6(prefix))).or_default();
            if let Some(count) = lengths.get_mut(&prefix.prefix_len()) {
                *count -= 1;
                if *count == 0 {
                    lengths.remove(&prefix.prefix_len());
                }
            }
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

    /// The way to a next hop: the longest prefix that has one.
    pub(crate) fn resolve(&self, next_hop: &NextHop) -> Resolution {
        let NextHop {
            table,
            address,
            interface,
        } = *next_hop;
        if let Some(interface) = interface {
            let hop = Hop {
                gateway: Some(address),
                interface,
                onlink: false,
            };
            let ways = match self.link_up(interface) {
                true => vec![(hop, 1)],
                false => Vec::new(),
            };
            return Resolution { ways, metric: 0 };
        }
        let lengths = self.lengths.get(&(table, address.is_ipv6()));
        for length in lengths.into_iter().flat_map(|lengths| lengths.keys().rev()) {
            let Ok(prefix) = IpNet::new(address, *length) else {
                continue;
            };
            let routes = self.routes.get(&(table, prefix.trunc()));
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
        Resolution {
            ways: Vec::new(),
            metric: 0,
        }
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

const fn is_v6(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
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
            vrf_table: None,
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
        let next_hop = NextHop {
            table: TABLE_MAIN,
            address: address.parse().expect("an address"),
            interface: None,
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
        underlay.remove_route(route("0.0.0.0/0", 0, None, 1).key);
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
}
