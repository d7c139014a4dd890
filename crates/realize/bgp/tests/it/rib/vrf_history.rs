//! Random histories of VPN routes, EVPN routes and VRF configuration: the VRFs hold what a look at everything says they
//! should, and peers have what was originated.

use super::lab::{
    OWN_AS, OWN_ID, Receiver, announce, attributes, codec, info, route, target, with_targets,
    withdraw,
};
use bgp::attribute::{Attributes, ExtendedCommunity, Origin};
use bgp::nlri::{
    EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
};
use bgp::rib::{
    MacVrfConfig, PathState, PeerInfo, PeerKind, Rib, RibChange, RibConfig, Select, TableId,
    VrfConfig, VrfId, origin_network,
};
use bgp::{Family, FamilySet, PeerId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PEER: PeerId = PeerId(1);
const READER: PeerId = PeerId(2);

#[derive(Debug, Clone)]
enum Step {
    Vpn {
        number: u8,
        targets: u8,
    },
    Mac {
        number: u8,
        place: u8,
        targets: u8,
        network: Option<u8>,
        /// Its address, and that it has the label of an L3 VRF.
        host: Option<bool>,
    },
    WithdrawVpn(u8),
    WithdrawMac {
        number: u8,
        place: u8,
        host: bool,
    },
    Originate {
        vrf: u8,
        number: u8,
    },
    TakeBack {
        vrf: u8,
        number: u8,
    },
    Vrfs(Vec<(u8, u8, u8)>),
    Domains(Vec<(u8, u8)>),
    Flush,
    Down,
}

fn step() -> impl Strategy<Value = Step> {
    let network = prop::option::of(0u8..3);
    prop_oneof![
        6 => (0u8..4, 0u8..8).prop_map(|(number, targets)| Step::Vpn { number, targets }),
        6 => (0u8..3, 0u8..2, 0u8..8, network, any::<Option<bool>>()).prop_map(|(number, place, targets, network, host)| Step::Mac { number, place, targets, network, host }),
        2 => (0u8..4).prop_map(Step::WithdrawVpn),
        2 => (0u8..3, 0u8..2, any::<bool>()).prop_map(|(number, place, host)| Step::WithdrawMac { number, place, host }),
        3 => (0u8..3, 4u8..6).prop_map(|(vrf, number)| Step::Originate { vrf, number }),
        1 => (0u8..3, 4u8..6).prop_map(|(vrf, number)| Step::TakeBack { vrf, number }),
        2 => prop::collection::btree_map(0u8..3, (0u8..8, 0u8..8), 0..3).prop_map(|map| Step::Vrfs(map.into_iter().map(|(id, (i, e))| (id, i, e)).collect())),
        2 => prop::collection::btree_map(0u8..3, 0u8..8, 0..3).prop_map(|map| Step::Domains(map.into_iter().collect())),
        2 => Just(Step::Flush),
        1 => Just(Step::Down),
    ]
}

fn bits(set: u8) -> Vec<u8> {
    (0..3).filter(|bit| set >> bit & 1 == 1).collect()
}

fn targets(set: u8) -> Vec<RouteTarget> {
    bits(set).into_iter().map(target).collect()
}

fn rd(number: u8) -> RouteDistinguisher {
    RouteDistinguisher([0, 0, 0xfd, 0xe8, 0, 0, 7, number])
}

/// All MACs of the lab that have an address have the same.
const HOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 1));
const L3: Label = Label::from_vni(9000);

fn mac(number: u8, rd: RouteDistinguisher, host: bool) -> Nlri {
    Nlri::Evpn(EvpnNlri::MacIp {
        rd,
        tag: 0,
        mac: Mac([2, 0, 0, 0, 0, number]),
        ip: host.then_some(HOST),
    })
}

fn bare(nlri: Nlri, payload: Payload) -> Route {
    Route {
        nlri,
        path_id: 0,
        payload,
    }
}

struct World {
    rib: Rib,
    peer: PeerInfo,
    reader: Receiver,
    families: FamilySet,
    announced: BTreeMap<Nlri, (Attributes, Payload)>,
    originated: BTreeSet<(u8, u8)>,
    vrfs: Vec<VrfConfig>,
    domains: Vec<MacVrfConfig>,
}

impl World {
    fn new() -> Self {
        let families = [Family::Vpnv4, Family::Evpn].into_iter().collect();
        let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
        let peer = info(1, PeerKind::Client, families);
        rib.peer_up(PEER, peer.clone());
        rib.peer_up(READER, info(2, PeerKind::Client, families));
        Self {
            rib,
            peer,
            reader: Receiver::default(),
            families,
            announced: BTreeMap::new(),
            originated: BTreeSet::new(),
            vrfs: Vec::new(),
            domains: Vec::new(),
        }
    }

    fn announce(&mut self, route: &Route, targets: u8, network: Option<u8>) {
        let mut set = with_targets(attributes(&self.peer, &[7]), &bits(targets));
        let mut extended = set.extended.to_vec();
        extended.extend(network.map(|network| origin_network(u32::from(network))));
        set.extended = extended.into();
        announce(&mut self.rib, PEER, &self.peer, route, &set);
        self.announced.insert(route.nlri, (set, route.payload));
    }

    fn withdraw(&mut self, nlri: Nlri) {
        let route = bare(nlri, Payload::Label(Label::default()));
        withdraw(&mut self.rib, PEER, &self.peer, &route);
        self.announced.remove(&nlri);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Vpn { number, targets } => {
                self.announce(&route(Family::Vpnv4, number), targets, None);
            }
            Step::Mac {
                number,
                place,
                targets,
                network,
                host,
            } => {
                let payload = Payload::Evpn(EvpnPayload {
                    label2: host.filter(|routed| *routed).map(|_| L3),
                    ..EvpnPayload::default()
                });
                let nlri = mac(number, rd(place), host.is_some());
                self.announce(&bare(nlri, payload), targets, network);
            }
            Step::WithdrawVpn(number) => self.withdraw(route(Family::Vpnv4, number).nlri),
            Step::WithdrawMac {
                number,
                place,
                host,
            } => self.withdraw(mac(number, rd(place), host)),
            Step::Originate { vrf, number } => {
                let route = route(Family::Ipv4Unicast, number);
                let set = Attributes::new(Origin::Igp, None);
                self.rib.originate(table(vrf), route, set);
                self.originated.insert((vrf, number));
            }
            Step::TakeBack { vrf, number } => {
                let nlri = route(Family::Ipv4Unicast, number).nlri;
                self.rib.withdraw_local(table(vrf), &nlri);
                self.originated.remove(&(vrf, number));
            }
            Step::Vrfs(list) => {
                let vrfs = list.into_iter().map(|(id, import, export)| VrfConfig {
                    id: VrfId(u32::from(id)),
                    name: format!("v{id}"),
                    rd: rd(100 + id),
                    import: targets(import),
                    export: targets(export),
                    label: Some(Label::from_mpls(500)),
                    next_hop: OWN_ID.into(),
                    evpn: None,
                });
                self.vrfs = vrfs.collect();
                self.rib.configure(RibChange::Vrfs(self.vrfs.clone()));
            }
            Step::Domains(list) => {
                let domains = list.into_iter().map(|(id, import)| MacVrfConfig {
                    id: VrfId(u32::from(id)),
                    name: format!("d{id}"),
                    rd: rd(200 + id),
                    import: targets(import),
                    export: targets(import),
                    network: u32::from(id),
                });
                self.domains = domains.collect();
                self.rib.configure(RibChange::MacVrfs(self.domains.clone()));
            }
            Step::Flush => {
                self.rib.flush();
            }
            Step::Down => {
                self.rib.peer_down(PEER, FamilySet::EMPTY);
                self.rib.peer_up(PEER, self.peer.clone());
                self.announced.clear();
            }
        }
    }

    /// Everything in the VPN table: announced and originated, with the RD it is under and its targets.
    fn vpn(&self) -> Vec<(RouteDistinguisher, Nlri, Vec<RouteTarget>)> {
        let mut all = Vec::new();
        for (nlri, (set, _)) in &self.announced {
            if let Nlri::Vpnv4(rd, net) = nlri {
                all.push((*rd, Nlri::Ipv4(*net), set.route_targets().collect()));
            }
        }
        for (vrf, number) in &self.originated {
            let id = VrfId(u32::from(*vrf));
            if let Some(config) = self.vrfs.iter().find(|vrf| vrf.id == id) {
                let nlri = route(Family::Ipv4Unicast, *number).nlri;
                all.push((config.rd, nlri, config.export.clone()));
            }
        }
        all
    }

    fn in_vrf(&self, vrf: &VrfConfig) -> BTreeSet<(Nlri, usize)> {
        let mut paths: BTreeMap<Nlri, usize> = BTreeMap::new();
        for (rd, nlri, targets) in self.vpn() {
            if rd == vrf.rd || targets.iter().any(|target| vrf.import.contains(target)) {
                *paths.entry(nlri).or_default() += 1;
            }
        }
        for (set, payload) in self.announced.values() {
            let Payload::Evpn(EvpnPayload {
                label2: Some(_), ..
            }) = payload
            else {
                continue;
            };
            if set
                .route_targets()
                .any(|target| vrf.import.contains(&target))
            {
                let host = Nlri::Ipv4("10.99.0.1/32".parse().expect("a prefix"));
                *paths.entry(host).or_default() += 1;
            }
        }
        paths.into_iter().collect()
    }

    fn in_domain(&self, domain: &MacVrfConfig) -> BTreeSet<(Nlri, usize)> {
        let mut paths: BTreeMap<Nlri, usize> = BTreeMap::new();
        for (nlri, (set, _)) in &self.announced {
            let Nlri::Evpn(route) = nlri else { continue };
            let carried: Vec<RouteTarget> = set.route_targets().collect();
            let imports =
                |domain: &&MacVrfConfig| carried.iter().any(|t| domain.import.contains(t));
            let named = set.extended.iter().find_map(|community| match community {
                ExtendedCommunity([0x80, 0x71, _, _, _, _, _, network]) => {
                    Some(u32::from(*network))
                }
                _ => None,
            });
            let importing: BTreeSet<u32> = self
                .domains
                .iter()
                .filter(imports)
                .map(|d| d.network)
                .collect();
            let only = importing.first().copied().filter(|_| importing.len() == 1);
            if importing.contains(&domain.network) && named.or(only) == Some(domain.network) {
                let inside = Nlri::Evpn(route.with_rd(RouteDistinguisher::default()));
                *paths.entry(inside).or_default() += 1;
            }
        }
        paths.into_iter().collect()
    }

    fn found(&self, table: TableId) -> BTreeSet<(Nlri, usize)> {
        let page = self
            .rib
            .routes(table, Select::All, None, 100, |_| true)
            .expect("a table");
        let prefix = |paths: &Vec<bgp::rib::PathView>| {
            assert_eq!(paths[0].state, PathState::Best);
            (paths[0].nlri, paths.len())
        };
        page.items.iter().map(prefix).collect()
    }

    fn check(&mut self) {
        while self.rib.flush() {}
        for vrf in &self.vrfs {
            let table = TableId::Vrf(vrf.id, Family::Ipv4Unicast);
            assert_eq!(self.found(table), self.in_vrf(vrf), "{}", vrf.name);
        }
        for domain in &self.domains {
            let found = self.found(TableId::MacVrf(domain.id));
            assert_eq!(found, self.in_domain(domain), "{}", domain.name);
        }
        while let Some(block) = self.rib.transmit(READER) {
            self.reader.take(&block, &codec(self.families));
        }
        let known: BTreeSet<Nlri> = self.reader.known.keys().map(|(nlri, _)| *nlri).collect();
        let mut expected: BTreeSet<Nlri> = self.announced.keys().copied().collect();
        for (rd, nlri, _) in self.vpn() {
            if let Nlri::Ipv4(net) = nlri {
                expected.insert(Nlri::Vpnv4(rd, net));
            }
        }
        assert_eq!(known, expected, "what a peer knows");
    }

    /// With nothing configured and nobody left, nothing is kept.
    fn end(mut self) {
        self.step(Step::Vrfs(Vec::new()));
        self.step(Step::Domains(Vec::new()));
        self.rib.peer_removed(PEER);
        self.rib.peer_removed(READER);
        while self.rib.flush() {}
        assert_eq!(self.rib.attribute_sets(), 0);
    }
}

fn table(vrf: u8) -> TableId {
    TableId::Vrf(VrfId(u32::from(vrf)), Family::Ipv4Unicast)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn vrfs_hold_what_a_look_at_everything_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            let look = matches!(step, Step::Flush);
            world.step(step);
            if look {
                world.check();
            }
        }
        world.check();
        world.end();
    }
}
