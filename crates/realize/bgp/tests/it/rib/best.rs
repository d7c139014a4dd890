//! Each step of the decision process, by the reason it gives.

use super::lab::{OWN_AS, OWN_ID, address, announce, attributes, info, route};
use bgp::attribute::{AsPath, Attributes, Community, ExtendedCommunity, Origin};
use bgp::nlri::{EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher};
use bgp::policy::Policies;
use bgp::rib::{
    BestPathOptions, Origin as From, PathState, PeerInfo, PeerKind, Reach, Reason, Rib, RibChange,
    RibConfig, TableId,
};
use bgp::{Family, FamilySet, PeerId};
use std::net::IpAddr;

fn families() -> FamilySet {
    [Family::Ipv4Unicast, Family::Evpn].into_iter().collect()
}

/// Two peers, 1 and 2, and one route from each.
struct Duel {
    rib: Rib,
    route: Route,
    infos: [PeerInfo; 2],
}

impl Duel {
    fn new(kinds: [PeerKind; 2]) -> Self {
        Self::with(kinds, BestPathOptions::default())
    }

    fn with(kinds: [PeerKind; 2], options: BestPathOptions) -> Self {
        let mut config = RibConfig::new(OWN_AS, OWN_ID);
        config.best_path = options;
        Self::of(
            config,
            [info(1, kinds[0], families()), info(2, kinds[1], families())],
        )
    }

    fn of(config: RibConfig, infos: [PeerInfo; 2]) -> Self {
        let mut rib = Rib::new(config);
        rib.peer_up(PeerId(1), infos[0].clone());
        rib.peer_up(PeerId(2), infos[1].clone());
        Self {
            rib,
            route: route(Family::Ipv4Unicast, 1),
            infos,
        }
    }

    fn announce(&mut self, peer: usize, set: &Attributes) {
        let id = PeerId(peer as u32);
        announce(&mut self.rib, id, &self.infos[peer - 1], &self.route, set);
    }

    fn set(&self, peer: usize, path: &[u32]) -> Attributes {
        attributes(&self.infos[peer - 1], path)
    }

    /// Who won, and why the other lost.
    fn configure(&mut self, change: RibChange) {
        self.rib.configure(change);
        while self.rib.flush() {}
    }

    fn result(&self) -> (u32, PathState) {
        let table = TableId::Global(self.route.nlri.family());
        let explanation = self.rib.explain(table, &self.route.nlri).expect("there");
        let [best, other] = &explanation.paths[..] else {
            panic!("two paths, not {:?}", explanation.paths)
        };
        assert_eq!(best.state, PathState::Best);
        let From::Peer(peer) = best.origin else {
            panic!("from a peer")
        };
        (peer.0, other.state)
    }

    /// Both announce, in both orders: the first of `sets` must win for `reason`.
    fn expect(mut self, sets: [Attributes; 2], reason: Reason) {
        for order in [[1, 2], [2, 1]] {
            for peer in order {
                self.announce(peer, &sets[peer - 1].clone());
            }
            assert_eq!(self.result(), (1, PathState::Lost(reason)));
            self.infos.iter().enumerate().for_each(|(at, info)| {
                let id = PeerId(at as u32 + 1);
                super::lab::withdraw(&mut self.rib, id, info, &self.route);
            });
        }
    }
}

use PeerKind::{Client, External, Internal};

#[test]
fn higher_local_pref_wins() {
    let duel = Duel::new([Internal, Internal]);
    let (mut a, b) = (duel.set(1, &[1, 2, 3]), duel.set(2, &[]));
    a.local_pref = Some(101);
    duel.expect([a, b], Reason::LocalPref);
}

#[test]
fn shorter_as_path_wins_unless_ignored() {
    let duel = Duel::new([Internal, Internal]);
    let (a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7, 8]));
    duel.expect([a.clone(), b.clone()], Reason::AsPathLength);
    let options = BestPathOptions {
        ignore_as_path_length: true,
        ..Default::default()
    };
    b.origin = Origin::Incomplete;
    Duel::with([Internal, Internal], options).expect([a, b], Reason::Origin);
}

#[test]
fn an_as_set_counts_as_one_hop() {
    let duel = Duel::new([Internal, Internal]);
    let (mut a, b) = (duel.set(1, &[]), duel.set(2, &[7, 8, 9]));
    let octets = [2, 1, 0, 0, 0, 7, 1, 3, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 10];
    a.as_path = AsPath::from_segments(&octets).expect("well-formed");
    duel.expect([a, b], Reason::AsPathLength);
}

#[test]
fn lower_origin_wins() {
    let duel = Duel::new([Internal, Internal]);
    let (a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    b.origin = Origin::Egp;
    duel.expect([a, b], Reason::Origin);
}

#[test]
fn lower_med_wins_within_a_neighbour_as() {
    let duel = Duel::new([Internal, Internal]);
    let (mut a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    a.med = Some(1);
    b.med = Some(2);
    duel.expect([a.clone(), b.clone()], Reason::Med);
    // Another neighbour AS: not compared, so the router id decides.
    let duel = Duel::new([Internal, Internal]);
    a.as_path = AsPath::sequence(&[8]);
    a.med = Some(3);
    duel.expect([a.clone(), b.clone()], Reason::RouterId);
    let options = BestPathOptions {
        always_compare_med: true,
        ..Default::default()
    };
    b.med = Some(4);
    Duel::with([Internal, Internal], options).expect([a, b], Reason::Med);
}

#[test]
fn a_missing_med_is_best_or_worst_as_configured() {
    let duel = Duel::new([Internal, Internal]);
    let (a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    b.med = Some(2);
    duel.expect([a.clone(), b.clone()], Reason::Med);
    let options = BestPathOptions {
        missing_med_as_worst: true,
        ..Default::default()
    };
    let duel = Duel::with([Internal, Internal], options);
    let (mut with, without) = (duel.set(1, &[7]), duel.set(2, &[7]));
    with.med = Some(2);
    duel.expect([with, without], Reason::Med);
}

#[test]
fn external_wins_over_internal() {
    let duel = Duel::new([External, Internal]);
    let (a, b) = (duel.set(1, &[]), duel.set(2, &[65101]));
    duel.expect([a, b], Reason::External);
}

#[test]
fn the_nearer_next_hop_wins() {
    let mut duel = Duel::new([Internal, Internal]);
    let far = IpAddr::V4(address(2));
    duel.configure(RibChange::NextHop(far, Reach::Metric(10)));
    let (mut a, b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    a.rare.originator_id = Some([255, 0, 0, 1].into());
    duel.expect([a, b], Reason::NextHopMetric);
}

#[test]
fn a_metric_that_changes_moves_the_best_path() {
    let mut duel = Duel::new([Internal, Internal]);
    for peer in [1, 2] {
        duel.announce(peer, &duel.set(peer, &[7]));
    }
    assert_eq!(duel.result(), (1, PathState::Lost(Reason::RouterId)));
    let near = IpAddr::V4(address(1));
    duel.configure(RibChange::NextHop(near, Reach::Metric(5)));
    assert_eq!(duel.result(), (2, PathState::Lost(Reason::NextHopMetric)));
}

#[test]
fn the_oldest_external_path_stays_if_so_configured() {
    let options = BestPathOptions {
        prefer_oldest: true,
        ..Default::default()
    };
    let mut duel = Duel::with([External, External], options);
    duel.announce(2, &duel.set(2, &[]));
    duel.announce(1, &duel.set(1, &[]));
    assert_eq!(duel.result(), (2, PathState::Lost(Reason::Age)));
}

#[test]
fn lower_router_id_or_originator_wins() {
    let duel = Duel::new([Internal, Internal]);
    let (a, b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    duel.expect([a, b], Reason::RouterId);
    let mut duel = Duel::new([Client, Client]);
    let (a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    b.rare.originator_id = Some([1, 1, 1, 1].into());
    duel.announce(1, &a);
    duel.announce(2, &b);
    assert_eq!(duel.result(), (2, PathState::Lost(Reason::RouterId)));
}

#[test]
fn shorter_cluster_list_then_lower_address_wins() {
    let duel = Duel::new([Client, Client]);
    let (mut a, mut b) = (duel.set(1, &[7]), duel.set(2, &[7]));
    for set in [&mut a, &mut b] {
        set.rare.originator_id = Some([1, 1, 1, 1].into());
        set.rare.cluster_list = [[2, 2, 2, 2].into()].into();
    }
    duel.expect([a.clone(), b.clone()], Reason::PeerAddress);
    b.rare.cluster_list = [[2, 2, 2, 2].into(), [3, 3, 3, 3].into()].into();
    Duel::new([Client, Client]).expect([a, b], Reason::ClusterList);
}

#[test]
fn weight_from_policy_comes_first() {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.policies = toml::from_str::<Policies>(
        "[heavy]\ndefault = \"accept\"\nrules = [{ set = [{ weight = 5 }], then = \"accept\" }]",
    )
    .expect("a policy");
    let heavy = PeerInfo {
        import: super::lab::named("heavy"),
        ..info(1, Internal, families())
    };
    let duel = Duel::of(config, [heavy, info(2, Internal, families())]);
    let (a, mut b) = (duel.set(1, &[7, 8]), duel.set(2, &[]));
    b.local_pref = Some(500);
    duel.expect([a, b], Reason::Weight);
}

#[test]
fn long_lived_stale_comes_last() {
    let duel = Duel::new([Internal, Internal]);
    let (a, mut b) = (duel.set(1, &[7, 8, 9]), duel.set(2, &[]));
    b.local_pref = Some(500);
    b.communities = [Community::LLGR_STALE].into();
    duel.expect([a, b], Reason::LlgrStale);
}

#[test]
fn what_is_originated_here_wins() {
    let mut duel = Duel::new([Internal, Internal]);
    duel.announce(2, &duel.set(2, &[]));
    let table = TableId::Global(Family::Ipv4Unicast);
    let route = duel.route;
    duel.rib
        .originate(table, route, Attributes::new(Origin::Incomplete, None));
    let explanation = duel.rib.explain(table, &route.nlri).expect("there");
    assert_eq!(explanation.paths[0].origin, From::Local);
    assert_eq!(
        explanation.paths[1].state,
        PathState::Lost(Reason::LocalOrigin)
    );
    duel.rib.withdraw_local(table, &route.nlri);
    let explanation = duel.rib.explain(table, &route.nlri).expect("there");
    assert_eq!(explanation.paths.len(), 1);
}

/// Three paths between which MED prefers in a circle with the router id; the order of arrival must not matter.
#[test]
fn med_is_deterministic() {
    let infos: Vec<PeerInfo> = (1..=3).map(|n| info(n, Internal, families())).collect();
    let mut sets: Vec<Attributes> = infos.iter().map(|info| attributes(info, &[7])).collect();
    sets[0].med = Some(2);
    sets[1].as_path = AsPath::sequence(&[8]);
    sets[2].med = Some(1);
    let mut winners = Vec::new();
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
        for (at, info) in infos.iter().enumerate() {
            rib.peer_up(PeerId(at as u32), info.clone());
        }
        let route = route(Family::Ipv4Unicast, 1);
        for at in order {
            announce(&mut rib, PeerId(at as u32), &infos[at], &route, &sets[at]);
        }
        let table = TableId::Global(Family::Ipv4Unicast);
        winners.push(rib.explain(table, &route.nlri).expect("there").paths[0].origin);
    }
    assert_eq!(
        winners,
        [From::Peer(PeerId(1)); 6],
        "2 beats 3 by router id, 3 beats 1 by MED"
    );
}

#[test]
fn equal_paths_are_used_together_as_configured() {
    let options = BestPathOptions {
        multipath_internal: 2,
        ..Default::default()
    };
    let mut duel = Duel::with([Internal, Internal], options);
    duel.announce(1, &duel.set(1, &[7]));
    duel.announce(2, &duel.set(2, &[7]));
    assert_eq!(duel.result(), (1, PathState::Multipath));
    // Equally long but another path: not without relaxing.
    duel.announce(2, &duel.set(2, &[8]));
    assert_eq!(duel.result(), (1, PathState::Lost(Reason::RouterId)));
    duel.configure(RibChange::BestPath(BestPathOptions {
        multipath_relax_as_path: true,
        ..options
    }));
    assert_eq!(duel.result(), (1, PathState::Multipath));
    duel.configure(RibChange::BestPath(BestPathOptions::default()));
    assert_eq!(duel.result(), (1, PathState::Lost(Reason::RouterId)));
}

fn mac_route() -> Route {
    Route {
        nlri: Nlri::Evpn(EvpnNlri::MacIp {
            rd: RouteDistinguisher([0, 0, 0, 1, 0, 0, 0, 1]),
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

fn mobility(sequence: u8, sticky: bool) -> ExtendedCommunity {
    ExtendedCommunity([6, 0, u8::from(sticky), 0, 0, 0, 0, sequence])
}

#[test]
fn a_mac_follows_the_higher_sequence_number_but_not_if_sticky() {
    let duel = || {
        let mut duel = Duel::new([Internal, Internal]);
        duel.route = mac_route();
        duel
    };
    let (mut a, mut b) = (duel().set(1, &[]), duel().set(2, &[]));
    b.local_pref = Some(500);
    a.extended = [mobility(2, false)].into();
    b.extended = [mobility(1, false)].into();
    duel().expect([a.clone(), b.clone()], Reason::MobilitySequence);
    b.extended = [mobility(2, false)].into();
    duel().expect([a.clone(), b.clone()], Reason::MobilityEndpoint);
    a.extended = [mobility(0, true)].into();
    duel().expect([a.clone(), b.clone()], Reason::Sticky);
    a.extended = [ExtendedCommunity::DEFAULT_GATEWAY].into();
    b.extended = [mobility(9, true)].into();
    duel().expect([a, b], Reason::DefaultGateway);
}
