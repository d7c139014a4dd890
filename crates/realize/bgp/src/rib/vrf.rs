//! VRFs and L2 domains: which VPN and EVPN routes enter them, and what is originated from them.
//!
//! A route enters a VRF by route target: VPN routes and EVPN type 5 into L3 VRFs, the other EVPN types into L2 domains, and
//! type 2 with an address and the label of an L3 VRF into both (symmetric IRB, RFC 9135 5.2). An L2
//! domain takes a route only if it comes from the same network, so that a target shared by policy never joins two domains.
//! The network is named by the origin-network extended community ([`origin_network`]), which we put on what we originate; a
//! route without it (from a foreign leaf) counts as of the one network whose domains import its targets, and is taken by
//! none if they are several.
//!
//! Leaked paths keep their source, so the decision process sees them as what they are; their path ids tell those of one
//! source apart that came under several RDs or MACs.

use super::Rib;
use super::config::{MacVrfConfig, TableId, VrfConfig, VrfId};
use super::ingest::Tally;
use super::intern::SetId;
use super::key::{EvpnSpace, Space, Vrf4, Vrf6};
use super::path::{Freshness, OrderNumber, Path, SourceId};
use super::shard::{Judge, Shard};
use crate::Family;
use crate::attribute::{Attributes, Encapsulation, ExtendedCommunity};
use crate::nlri::{EvpnNlri, EvpnPayload, Nlri, Payload, Route, RouteDistinguisher, RouteTarget};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// An L3 VRF and its tables.
#[derive(Debug)]
pub(super) struct Vrf {
    pub(super) config: VrfConfig,
    pub(super) ipv4: Shard<Vrf4>,
    pub(super) ipv6: Shard<Vrf6>,
}

/// An L2 domain and its table, keyed without RD so that a MAC's paths from several places compete.
#[derive(Debug)]
pub(super) struct MacVrf {
    pub(super) config: MacVrfConfig,
    pub(super) routes: Shard<EvpnSpace>,
}

/// Where a route was leaked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    L3(VrfId),
    L2(VrfId),
}

/// An entry of a VPN or EVPN table.
pub(super) type Place = (Family, u16, u32);

/// Where a route was leaked to, with the source it had there.
#[derive(Debug, Default)]
struct Leaked {
    /// Of its paths: no other entry's, and not that of our own routes, 0.
    path_id: u32,
    to: Vec<(Target, SourceId)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Vrfs {
    pub(super) l3: BTreeMap<VrfId, Vrf>,
    pub(super) l2: BTreeMap<VrfId, MacVrf>,
    importers: HashMap<RouteTarget, Vec<Target>, foldhash::fast::RandomState>,
    leaked: HashMap<Place, Leaked, foldhash::fast::FixedState>,
    /// Path ids that are free, of those given out so far.
    free: Vec<u32>,
    given: u32,
}

/// The community that names the network an L2 route comes from: type 0x80 (experimental), subtype 0x71, the last four octets
/// the network. It is what Contrail calls the origin VN.
pub fn origin_network(network: u32) -> ExtendedCommunity {
    let [a, b, c, d] = network.to_be_bytes();
    ExtendedCommunity([0x80, 0x71, 0, 0, a, b, c, d])
}

fn network_of(attributes: &Attributes) -> Option<u32> {
    attributes.extended.iter().find_map(|community| {
        let [0x80, 0x71, _, _, a, b, c, d] = community.0 else {
            return None;
        };
        Some(u32::from_be_bytes([a, b, c, d]))
    })
}

/// A path on its way into a VRF.
pub(super) struct Leak {
    pub(super) nlri: Nlri,
    pub(super) payload: Payload,
    pub(super) set: SetId,
    pub(super) source: SourceId,
    pub(super) freshness: Freshness,
}

impl Leak {
    /// As a route of an L3 VRF, if it is one.
    fn routed(&self) -> Option<(Nlri, Payload)> {
        let prefix = routed_prefix(&self.nlri)?;
        let payload = match (&self.nlri, &self.payload) {
            (Nlri::Evpn(EvpnNlri::MacIp { .. }), Payload::Evpn(payload)) => {
                // The label of the L3 VRF; the segment is of the L2 domain.
                Payload::Evpn(EvpnPayload {
                    label: payload.label2?,
                    ..EvpnPayload::default()
                })
            }
            (_, payload) => *payload,
        };
        Some((prefix, payload))
    }
}

/// The prefix of a route as an L3 VRF has it; of an address behind a MAC, the host route.
fn routed_prefix(nlri: &Nlri) -> Option<Nlri> {
    let prefix = match *nlri {
        Nlri::Evpn(EvpnNlri::MacIp { ip, .. }) => ip?.into(),
        _ => nlri.prefix()?,
    };
    Some(match prefix {
        ipnet::IpNet::V4(net) => Nlri::Ipv4(net),
        ipnet::IpNet::V6(net) => Nlri::Ipv6(net),
    })
}

impl Vrfs {
    pub(super) fn is_empty(&self) -> bool {
        self.l3.is_empty() && self.l2.is_empty()
    }

    pub(super) fn index_importers(&mut self) {
        self.importers.clear();
        for (id, vrf) in &self.l3 {
            for target in &vrf.config.import {
                self.importers
                    .entry(*target)
                    .or_default()
                    .push(Target::L3(*id));
            }
        }
        for (id, vrf) in &self.l2 {
            for target in &vrf.config.import {
                self.importers
                    .entry(*target)
                    .or_default()
                    .push(Target::L2(*id));
            }
        }
    }

    pub(super) fn choose_again(&mut self, judge: &Judge<'_>) {
        for vrf in self.l3.values_mut() {
            vrf.ipv4.choose_again(judge, 0..vrf.ipv4.entries.bound());
            vrf.ipv6.choose_again(judge, 0..vrf.ipv6.entries.bound());
        }
        for vrf in self.l2.values_mut() {
            vrf.routes
                .choose_again(judge, 0..vrf.routes.entries.bound());
        }
    }

    pub(super) fn reap(&mut self) {
        for vrf in self.l3.values_mut() {
            vrf.ipv4.reap();
            vrf.ipv6.reap();
        }
        for vrf in self.l2.values_mut() {
            vrf.routes.reap();
        }
    }

    /// Where a route belongs.
    fn targets(&self, leak: &Leak, attributes: &Attributes) -> Vec<Target> {
        let l2 = matches!(leak.nlri, Nlri::Evpn(route) if route.route_type() != 5);
        let l3 = leak.routed().is_some();
        let belongs = |target: &Target| match target {
            Target::L2(_) => l2,
            Target::L3(_) => l3,
        };
        let mut targets: Vec<Target> = attributes
            .route_targets()
            .filter_map(|target| self.importers.get(&target))
            .flatten()
            .filter(|target| belongs(target))
            .filter(|target| !(leak.source == SourceId::LOCAL && self.own(**target, &leak.nlri)))
            .copied()
            .collect();
        targets.sort_unstable();
        targets.dedup();
        if l2 {
            let network = |target: &Target| match target {
                Target::L2(id) => self.l2.get(id).map(|vrf| vrf.config.network),
                Target::L3(_) => None,
            };
            let is_l3 = |target: &Target| matches!(target, Target::L3(_));
            let of = network_of(attributes).or_else(|| {
                let mut networks: Vec<u32> = targets.iter().filter_map(network).collect();
                networks.sort_unstable();
                networks.dedup();
                (networks.len() == 1).then(|| networks[0])
            });
            targets.retain(|target| is_l3(target) || (of.is_some() && network(target) == of));
        }
        targets
    }

    /// Originated from that very VRF.
    fn own(&self, target: Target, nlri: &Nlri) -> bool {
        let rd = match target {
            Target::L3(id) => self.l3.get(&id).map(|vrf| vrf.config.rd),
            Target::L2(id) => self.l2.get(&id).map(|vrf| vrf.config.rd),
        };
        rd.is_some() && rd == nlri.route_distinguisher()
    }

    /// Brings the VRFs in line with one entry: `leak` is its best path, none if it has none. Returns the references to
    /// attribute sets that the VRFs hold more or less now.
    pub(super) fn place(
        &mut self,
        judge: &Judge<'_>,
        place: Place,
        nlri: &Nlri,
        leak: Option<&Leak>,
        tally: &mut Tally,
    ) -> u32 {
        let had = self.leaked.remove(&place);
        let want = leak.map_or_else(Vec::new, |leak| {
            self.targets(leak, &judge.sets.get(leak.set).attributes)
        });
        if had.is_none() && want.is_empty() {
            return 0;
        }
        let Leaked { path_id, to } = had.unwrap_or_else(|| self.leaked_nowhere());
        for (target, source) in to {
            let stays = leak.is_some_and(|leak| leak.source == source) && want.contains(&target);
            if !stays {
                self.take(judge, target, nlri, source, path_id, tally);
            }
        }
        let Some(leak) = leak.filter(|_| !want.is_empty()) else {
            self.free.push(path_id);
            return 0;
        };
        let mut count = 0;
        for target in &want {
            count += u32::from(self.put(judge, *target, leak, path_id, tally));
        }
        let to = want.into_iter().map(|target| (target, leak.source));
        let to = to.collect();
        self.leaked.insert(place, Leaked { path_id, to });
        count
    }

    fn leaked_nowhere(&mut self) -> Leaked {
        let path_id = self.free.pop().unwrap_or_else(|| {
            self.given += 1;
            self.given
        });
        Leaked {
            path_id,
            to: Vec::new(),
        }
    }

    /// Stores a path in a VRF, which then holds two references to its attribute set; false if it cannot be stored there.
    pub(super) fn put(
        &mut self,
        judge: &Judge<'_>,
        target: Target,
        leak: &Leak,
        path_id: u32,
        tally: &mut Tally,
    ) -> bool {
        fn into<S: Space>(
            shard: &mut Shard<S>,
            judge: &Judge<'_>,
            (nlri, payload): (&Nlri, &Payload),
            leak: &Leak,
            path_id: u32,
            tally: &mut Tally,
        ) -> bool {
            let Some(key) = S::key(nlri) else {
                return false;
            };
            let path = Path {
                received: leak.set,
                used: leak.set,
                path_id,
                age: 0,
                source: leak.source,
                sent_as: 0,
                freshness: leak.freshness,
                rejection: None,
                multipath: false,
                done: OrderNumber::default(),
                extra: S::extra(payload),
            };
            if let Some(old) = shard.announce(judge, &key, path) {
                tally.gone(&old);
            }
            true
        }
        match target {
            Target::L3(id) => {
                let (Some(vrf), Some((nlri, payload))) = (self.l3.get_mut(&id), leak.routed())
                else {
                    return false;
                };
                let route = (&nlri, &payload);
                into(&mut vrf.ipv4, judge, route, leak, path_id, tally)
                    || into(&mut vrf.ipv6, judge, route, leak, path_id, tally)
            }
            Target::L2(id) => self.l2.get_mut(&id).is_some_and(|vrf| {
                let nlri = inside(&leak.nlri);
                let route = (&nlri, &leak.payload);
                into(&mut vrf.routes, judge, route, leak, path_id, tally)
            }),
        }
    }

    pub(super) fn take(
        &mut self,
        judge: &Judge<'_>,
        target: Target,
        nlri: &Nlri,
        source: SourceId,
        path_id: u32,
        tally: &mut Tally,
    ) {
        fn from<S: Space>(
            shard: &mut Shard<S>,
            judge: &Judge<'_>,
            nlri: &Nlri,
            source: SourceId,
            path_id: u32,
            tally: &mut Tally,
        ) {
            let Some(key) = S::key(nlri) else { return };
            if let Some(old) = shard.withdraw(judge, &key, source, path_id) {
                tally.gone(&old);
            }
        }
        match target {
            Target::L3(id) => {
                if let (Some(vrf), Some(nlri)) = (self.l3.get_mut(&id), routed_prefix(nlri)) {
                    from(&mut vrf.ipv4, judge, &nlri, source, path_id, tally);
                    from(&mut vrf.ipv6, judge, &nlri, source, path_id, tally);
                }
            }
            Target::L2(id) => {
                if let Some(vrf) = self.l2.get_mut(&id) {
                    let nlri = inside(nlri);
                    from(&mut vrf.routes, judge, &nlri, source, path_id, tally);
                }
            }
        }
    }

    /// Everything leaked to a VRF that goes away is forgotten with it; its paths' attribute sets are let go of.
    pub(super) fn forget(&mut self, target: Target, tally: &mut Tally) {
        fn all<S: Space>(shard: &Shard<S>, tally: &mut Tally) {
            for index in 0..shard.entries.bound() {
                shard.paths_of(index).for_each(|path| tally.gone(path));
            }
        }
        match target {
            Target::L3(id) => {
                if let Some(vrf) = self.l3.remove(&id) {
                    all(&vrf.ipv4, tally);
                    all(&vrf.ipv6, tally);
                }
            }
            Target::L2(id) => {
                if let Some(vrf) = self.l2.remove(&id) {
                    all(&vrf.routes, tally);
                }
            }
        }
        let free = &mut self.free;
        self.leaked.retain(|_, leaked| {
            leaked.to.retain(|(to, _)| *to != target);
            if leaked.to.is_empty() {
                free.push(leaked.path_id);
            }
            !leaked.to.is_empty()
        });
    }
}

/// A VPN or EVPN route as it is called inside a VRF.
pub(super) fn inside(nlri: &Nlri) -> Nlri {
    match *nlri {
        Nlri::Vpnv4(_, net) => Nlri::Ipv4(net),
        Nlri::Vpnv6(_, net) => Nlri::Ipv6(net),
        Nlri::Evpn(EvpnNlri::IpPrefix { prefix, .. }) => match prefix {
            ipnet::IpNet::V4(net) => Nlri::Ipv4(net),
            ipnet::IpNet::V6(net) => Nlri::Ipv6(net),
        },
        Nlri::Evpn(route) => Nlri::Evpn(route.with_rd(RouteDistinguisher::default())),
        other => other,
    }
}

/// The paths that stand for a route originated in a table: inside and towards peers.
pub(super) fn exports(
    vrfs: &Vrfs,
    table: TableId,
    route: &Route,
    attributes: &Attributes,
) -> Vec<(Route, Attributes)> {
    let with = |targets: &[RouteTarget], more: &[ExtendedCommunity], next_hop| {
        let mut attributes = attributes.clone();
        let mut extended = attributes.extended.to_vec();
        let targets = targets.iter().map(|target| ExtendedCommunity(target.0));
        for community in targets.chain(more.iter().copied()) {
            if !extended.contains(&community) {
                extended.push(community);
            }
        }
        attributes.extended = extended.into();
        attributes.next_hop = next_hop;
        attributes
    };
    let mut routes = Vec::new();
    match table {
        TableId::Global(_) => routes.push((*route, attributes.clone())),
        TableId::Vrf(id, _) => {
            let Some(config) = vrfs.l3.get(&id).map(|vrf| &vrf.config) else {
                return routes;
            };
            let prefix = route.nlri.prefix();
            if let (Some(label), Some(prefix)) = (config.label, prefix) {
                let nlri = match prefix {
                    ipnet::IpNet::V4(net) => Nlri::Vpnv4(config.rd, net),
                    ipnet::IpNet::V6(net) => Nlri::Vpnv6(config.rd, net),
                };
                let attributes = with(&config.export, &[], Some(hop(config.next_hop)));
                routes.push((plain(nlri, Payload::Label(label)), attributes));
            }
            if let (Some(vtep), Some(prefix)) = (config.evpn, prefix) {
                let nlri = Nlri::Evpn(EvpnNlri::IpPrefix {
                    rd: config.rd,
                    tag: 0,
                    prefix,
                });
                let payload = Payload::Evpn(EvpnPayload {
                    label: vtep.vni,
                    ..Default::default()
                });
                let mut tunnel = vec![ExtendedCommunity::encapsulation(Encapsulation::Vxlan)];
                tunnel.extend(vtep.router_mac.map(ExtendedCommunity::router_mac));
                let attributes = with(&config.export, &tunnel, Some(hop(vtep.address)));
                routes.push((plain(nlri, payload), attributes));
            }
        }
        TableId::MacVrf(id) => {
            let Some(config) = vrfs.l2.get(&id).map(|vrf| &vrf.config) else {
                return routes;
            };
            let Nlri::Evpn(evpn) = route.nlri else {
                return routes;
            };
            let evpn = evpn.with_rd(config.rd);
            let network = [origin_network(config.network)];
            let attributes = with(&config.export, &network, attributes.next_hop);
            routes.push((plain(Nlri::Evpn(evpn), route.payload), attributes));
        }
    }
    routes
}

fn plain(nlri: Nlri, payload: Payload) -> Route {
    Route {
        nlri,
        path_id: 0,
        payload,
    }
}

fn hop(address: std::net::IpAddr) -> crate::attribute::NextHop {
    match address {
        std::net::IpAddr::V4(address) => crate::attribute::NextHop::Ipv4(address),
        std::net::IpAddr::V6(global) => crate::attribute::NextHop::Ipv6 {
            global,
            link_local: None,
        },
    }
}

impl Rib {
    /// Lets what changed in VPN and EVPN tables enter and leave VRFs.
    pub(super) fn leak(&mut self) {
        if self.vrfs.is_empty() {
            return;
        }
        self.index_targets();
        for place in std::mem::take(&mut self.to_leak) {
            self.leak_entry(place);
        }
    }

    pub(super) fn leak_entry(&mut self, place: Place) {
        let (family, number, index) = place;
        let read = super::tables::read_table!(self.tables, family, table => {
            let shard = &table.shards[usize::from(number)];
            shard.entries.get(index).map(read_leak)
        });
        let Some((nlri, leak)) = read else { return };
        let mut tally = Tally::default();
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        let count = self
            .vrfs
            .place(&judge, place, &nlri, leak.as_ref(), &mut tally);
        if let Some(leak) = leak {
            self.sets.retain(leak.set, 2 * count);
        }
        self.release(tally);
    }
}

fn read_leak<S: Space>(entry: &super::path::Entry<S>) -> (Nlri, Option<Leak>) {
    let nlri = S::nlri(&entry.key);
    let leak = entry.best().map(|best| Leak {
        nlri,
        payload: S::payload(&best.extra),
        set: best.used,
        source: best.source,
        freshness: best.freshness,
    });
    (nlri, leak)
}
