//! Why a path is not used, each reason by itself; the path stays readable as it was received.

use super::lab::{
    OWN_AS, OWN_ID, Receiver, announce, announce_all, attributes, codec, info, named, route,
};
use bgp::attribute::{Attributes, Community, ExtendedCommunity, NextHop};
use bgp::message::{Disposition, Role};
use bgp::nlri::{Esi, EvpnPayload, Nlri, Payload, Route};
use bgp::policy::Policies;
use bgp::rib::{PathState, PathView, PeerInfo, PeerKind, Rejection, Rib, RibConfig, Select};
use bgp::{Family, FamilySet, PeerId};

fn external() -> PeerInfo {
    info(
        1,
        PeerKind::External,
        FamilySet::from_iter([Family::Ipv4Unicast]),
    )
}

fn imported(peer: &PeerInfo, set: &Attributes) -> PathView {
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(PeerId(1), peer.clone());
    announce(
        &mut rib,
        PeerId(1),
        peer,
        &route(Family::Ipv4Unicast, 1),
        set,
    );
    let family = Family::Ipv4Unicast;
    let mut page = rib.received(PeerId(1), family, Select::All, None, 10, |_| true);
    let path = page.items.remove(0);
    let counts = rib.counts(PeerId(1), family);
    assert_eq!(counts.received, 1);
    assert_eq!(counts.accepted, u32::from(path.used.is_some()));
    path
}

fn rejected(peer: &PeerInfo, set: &Attributes, why: Rejection) {
    let path = imported(peer, set);
    assert_eq!(path.state, PathState::Rejected(why));
    assert_eq!(path.received.as_path, set.as_path, "readable as received");
    assert_eq!(path.used, None);
}

#[test]
fn rfc_8212_an_external_peer_needs_a_policy() {
    let peer = PeerInfo {
        require_policy: true,
        ..external()
    };
    rejected(&peer, &attributes(&peer, &[]), Rejection::NoPolicy);
    let named = PeerInfo {
        import: named("missing"),
        ..peer
    };
    rejected(&named, &attributes(&named, &[]), Rejection::Policy);
}

#[test]
fn our_own_as_is_a_loop_unless_allowed() {
    let peer = external();
    let set = attributes(&peer, &[OWN_AS, 7]);
    rejected(&peer, &set, Rejection::AsLoop);
    let tolerant = PeerInfo {
        allow_own_as: 1,
        ..peer.clone()
    };
    assert_eq!(imported(&tolerant, &set).state, PathState::Best);
    let local_as = PeerInfo {
        local_asn: 64999,
        ..peer
    };
    rejected(
        &local_as,
        &attributes(&local_as, &[64999]),
        Rejection::AsLoop,
    );
}

#[test]
fn reflection_loops_are_found() {
    let peer = info(
        1,
        PeerKind::Client,
        FamilySet::from_iter([Family::Ipv4Unicast]),
    );
    let mut set = attributes(&peer, &[]);
    set.rare.originator_id = Some(OWN_ID);
    rejected(&peer, &set, Rejection::OriginatorLoop);
    set.rare.originator_id = Some([1, 2, 3, 4].into());
    set.rare.cluster_list = [[1, 1, 1, 1].into(), OWN_ID].into();
    rejected(&peer, &set, Rejection::ClusterLoop);
}

#[test]
fn the_first_as_must_be_the_peers() {
    let peer = external();
    let mut set = attributes(&peer, &[]);
    set.as_path = bgp::attribute::AsPath::sequence(&[7]);
    rejected(&peer, &set, Rejection::FirstAs);
    let through_route_server = PeerInfo {
        enforce_first_as: false,
        ..peer
    };
    assert_eq!(imported(&through_route_server, &set).state, PathState::Best);
}

#[test]
fn our_own_address_is_no_next_hop() {
    let peer = external();
    let mut set = attributes(&peer, &[]);
    set.next_hop = Some(NextHop::Ipv4(OWN_ID));
    rejected(&peer, &set, Rejection::NextHop);
}

#[test]
fn rfc_9234_leaks_are_refused_and_routes_marked() {
    let with = |role| PeerInfo {
        role: Some(role),
        ..external()
    };
    let plain = attributes(&external(), &[]);
    let mut marked = plain.clone();
    marked.rare.only_to_customer = Some(external().asn);
    let mut foreign = plain.clone();
    foreign.rare.only_to_customer = Some(7);
    rejected(&with(Role::Provider), &marked, Rejection::RouteLeak);
    rejected(&with(Role::RouteServer), &marked, Rejection::RouteLeak);
    rejected(&with(Role::Peer), &foreign, Rejection::RouteLeak);
    let otc = |role, set: &Attributes| {
        let used = imported(&with(role), set).used.expect("accepted");
        used.rare.only_to_customer
    };
    assert_eq!(otc(Role::Peer, &marked), Some(external().asn));
    for role in [Role::Customer, Role::Peer, Role::RouteServerClient] {
        assert_eq!(otc(role, &plain), Some(external().asn));
    }
    assert_eq!(otc(Role::Provider, &plain), None);
    assert_eq!(otc(Role::Customer, &foreign), Some(7));
}

#[test]
fn rfc_8326_graceful_shutdown_lowers_local_pref() {
    let peer = external();
    let mut set = attributes(&peer, &[]);
    set.communities = [Community::GRACEFUL_SHUTDOWN].into();
    let used = imported(&peer, &set).used.expect("accepted");
    assert_eq!(used.local_pref, Some(0));
}

/// RFC 9136 3.2: the rest of the UPDATE is good, and what was announced before is gone.
#[test]
fn a_prefix_with_an_esi_and_a_gateway_counts_as_withdrawn() {
    let families = FamilySet::from_iter([Family::Evpn]);
    let peer = info(1, PeerKind::Client, families);
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(PeerId(1), peer.clone());
    let set = attributes(&peer, &[]);
    let prefix = |net: &str, esi: u8| Route {
        nlri: Nlri::parse(Family::Evpn, &format!("65000:1:[5]:[0]:[24]:[{net}]")).expect("a route"),
        path_id: 0,
        payload: Payload::Evpn(EvpnPayload {
            esi: Esi([esi; 10]),
            gateway: Some([10, 9, 9, 9].into()),
            ..EvpnPayload::default()
        }),
    };
    let outcome = announce_all(
        &mut rib,
        PeerId(1),
        &peer,
        &[prefix("10.1.1.0", 0), prefix("10.1.2.0", 0)],
        &set,
    );
    assert_eq!((outcome.announced, outcome.withdrawn), (2, 0));
    let outcome = announce_all(
        &mut rib,
        PeerId(1),
        &peer,
        &[
            prefix("10.1.1.0", 1),
            prefix("10.1.2.0", 0),
            prefix("10.1.3.0", 1),
        ],
        &set,
    );
    assert_eq!((outcome.announced, outcome.withdrawn), (1, 1));
    let fault = outcome.faults.first().expect("it is told");
    assert_eq!(fault.disposition, Disposition::TreatAsWithdraw);
    let kept = rib.received(PeerId(1), Family::Evpn, Select::All, None, 10, |_| true);
    let kept: Vec<Nlri> = kept.items.iter().map(|path| path.nlri).collect();
    assert_eq!(kept, [prefix("10.1.2.0", 0).nlri]);
}

/// Routes of one UPDATE have one attribute set and may differ in all that policy asks of a route.
#[test]
fn a_policy_about_route_distinguishers_judges_each_route() {
    let families = FamilySet::from_iter([Family::Vpnv4]);
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.policies = toml::from_str::<Policies>(
        r#"
        [first]
        rules = [{ match = [{ route-distinguisher = ["65000:1"] }], then = "accept" }]
        "#,
    )
    .expect("policies");
    let of = |rd: u8| {
        let first = route(Family::Vpnv4, 1);
        let text = format!("65000:{rd}:10.1.0.0/16");
        Route {
            nlri: Nlri::parse(Family::Vpnv4, &text).expect("a route"),
            ..first
        }
    };
    for (import, export) in [(named("first"), None), (None, named("first"))] {
        let plain = |number| info(number, PeerKind::Client, families);
        let from = PeerInfo { import, ..plain(1) };
        let to = PeerInfo { export, ..plain(2) };
        let mut rib = Rib::new(config.clone());
        rib.peer_up(PeerId(1), from.clone());
        rib.peer_up(PeerId(2), to);
        let set = attributes(&from, &[7]);
        announce_all(&mut rib, PeerId(1), &from, &[of(1), of(2)], &set);
        while rib.flush() {}
        let mut receiver = Receiver::default();
        while let Some(block) = rib.transmit(PeerId(2)) {
            receiver.take(&block, &codec(families));
        }
        let known: Vec<Nlri> = receiver.known.keys().map(|(nlri, _)| *nlri).collect();
        assert_eq!(known, [of(1).nlri]);
    }
}

/// RFC 4360 6; link bandwidth is for the neighbor that hears it.
#[test]
fn what_is_bound_to_another_as_is_not_taken() {
    let bandwidth = ExtendedCommunity::link_bandwidth(65_101, 1e9);
    let bound = ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 1]);
    let free = ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 1]);
    let with = |peer: &PeerInfo| {
        let mut set = attributes(peer, &[]);
        set.extended = [bandwidth, bound, free].into();
        imported(peer, &set)
            .used
            .expect("accepted")
            .extended
            .clone()
    };
    assert_eq!(*with(&external()), [bandwidth, free]);
    let families = FamilySet::from_iter([Family::Ipv4Unicast]);
    let internal = info(1, PeerKind::Client, families);
    assert_eq!(*with(&internal), [bandwidth, bound, free]);
}
