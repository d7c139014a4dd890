//! What a path becomes on its way to a peer, or why it stays; each rule by itself, and `explain` says the same.

use super::lab::{OWN_AS, OWN_ID, Receiver, address, announce, attributes, codec, info, route};
use bgp::attribute::{AsPath, Attributes, Community, ExtendedCommunity, NextHop, Origin};
use bgp::message::Role;
use bgp::nlri::Nlri;
use bgp::policy::Policies;
use bgp::rib::{NextHopMode, PeerInfo, PeerKind, RemovePrivate, Rib, RibConfig, TableId, Withheld};
use bgp::{Family, FamilySet, PeerId};
use std::net::{IpAddr, Ipv4Addr};

fn unicast() -> FamilySet {
    FamilySet::from_iter([Family::Ipv4Unicast])
}

fn peer(number: u32, kind: PeerKind) -> PeerInfo {
    info(number, kind, unicast())
}

/// What peer 2 gets of a route of peer 1 and what `explain` says about it.
fn exported(from: &PeerInfo, set: &Attributes, to: &PeerInfo) -> Result<Attributes, Withheld> {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.policies = toml::from_str::<Policies>(
        r#"
        [med]
        default = "accept"
        rules = [{ set = [{ med = 77 }, { next-hop = "192.0.2.9" }], then = "accept" }]
        [bandwidth]
        rules = [{ set = [{ add-extended = ["0x400400013f800000"] }], then = "accept" }]
        [none]
        "#,
    )
    .expect("policies");
    let mut rib = Rib::new(config);
    rib.peer_up(PeerId(1), from.clone());
    rib.peer_up(PeerId(2), to.clone());
    let route = route(Family::Ipv4Unicast, 1);
    announce(&mut rib, PeerId(1), from, &route, set);
    rib.flush();
    let mut receiver = Receiver::default();
    while let Some(block) = rib.transmit(PeerId(2)) {
        receiver.take(&block, &codec(unicast()));
    }
    let known = receiver.known.remove(&(route.nlri, 0)).map(|(set, _)| set);
    let told = told(&rib, &route.nlri, PeerId(2));
    assert_eq!(known, told.clone().ok(), "sent as explained");
    told
}

fn told(rib: &Rib, nlri: &Nlri, peer: PeerId) -> Result<Attributes, Withheld> {
    let table = TableId::Global(nlri.family());
    let explanation = rib.explain(table, nlri).expect("there");
    let export = explanation
        .exports
        .into_iter()
        .find(|export| export.peer == peer);
    let export = export.expect("a peer that is up");
    assert_eq!(export.sent, export.outcome.is_ok());
    export.outcome.map(|set| (*set).clone())
}

#[test]
fn to_an_external_peer_our_as_is_prepended_and_internal_things_stay_here() {
    let from = peer(1, PeerKind::Client);
    let mut set = attributes(&from, &[7]);
    set.med = Some(5);
    set.local_pref = Some(300);
    set.rare.originator_id = Some([1, 1, 1, 1].into());
    set.rare.cluster_list = [[2, 2, 2, 2].into()].into();
    let sent = exported(&from, &set, &peer(2, PeerKind::External)).expect("sent");
    assert_eq!(sent.as_path, AsPath::sequence(&[OWN_AS, 7]));
    assert_eq!((sent.med, sent.local_pref), (None, None));
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(OWN_ID)));
    assert_eq!(sent.originator_id(), None);
    assert!(sent.cluster_list().is_empty());
}

#[test]
fn to_an_internal_peer_an_external_route_keeps_its_next_hop() {
    let from = peer(1, PeerKind::External);
    let mut set = attributes(&from, &[7]);
    set.med = Some(5);
    let sent = exported(&from, &set, &peer(2, PeerKind::Internal)).expect("sent");
    assert_eq!(sent.as_path, AsPath::sequence(&[from.asn, 7]));
    assert_eq!((sent.med, sent.local_pref), (Some(5), Some(100)));
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(address(1))));
    let ourselves = PeerInfo {
        next_hop: NextHopMode::OnlySelf,
        ..peer(2, PeerKind::Internal)
    };
    let sent = exported(&from, &set, &ourselves).expect("sent");
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(OWN_ID)));
}

#[test]
fn a_third_party_on_the_shared_subnet_stays_the_next_hop() {
    let from = peer(1, PeerKind::Client);
    let to = PeerInfo {
        shared_subnet: Some("198.18.0.0/24".parse().expect("a prefix")),
        ..peer(2, PeerKind::External)
    };
    let sent = exported(&from, &attributes(&from, &[]), &to).expect("sent");
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(address(1))));
    let elsewhere = PeerInfo {
        shared_subnet: Some("203.0.113.0/24".parse().expect("a prefix")),
        ..to
    };
    let sent = exported(&from, &attributes(&from, &[]), &elsewhere).expect("sent");
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(OWN_ID)));
}

#[test]
fn reflection_names_originator_and_cluster() {
    let (client, plain) = (peer(1, PeerKind::Client), peer(1, PeerKind::Internal));
    let set = attributes(&client, &[7]);
    let sent = exported(&client, &set, &peer(2, PeerKind::Internal)).expect("sent");
    assert_eq!(sent.originator_id(), Some(client.router_id));
    assert_eq!(sent.cluster_list(), [OWN_ID]);
    let mut reflected = set.clone();
    reflected.rare.originator_id = Some([9, 9, 9, 9].into());
    reflected.rare.cluster_list = [[8, 8, 8, 8].into()].into();
    let sent = exported(&plain, &reflected, &peer(2, PeerKind::Client)).expect("sent");
    assert_eq!(sent.originator_id(), Some([9, 9, 9, 9].into()));
    assert_eq!(sent.cluster_list(), [OWN_ID, [8, 8, 8, 8].into()]);
    let withheld = exported(&plain, &set, &peer(2, PeerKind::Internal));
    assert_eq!(withheld, Err(Withheld::InternalToInternal));
}

#[test]
fn well_known_communities_are_obeyed() {
    let from = peer(1, PeerKind::Client);
    let send = |community, kind| {
        let mut set = attributes(&from, &[]);
        set.communities = [community].into();
        exported(&from, &set, &peer(2, kind))
    };
    let (external, internal) = (PeerKind::External, PeerKind::Internal);
    assert_eq!(
        send(Community::NO_ADVERTISE, internal),
        Err(Withheld::NoAdvertise)
    );
    assert_eq!(
        send(Community::NO_EXPORT, external),
        Err(Withheld::NoExport)
    );
    assert_eq!(
        send(Community::NO_EXPORT_SUBCONFED, external),
        Err(Withheld::NoExport)
    );
    assert!(send(Community::NO_EXPORT, internal).is_ok());
    assert_eq!(
        send(Community::LLGR_STALE, internal),
        Err(Withheld::LlgrStale)
    );
    let kept = send(Community::new(1, 2), external).expect("sent");
    assert_eq!(
        &kept.communities[..],
        [Community::new(1, 2)],
        "communities are passed on"
    );
}

#[test]
fn long_lived_stale_goes_to_those_who_know_it_and_inside_if_so_configured() {
    let from = peer(1, PeerKind::Client);
    let mut set = attributes(&from, &[]);
    set.communities = [Community::LLGR_STALE].into();
    let able = PeerInfo {
        llgr: unicast(),
        ..peer(2, PeerKind::External)
    };
    let sent = exported(&from, &set, &able).expect("sent");
    assert!(sent.has_community(Community::LLGR_STALE));
    let partial = PeerInfo {
        llgr_partial: true,
        ..peer(2, PeerKind::Internal)
    };
    let sent = exported(&from, &set, &partial).expect("sent");
    assert!(sent.has_community(Community::NO_EXPORT));
    assert_eq!(sent.local_pref, Some(0));
}

#[test]
fn as_override_remove_private_and_local_as() {
    let from = peer(1, PeerKind::Client);
    let to = peer(2, PeerKind::External);
    let path = |to: &PeerInfo, path: &[u32]| {
        exported(&from, &attributes(&from, path), to)
            .expect("sent")
            .as_path
    };
    let overriding = PeerInfo {
        as_override: true,
        ..to.clone()
    };
    assert_eq!(
        path(&overriding, &[to.asn, 7]),
        AsPath::sequence(&[OWN_AS, OWN_AS, 7])
    );
    let remove = PeerInfo {
        remove_private: RemovePrivate::Remove,
        ..to.clone()
    };
    assert_eq!(path(&remove, &[64512, 7]), AsPath::sequence(&[OWN_AS, 7]));
    let replace = PeerInfo {
        remove_private: RemovePrivate::Replace,
        ..to.clone()
    };
    assert_eq!(
        path(&replace, &[64512, 7]),
        AsPath::sequence(&[OWN_AS, OWN_AS, 7])
    );
    let local = PeerInfo {
        local_asn: 64999,
        ..to
    };
    assert_eq!(path(&local, &[7]), AsPath::sequence(&[64999, OWN_AS, 7]));
    let hidden = PeerInfo {
        replace_as: true,
        ..local
    };
    assert_eq!(path(&hidden, &[7]), AsPath::sequence(&[64999, 7]));
}

#[test]
fn a_route_server_changes_nothing() {
    let from = peer(1, PeerKind::External);
    let mut set = attributes(&from, &[7]);
    set.med = Some(5);
    let to = PeerInfo {
        route_server_client: true,
        ..peer(2, PeerKind::External)
    };
    let sent = exported(&from, &set, &to).expect("sent");
    assert_eq!(sent.as_path, set.as_path);
    assert_eq!(sent.next_hop, set.next_hop);
    assert_eq!(sent.med, Some(5));
}

#[test]
fn rfc_9234_routes_for_customers_go_only_down() {
    let from = peer(1, PeerKind::Client);
    let mut marked = attributes(&from, &[7]);
    marked.rare.only_to_customer = Some(7);
    let with = |role| PeerInfo {
        role: Some(role),
        ..peer(2, PeerKind::External)
    };
    for up in [Role::Customer, Role::Peer, Role::RouteServerClient] {
        let withheld = exported(&from, &marked, &with(up));
        assert_eq!(withheld, Err(Withheld::OnlyToCustomer));
    }
    let otc = |role, set| {
        let sent = exported(&from, set, &with(role)).expect("sent");
        sent.rare.only_to_customer
    };
    let plain = attributes(&from, &[7]);
    assert_eq!(otc(Role::Provider, &marked), Some(7));
    assert_eq!(otc(Role::Provider, &plain), Some(OWN_AS));
    assert_eq!(otc(Role::Peer, &plain), Some(OWN_AS));
    assert_eq!(otc(Role::Customer, &plain), None);
    let client = PeerInfo {
        route_server_client: true,
        ..with(Role::RouteServer)
    };
    let sent = exported(&from, &plain, &client).expect("sent");
    assert_eq!(sent.rare.only_to_customer, Some(OWN_AS));
}

#[test]
fn rfc_8212_and_export_policy() {
    let from = peer(1, PeerKind::Client);
    let set = attributes(&from, &[7]);
    let strict = PeerInfo {
        require_policy: true,
        ..peer(2, PeerKind::External)
    };
    assert_eq!(exported(&from, &set, &strict), Err(Withheld::NoPolicy));
    let with = |name| PeerInfo {
        export: super::lab::named(name),
        ..strict.clone()
    };
    assert_eq!(exported(&from, &set, &with("none")), Err(Withheld::Policy));
    let sent = exported(&from, &set, &with("med")).expect("sent");
    assert_eq!(sent.med, Some(77), "set by policy, so not stripped");
    let hop = Ipv4Addr::new(192, 0, 2, 9);
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(hop)));
}

#[test]
fn rfc_8950_an_ipv4_route_needs_a_next_hop_the_peer_can_use() {
    let from = peer(1, PeerKind::Client);
    let over_v6 = PeerInfo {
        local_address: "2001:db8::1".parse::<IpAddr>().expect("an address"),
        ..peer(2, PeerKind::External)
    };
    let set = attributes(&from, &[]);
    assert_eq!(exported(&from, &set, &over_v6), Err(Withheld::NextHop));
    let both = PeerInfo {
        local_address_other: Some(IpAddr::V4(OWN_ID)),
        ..over_v6
    };
    let sent = exported(&from, &set, &both).expect("sent");
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(OWN_ID)));
}

#[test]
fn a_local_route_is_announced_with_ourselves_as_next_hop() {
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(PeerId(2), peer(2, PeerKind::Internal));
    let route = route(Family::Ipv4Unicast, 1);
    let table = TableId::Global(Family::Ipv4Unicast);
    rib.originate(table, route, Attributes::new(Origin::Igp, None));
    while rib.transmit(PeerId(2)).is_some() {}
    let sent = told(&rib, &route.nlri, PeerId(2)).expect("sent");
    assert_eq!(sent.next_hop, Some(NextHop::Ipv4(OWN_ID)));
    assert!(sent.as_path.is_empty());
}

/// RFC 4360 6.
#[test]
fn what_is_bound_to_our_as_stays_in_it() {
    let from = peer(1, PeerKind::Client);
    let (free, bound) = ([0, 2, 0, 1, 0, 0, 0, 1], [0x43, 0, 0, 0, 0, 0, 0, 1]);
    let all = [
        free,
        bound,
        ExtendedCommunity::link_bandwidth(65_000, 1e9).0,
    ]
    .map(ExtendedCommunity);
    let mut set = attributes(&from, &[7]);
    set.extended = all.into();
    let sent = |to: &PeerInfo| exported(&from, &set, to).expect("sent").extended;
    let external = peer(2, PeerKind::External);
    assert_eq!(*sent(&external), all[..1]);
    let server = PeerInfo {
        route_server_client: true,
        ..external.clone()
    };
    assert_eq!(*sent(&server), all[..1]);
    assert_eq!(*sent(&peer(2, PeerKind::Internal)), all);
    let added = PeerInfo {
        export: super::lab::named("bandwidth"),
        ..external
    };
    assert_eq!(
        *sent(&added),
        [all[0], ExtendedCommunity::link_bandwidth(1, 1.0)]
    );
}
