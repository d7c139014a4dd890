//! Octets written by hand from the RFCs, both ways.

use super::generate::contexts;
use super::round_trip::updates;
use bgp::attribute::{
    AsPath, Attributes, Community, Encapsulation, ExtendedCommunity, NextHop, Origin, Pmsi,
    TunnelKind,
};
use bgp::message::{EncodedAttributes, Section, UpdateBuilder, split};
use bgp::nlri::{
    Esi, EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
    RtMembership,
};
use bgp::{Family, FamilySet};

fn nlri(family: Family, text: &str) -> Nlri {
    Nlri::parse(family, text).expect("a route")
}

/// The body of the one UPDATE that announces these routes.
fn body(attributes: &Attributes, routes: &[Route], as4: bool) -> Vec<u8> {
    let (encode, _) = contexts(as4, false);
    let encoded = EncodedAttributes::new(attributes, &encode);
    let mut out = Vec::new();
    let family = routes[0].nlri.family();
    let mut builder = UpdateBuilder::announce(family, &encoded, &encode, &mut out);
    for route in routes {
        builder.push(route).expect("room");
    }
    assert_eq!(builder.finish(), 1);
    updates(&out, 4096)[0].to_vec()
}

#[test]
fn the_classic_update_of_rfc_4271() {
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4([192, 0, 2, 1].into())));
    attributes.as_path = AsPath::sequence(&[65001, 4_200_000_000]);
    attributes.med = Some(10);
    attributes.communities = [Community::new(65001, 100), Community::NO_EXPORT].into();
    let routes = ["10.0.0.0/8", "192.0.2.128/25", "0.0.0.0/0"]
        .map(|text| Route::bare(nlri(Family::Ipv4Unicast, text)));
    #[rustfmt::skip]
    let expected = [
        0, 0,
        0, 42,
        0x40, 1, 1, 0,
        0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0xfa, 0x56, 0xea, 0,
        0x40, 3, 4, 192, 0, 2, 1,
        0x80, 4, 4, 0, 0, 0, 10,
        0xc0, 8, 8, 0xfd, 0xe9, 0, 100, 0xff, 0xff, 0xff, 0x01,
        8, 10,
        25, 192, 0, 2, 128,
        0,
    ];
    assert_eq!(body(&attributes, &routes, true), expected);
}

#[test]
fn as4_path_towards_an_old_speaker() {
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4([192, 0, 2, 1].into())));
    attributes.as_path = AsPath::sequence(&[65001, 4_200_000_000]);
    let route = Route::bare(nlri(Family::Ipv4Unicast, "10.0.0.0/8"));
    #[rustfmt::skip]
    let expected = [
        0, 0,
        0, 33,
        0x40, 1, 1, 0,
        0x40, 2, 6, 2, 2, 0xfd, 0xe9, 0x5b, 0xa0,
        0x40, 3, 4, 192, 0, 2, 1,
        0xc0, 17, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0xfa, 0x56, 0xea, 0,
        8, 10,
    ];
    assert_eq!(body(&attributes, &[route], false), expected);
}

#[test]
fn an_old_speaker_between_new_ones_prepended() {
    // RFC 6793 4.2.3: the old speaker 64999 put itself before a path it could not read.
    #[rustfmt::skip]
    let body = [
        0, 0,
        0, 35,
        0x40, 1, 1, 0,
        0x40, 2, 8, 2, 3, 0xfd, 0xe7, 0xfd, 0xe9, 0x5b, 0xa0,
        0x40, 3, 4, 192, 0, 2, 1,
        0xc0, 17, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0xfa, 0x56, 0xea, 0,
        8, 10,
    ];
    let (_, context) = contexts(false, false);
    let parts = split(&body, &context).expect("valid");
    let decoded = parts.decode_attributes(Section::Classic, &context);
    let attributes = decoded.attributes.expect("no fault");
    assert_eq!(attributes.as_path.to_string(), "64999 65001 4200000000");
    assert_eq!(attributes.as_path.hops(), 3);
}

#[test]
fn a_vpn_route_of_rfc_4364_and_its_withdraws() {
    let mut attributes = Attributes::new(
        Origin::Incomplete,
        Some(NextHop::Ipv4([10, 0, 0, 1].into())),
    );
    attributes.local_pref = Some(100);
    attributes.extended = ["target:65000:1".parse().expect("a target")].into();
    let route = Route {
        nlri: nlri(Family::Vpnv4, "65000:7:192.0.2.0/24"),
        path_id: 0,
        payload: Payload::Label(Label::from_mpls(1000)),
    };
    #[rustfmt::skip]
    let expected = [
        0, 0,
        0, 61,
        // RFC 7606 5.1: MP_REACH_NLRI comes first.
        0x90, 14, 0, 32, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0,
        112, 0, 0x3e, 0x81, 0, 0, 0xfd, 0xe8, 0, 0, 0, 7, 192, 0, 2,
        0x40, 1, 1, 2,
        0x40, 2, 0,
        0x40, 5, 4, 0, 0, 0, 100,
        0xc0, 16, 8, 0, 2, 0xfd, 0xe8, 0, 0, 0, 1,
    ];
    assert_eq!(body(&attributes, &[route], true), expected);
    // What FRR, BIRD, RFC 8277 and GoBGP put in a withdraw's label: all mean the same route.
    let (_, context) = contexts(true, false);
    for label in [[0, 0, 0], [0, 0, 1], [0x80, 0, 0], [0, 0x3e, 0x81]] {
        #[rustfmt::skip]
        let mut body = [
            0, 0, 0, 21,
            0x80, 15, 18, 0, 1, 128,
            112, 0, 0, 0, 0, 0, 0xfd, 0xe8, 0, 0, 0, 7, 192, 0, 2,
        ];
        body[11..14].copy_from_slice(&label);
        let parts = split(&body, &context).expect("valid");
        let unreach = parts.mp_unreach.expect("there");
        let withdrawn: Vec<Nlri> = unreach.routes().map(|route| route.nlri).collect();
        assert_eq!(withdrawn, [route.nlri]);
    }
}

#[test]
fn ipv4_routes_over_an_ipv6_next_hop() {
    // RFC 8950 3, with a link-local address beside the global one.
    let next_hop = NextHop::Ipv6 {
        global: "2001:db8::1".parse().expect("an address"),
        link_local: Some("fe80::1".parse().expect("an address")),
    };
    let attributes = Attributes::new(Origin::Igp, Some(next_hop));
    let route = Route::bare(nlri(Family::Ipv4Unicast, "10.0.0.0/8"));
    #[rustfmt::skip]
    let expected = [
        0, 0,
        0, 50,
        0x90, 14, 0, 39, 0, 1, 1, 32,
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0,
        8, 10,
        0x40, 1, 1, 0,
        0x40, 2, 0,
    ];
    let built = body(&attributes, &[route], true);
    assert_eq!(built, expected);
    let (_, mut context) = contexts(true, false);
    let reach = split(&built, &context)
        .expect("valid")
        .mp_reach
        .expect("there");
    assert_eq!(reach.next_hop, next_hop);
    context.extended_next_hop = FamilySet::EMPTY;
    assert!(
        split(&built, &context).is_err(),
        "not negotiated: the length is wrong"
    );
}

#[test]
fn a_mac_of_rfc_7432_with_its_communities() {
    let nlri = EvpnNlri::MacIp {
        rd: RouteDistinguisher([0, 1, 10, 0, 0, 1, 0, 2]),
        tag: 0,
        mac: Mac([2, 0, 0, 0, 0, 1]),
        ip: Some([192, 0, 2, 9].into()),
    };
    let payload = EvpnPayload {
        esi: Esi([0; 10]),
        label: Label::from_vni(10010),
        label2: Some(Label::from_vni(50001)),
        ..EvpnPayload::default()
    };
    let route = Route {
        nlri: Nlri::Evpn(nlri),
        path_id: 0,
        payload: Payload::Evpn(payload),
    };
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4([10, 0, 0, 1].into())));
    attributes.extended = [
        ExtendedCommunity::encapsulation(Encapsulation::Vxlan),
        ExtendedCommunity::router_mac(Mac([2, 0, 0, 0, 0, 0xff])),
        ExtendedCommunity::mac_mobility(3, true),
    ]
    .into();
    #[rustfmt::skip]
    let expected = [
        0, 0,
        0, 89,
        0x90, 14, 0, 51, 0, 25, 70, 4, 10, 0, 0, 1, 0,
        2, 40,
        0, 1, 10, 0, 0, 1, 0, 2,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0,
        48, 2, 0, 0, 0, 0, 1,
        32, 192, 0, 2, 9,
        0, 0x27, 0x1a,
        0, 0xc3, 0x51,
        0x40, 1, 1, 0,
        0x40, 2, 0,
        0xc0, 16, 24,
        3, 0x0c, 0, 0, 0, 0, 0, 8,
        6, 3, 2, 0, 0, 0, 0, 0xff,
        6, 0, 1, 0, 0, 0, 0, 3,
    ];
    assert_eq!(body(&attributes, &[route], true), expected);
    assert_eq!(attributes.mac_mobility(), Some((3, true)));
    assert_eq!(
        attributes.encapsulations().collect::<Vec<_>>(),
        [Encapsulation::Vxlan]
    );
}

#[test]
fn an_evpn_type_nobody_knows_is_passed_over() {
    let (_, context) = contexts(true, false);
    // Type 9, then a type 3, then a type 2 whose MAC length is 40.
    #[rustfmt::skip]
    let mut body = vec![
        0, 0, 0, 0,
        0x80, 15, 0, 0, 25, 70,
        9, 3, 1, 2, 3,
        3, 17, 0, 1, 10, 0, 0, 1, 0, 2, 0, 0, 0, 0, 32, 10, 0, 0, 1,
        2, 33, 0, 1, 10, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0,
    ];
    body[6] = u8::try_from(body.len() - 7).expect("short");
    body[3] = u8::try_from(body.len() - 4).expect("short");
    let parts = split(&body, &context).expect("nothing to reset for");
    let unreach = parts.mp_unreach.expect("there");
    let routes: Vec<String> = unreach
        .routes()
        .map(|route| route.nlri.to_string())
        .collect();
    assert_eq!(routes, ["10.0.0.1:2:[3]:[0]:[32]:[10.0.0.1]"]);
    assert_eq!(parts.skipped, 2);
}

#[test]
fn route_target_membership_of_rfc_4684() {
    let target = RouteTarget([0, 2, 0xfd, 0xe8, 0, 0, 0, 1]);
    let cases: [(RtMembership, &[u8]); 3] = [
        (RtMembership::Default, &[0]),
        (
            RtMembership::target(65000, target, 64),
            &[96, 0, 0, 0xfd, 0xe8, 0, 2, 0xfd, 0xe8, 0, 0, 0, 1],
        ),
        (
            RtMembership::target(65000, target, 20),
            &[52, 0, 0, 0xfd, 0xe8, 0, 2, 0xf0],
        ),
    ];
    for (membership, expected) in cases {
        let mut out = Vec::new();
        Route::bare(Nlri::RouteTarget(membership)).encode(false, false, &mut out);
        assert_eq!(out, expected, "{membership}");
    }
}

#[test]
fn end_of_rib_markers() {
    let (_, context) = contexts(true, false);
    for family in Family::ALL {
        let mut out = Vec::new();
        UpdateBuilder::end_of_rib(family, &mut out);
        let parts = split(updates(&out, 4096)[0], &context).expect("valid");
        assert_eq!(parts.end_of_rib(), Some(family));
        if family == Family::Ipv4Unicast {
            assert_eq!(out.len(), 23);
        }
    }
}

#[test]
fn ingress_replication_of_rfc_6514() {
    let pmsi = Pmsi::ingress_replication([10, 0, 0, 1].into(), 10010);
    assert_eq!(pmsi.kind(), TunnelKind::IngressReplication);
    assert_eq!(pmsi.endpoint(), Some([10, 0, 0, 1].into()));
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4([10, 0, 0, 1].into())));
    attributes.rare.pmsi = Some(Box::new(pmsi));
    let nlri = EvpnNlri::InclusiveMulticast {
        rd: RouteDistinguisher([0, 1, 10, 0, 0, 1, 0, 2]),
        tag: 0,
        originator: [10, 0, 0, 1].into(),
    };
    let body = body(&attributes, &[Route::bare(Nlri::Evpn(nlri))], true);
    assert!(
        body.ends_with(&[0xc0, 22, 9, 0, 6, 0, 0x27, 0x1a, 10, 0, 0, 1]),
        "{body:02x?}"
    );
}

#[test]
fn a_labeled_route_without_a_label_has_implicit_null() {
    let route = Route::bare(nlri(Family::Ipv4Labeled, "10.0.0.0/8"));
    let mut out = Vec::new();
    route.encode(false, false, &mut out);
    route.encode(false, true, &mut out);
    assert_eq!(out, [32, 0, 0, 0x31, 10, 32, 0x80, 0, 0, 10]);
}

#[test]
fn a_prefix_with_two_places_to_be_counts_as_withdrawn() {
    let Nlri::Evpn(nlri) = nlri(Family::Evpn, "65000:1:[5]:[0]:[24]:[10.1.1.0]") else {
        panic!("an EVPN route");
    };
    let route = |esi: u8, gateway: Option<std::net::IpAddr>| Route {
        nlri: Nlri::Evpn(nlri),
        path_id: 0,
        payload: Payload::Evpn(EvpnPayload {
            esi: Esi([esi; 10]),
            gateway,
            ..EvpnPayload::default()
        }),
    };
    let gateway = Some([10, 1, 1, 1].into());
    assert!(route(1, gateway).treat_as_withdraw().is_some());
    assert!(route(0, gateway).treat_as_withdraw().is_none());
    assert!(route(1, None).treat_as_withdraw().is_none());
}

/// RFC 4271 5: what was not understood is passed on as partial if it is transitive, and not at all if it is not.
#[test]
fn unknown_attributes_are_passed_on_as_partial() {
    #[rustfmt::skip]
    let received = [
        0, 0, 0, 28,
        0x40, 1, 1, 0,
        0x40, 2, 0,
        0x40, 3, 4, 192, 0, 2, 1,
        // Transitive, with a length of two octets it does not need; then one that is not transitive.
        0xd0, 98, 0, 2, 7, 8,
        0x80, 99, 5, 1, 2, 3, 4, 5,
        8, 10,
    ];
    let (_, context) = contexts(true, false);
    let parts = split(&received, &context).expect("valid");
    let decoded = parts.decode_attributes(Section::Classic, &context);
    let attributes = decoded.attributes.expect("no fault");
    let routes: Vec<Route> = parts.announced().collect();
    #[rustfmt::skip]
    let sent = [
        0, 0, 0, 19,
        0x40, 1, 1, 0,
        0x40, 2, 0,
        0x40, 3, 4, 192, 0, 2, 1,
        0xe0, 98, 2, 7, 8,
        8, 10,
    ];
    assert_eq!(body(&attributes, &routes, true), sent);
}
