//! VRFs: what enters them, what is originated from them, and what a change of their targets moves.

use super::lab::{
    OWN_AS, OWN_ID, Receiver, announce, attributes, codec, info, route, target, with_targets,
    withdraw,
};
use bgp::attribute::{Attributes, Encapsulation, ExtendedCommunity, NextHop, Origin};
use bgp::nlri::{EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher};
use bgp::rib::{
    MacVrfConfig, Origin as From, PathState, PeerInfo, PeerKind, Rib, RibChange, RibConfig, Select,
    TableChange, TableId, VrfConfig, VrfId, VtepConfig, origin_network,
};
use bgp::{Family, FamilySet, PeerId};

const PEER: PeerId = PeerId(1);

fn families() -> FamilySet {
    [Family::Vpnv4, Family::Evpn].into_iter().collect()
}

fn rd(number: u8) -> RouteDistinguisher {
    RouteDistinguisher([0, 0, 0xfd, 0xe8, 0, 0, 1, number])
}

fn vrf(number: u8, import: &[u8], export: &[u8]) -> VrfConfig {
    VrfConfig {
        id: VrfId(u32::from(number)),
        name: format!("vrf-{number}"),
        rd: rd(number),
        import: import.iter().map(|n| target(*n)).collect(),
        export: export.iter().map(|n| target(*n)).collect(),
        label: Some(Label::from_mpls(500)),
        next_hop: OWN_ID.into(),
        evpn: Some(VtepConfig {
            vni: Label::from_vni(7000),
            address: OWN_ID.into(),
            router_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        }),
    }
}

fn mac_vrf(number: u8, network: u32, targets: &[u8]) -> MacVrfConfig {
    MacVrfConfig {
        id: VrfId(u32::from(number)),
        name: format!("l2-{number}"),
        rd: rd(100 + number),
        import: targets.iter().map(|n| target(*n)).collect(),
        export: targets.iter().map(|n| target(*n)).collect(),
        network,
    }
}

const fn table(number: u32) -> TableId {
    TableId::Vrf(VrfId(number), Family::Ipv4Unicast)
}

struct Lab {
    rib: Rib,
    peer: PeerInfo,
}

impl Lab {
    fn new(vrfs: Vec<VrfConfig>, mac_vrfs: Vec<MacVrfConfig>) -> Self {
        let mut config = RibConfig::new(OWN_AS, OWN_ID);
        config.vrfs = vrfs;
        config.mac_vrfs = mac_vrfs;
        let mut rib = Rib::new(config);
        let peer = info(1, PeerKind::Client, families());
        rib.peer_up(PEER, peer.clone());
        Self { rib, peer }
    }

    fn vpn(&mut self, number: u8, targets: &[u8]) {
        let set = with_targets(attributes(&self.peer, &[7]), targets);
        announce(
            &mut self.rib,
            PEER,
            &self.peer,
            &route(Family::Vpnv4, number),
            &set,
        );
    }

    /// Prefixes with a usable path.
    fn prefixes(&mut self, table: TableId) -> Vec<Nlri> {
        self.rib.flush();
        let page = self.rib.routes(table, Select::All, None, 100, |path| {
            path.state == PathState::Best
        });
        let page = page.expect("a table");
        page.items.iter().map(|paths| paths[0].nlri).collect()
    }

    fn sent(&mut self) -> Receiver {
        while self.rib.flush() {}
        let mut receiver = Receiver::default();
        while let Some(block) = self.rib.transmit(PEER) {
            receiver.take(&block, &codec(families()));
        }
        receiver
    }
}

fn inside(number: u8) -> Nlri {
    route(Family::Ipv4Unicast, number).nlri
}

#[test]
fn vpn_routes_enter_the_vrfs_that_import_their_targets() {
    let mut lab = Lab::new(vec![vrf(1, &[1, 2], &[]), vrf(2, &[2], &[])], vec![]);
    lab.vpn(1, &[1]);
    lab.vpn(2, &[2]);
    lab.vpn(3, &[3]);
    assert_eq!(lab.prefixes(table(1)), [inside(1), inside(2)]);
    assert_eq!(lab.prefixes(table(2)), [inside(2)]);
    let page = lab
        .rib
        .routes(table(1), Select::Exact(inside(1)), None, 1, |_| true);
    let path = page.expect("a table").items.remove(0).remove(0);
    assert_eq!(path.origin, From::Peer(PEER));
    assert_eq!(
        path.payload,
        Payload::Label(Label::from_mpls(101)),
        "with its label"
    );
    withdraw(&mut lab.rib, PEER, &lab.peer, &route(Family::Vpnv4, 2));
    assert_eq!(lab.prefixes(table(2)), []);
    lab.vpn(1, &[3]);
    assert_eq!(lab.prefixes(table(1)), []);
}

#[test]
fn an_address_behind_a_mac_is_a_host_route_with_the_label_of_the_l3_vrf() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[])], vec![mac_vrf(1, 7, &[1])]);
    let text = "65000:1:[2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.0.1]";
    let payload = |label2| {
        Payload::Evpn(EvpnPayload {
            label: Label::from_vni(100),
            label2,
            ..EvpnPayload::default()
        })
    };
    let route = |label2| Route {
        nlri: Nlri::parse(Family::Evpn, text).expect("a route"),
        path_id: 0,
        payload: payload(label2),
    };
    let set = with_targets(attributes(&lab.peer, &[7]), &[1]);
    let l3 = Label::from_vni(50_100);
    announce(&mut lab.rib, PEER, &lab.peer, &route(Some(l3)), &set);
    let host = Nlri::Ipv4("10.1.0.1/32".parse().expect("a prefix"));
    assert_eq!(lab.prefixes(table(1)), [host]);
    let page = lab.rib.routes(table(1), Select::All, None, 1, |_| true);
    let path = page.expect("a table").items.remove(0).remove(0);
    let Payload::Evpn(routed) = path.payload else {
        panic!("an EVPN payload")
    };
    assert_eq!((routed.label, routed.label2), (l3, None));
    let domain = TableId::MacVrf(VrfId(1));
    assert_eq!(lab.prefixes(domain).len(), 1, "it is of the domain too");
    // Without the label it is nothing to the L3 VRF.
    announce(&mut lab.rib, PEER, &lab.peer, &route(None), &set);
    assert_eq!(lab.prefixes(table(1)), []);
    assert_eq!(lab.prefixes(domain).len(), 1);
}

#[test]
fn a_change_of_import_targets_moves_the_routes() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[])], vec![]);
    for number in 1..=3 {
        lab.vpn(number, &[number]);
    }
    assert_eq!(lab.prefixes(table(1)), [inside(1)]);
    lab.rib.configure(RibChange::Vrfs(vec![
        vrf(1, &[2, 3], &[]),
        vrf(4, &[1], &[]),
    ]));
    assert_eq!(lab.prefixes(table(1)), [inside(2), inside(3)]);
    assert_eq!(lab.prefixes(table(4)), [inside(1)]);
    lab.rib.configure(RibChange::Vrfs(vec![vrf(4, &[1], &[])]));
    assert!(
        lab.rib.table_counts(table(1)).is_none(),
        "the table is gone"
    );
    lab.rib.peer_down(PEER, FamilySet::EMPTY);
    assert_eq!(lab.prefixes(table(4)), []);
}

#[test]
fn local_routes_are_originated_with_rd_label_and_targets() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[1, 5])], vec![]);
    let set = Attributes::new(Origin::Igp, None);
    lab.rib
        .originate(table(1), route(Family::Ipv4Unicast, 9), set);
    assert_eq!(lab.prefixes(table(1)), [inside(9)]);
    let known = lab.sent().known;
    let Nlri::Ipv4(net) = inside(9) else {
        panic!("an IPv4 prefix")
    };
    let (vpn, payload) = &known[&(Nlri::Vpnv4(rd(1), net), 0)];
    assert_eq!(*payload, Payload::Label(Label::from_mpls(500)));
    assert_eq!(vpn.next_hop, Some(NextHop::Ipv4(OWN_ID)));
    let targets = [1, 5].map(|number| ExtendedCommunity(target(number).0));
    assert_eq!(&vpn.extended[..], targets);
    let type5 = Nlri::Evpn(EvpnNlri::IpPrefix {
        rd: rd(1),
        tag: 0,
        prefix: net.into(),
    });
    let (prefix_route, payload) = &known[&(type5, 0)];
    let Payload::Evpn(payload) = payload else {
        panic!("an EVPN payload")
    };
    assert_eq!(payload.label, Label::from_vni(7000));
    let vxlan = [Encapsulation::Vxlan];
    assert!(prefix_route.encapsulations().eq(vxlan));
    assert_eq!(prefix_route.router_mac(), Some(Mac([2, 0, 0, 0, 0, 1])));
    assert!(prefix_route.route_targets().eq([1, 5].map(target)));
    // Its own route does not come back in by its own target.
    let page = lab.rib.routes(table(1), Select::All, None, 9, |_| true);
    assert_eq!(page.expect("a table").items[0].len(), 1);
    lab.rib.withdraw_local(table(1), &inside(9));
    assert_eq!(lab.prefixes(table(1)), []);
    assert_eq!(lab.sent().withdrawn, 2);
}

#[test]
fn local_routes_wait_for_their_vrf_and_follow_its_configuration() {
    let mut lab = Lab::new(vec![], vec![]);
    let set = Attributes::new(Origin::Igp, None);
    lab.rib
        .originate(table(1), route(Family::Ipv4Unicast, 9), set);
    assert_eq!(lab.sent().known.len(), 0);
    lab.rib.configure(RibChange::Vrfs(vec![vrf(1, &[], &[1])]));
    assert_eq!(lab.sent().known.len(), 2);
    assert_eq!(lab.prefixes(table(1)), [inside(9)]);
    lab.rib.configure(RibChange::Vrfs(vec![vrf(1, &[], &[2])]));
    let again = lab.sent().known;
    assert!(
        again
            .values()
            .all(|(set, _)| set.route_targets().eq([target(2)]))
    );
    assert_eq!(again.len(), 2);
    lab.rib.configure(RibChange::Vrfs(vec![]));
    assert_eq!(lab.sent().withdrawn, 2);
}

#[test]
fn vrfs_leak_into_each_other_by_target() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[1]), vrf(2, &[1, 2], &[2])], vec![]);
    let set = Attributes::new(Origin::Igp, None);
    lab.rib
        .originate(table(1), route(Family::Ipv4Unicast, 9), set);
    assert_eq!(lab.prefixes(table(2)), [inside(9)]);
}

fn mac(rd: RouteDistinguisher) -> Route {
    Route {
        nlri: Nlri::Evpn(EvpnNlri::MacIp {
            rd,
            tag: 0,
            mac: Mac([2, 0, 0, 0, 0, 1]),
            ip: None,
        }),
        path_id: 0,
        payload: Payload::Evpn(EvpnPayload {
            label: Label::from_vni(100),
            ..Default::default()
        }),
    }
}

const fn domain(number: u32) -> TableId {
    TableId::MacVrf(VrfId(number))
}

#[test]
fn an_l2_route_enters_only_the_domain_it_comes_from() {
    let mut lab = Lab::new(vec![], vec![mac_vrf(1, 10, &[1]), mac_vrf(2, 20, &[1, 2])]);
    let mut announce_from = |rd, targets: &[u8], network: Option<u32>| {
        let mut set = with_targets(attributes(&lab.peer, &[]), targets);
        let mut extended = set.extended.to_vec();
        extended.extend(network.map(origin_network));
        set.extended = extended.into();
        announce(&mut lab.rib, PEER, &lab.peer, &mac(rd), &set);
        [1, 2].map(|number| lab.prefixes(domain(number)).len())
    };
    // Both domains import the target; the network decides.
    assert_eq!(announce_from(rd(9), &[1], Some(20)), [0, 1]);
    assert_eq!(announce_from(rd(9), &[1], Some(10)), [1, 0]);
    assert_eq!(announce_from(rd(9), &[1], Some(30)), [0, 0]);
    // Not named, and the targets do not tell: none.
    assert_eq!(announce_from(rd(9), &[1], None), [0, 0]);
    // Not named, but the targets are of one domain.
    assert_eq!(announce_from(rd(9), &[2], None), [0, 1]);
}

#[test]
fn paths_of_a_mac_from_several_places_compete_in_the_domain() {
    let mut lab = Lab::new(vec![], vec![mac_vrf(1, 10, &[1])]);
    for (place, sequence) in [(8, 1), (9, 2)] {
        let mut set = with_targets(attributes(&lab.peer, &[]), &[1]);
        let mobility = ExtendedCommunity([6, 0, 0, 0, 0, 0, 0, sequence]);
        set.extended = [set.extended[0], mobility].into();
        announce(&mut lab.rib, PEER, &lab.peer, &mac(rd(place)), &set);
    }
    lab.rib.flush();
    let page = lab
        .rib
        .routes(domain(1), Select::All, None, 9, |_| true)
        .expect("a table");
    let [paths] = &page.items[..] else {
        panic!("one MAC")
    };
    assert_eq!(paths.len(), 2);
    let best = paths[0].used.as_ref().expect("usable");
    assert_eq!(best.mac_mobility(), Some((2, false)));
}

#[test]
fn an_observer_of_a_vrf_hears_of_changes_and_of_its_end() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[])], vec![]);
    lab.rib.subscribe(table(1));
    lab.vpn(1, &[1]);
    let changes = lab.rib.table_changes(10);
    let told = |changes: &[TableChange]| -> Vec<(Nlri, usize)> {
        changes
            .iter()
            .map(|change| (change.nlri, change.paths.len()))
            .collect()
    };
    assert_eq!(told(&changes), [(inside(1), 1)]);
    lab.vpn(1, &[2]);
    lab.vpn(2, &[2]);
    lab.vpn(3, &[1]);
    assert_eq!(
        told(&lab.rib.table_changes(10)),
        [(inside(1), 0), (inside(3), 1)]
    );
    lab.rib.configure(RibChange::Vrfs(vec![]));
    assert_eq!(told(&lab.rib.table_changes(10)), [(inside(3), 0)]);
    assert_eq!(lab.rib.table_changes(10), []);
}

#[test]
fn who_unsubscribes_hears_nothing_and_starts_anew() {
    let mut lab = Lab::new(vec![vrf(1, &[1], &[])], vec![]);
    lab.rib.subscribe(table(1));
    lab.vpn(1, &[1]);
    assert_eq!(lab.rib.table_changes(10).len(), 1);
    lab.rib.unsubscribe(table(1));
    lab.vpn(2, &[1]);
    lab.vpn(1, &[2]);
    assert_eq!(lab.rib.table_changes(10), []);
    lab.rib.subscribe(table(1));
    let told: Vec<Nlri> = lab
        .rib
        .table_changes(10)
        .iter()
        .map(|change| change.nlri)
        .collect();
    assert_eq!(
        told,
        [inside(2)],
        "what is there, and nothing of what is gone"
    );
}

#[test]
fn what_vrfs_import_is_asked_of_peers() {
    let mut lab = Lab::new(vec![vrf(1, &[1, 2], &[])], vec![mac_vrf(2, 20, &[2, 3])]);
    let memberships = TableId::Global(Family::RouteTarget);
    // And once for all targets, because there is a peer that asks for none.
    assert_eq!(lab.prefixes(memberships).len(), 3 + 1);
    lab.rib.configure(RibChange::Vrfs(vec![]));
    assert_eq!(lab.prefixes(memberships).len(), 2 + 1);
}
