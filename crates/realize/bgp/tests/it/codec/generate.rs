//! Generators of valid routes, attributes and contexts.

use bgp::attribute::{
    Aggregator, AsPath, Attributes, Community, ExtendedCommunity, Ipv6ExtendedCommunity,
    LargeCommunity, NextHop, Origin, Pmsi, Rare, UnknownAttribute,
};
use bgp::message::{CodecContext, EncodeContext};
use bgp::nlri::{
    Esi, EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
    RtMembership,
};
use bgp::{Family, FamilySet};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn family() -> impl Strategy<Value = Family> {
    proptest::sample::select(Family::ALL.to_vec())
}

pub(crate) fn ipv4_net() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0..=32u8)
        .prop_map(|(address, length)| Ipv4Net::new_assert(address.into(), length).trunc())
}

pub(crate) fn ipv6_net() -> impl Strategy<Value = Ipv6Net> {
    (any::<u128>(), 0..=128u8)
        .prop_map(|(address, length)| Ipv6Net::new_assert(address.into(), length).trunc())
}

pub(crate) fn rd() -> impl Strategy<Value = RouteDistinguisher> {
    prop_oneof![
        (0..=2u8, any::<[u8; 6]>())
            .prop_map(|(form, [a, b, c, d, e, f])| RouteDistinguisher([0, form, a, b, c, d, e, f])),
        any::<[u8; 8]>().prop_map(RouteDistinguisher),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|address| IpAddr::V4(address.into())),
        any::<u128>().prop_map(|address| IpAddr::V6(address.into())),
    ]
}

fn label() -> impl Strategy<Value = Label> {
    (0..1u32 << 24).prop_map(Label::from_field)
}

/// RD, Ethernet tag, ESI.
fn ids() -> impl Strategy<Value = (RouteDistinguisher, u32, Esi)> {
    (rd(), any::<u32>(), any::<[u8; 10]>().prop_map(Esi))
}

fn none() -> EvpnPayload {
    EvpnPayload::default()
}

pub(crate) fn evpn() -> impl Strategy<Value = (EvpnNlri, EvpnPayload)> {
    let one = (ids(), label()).prop_map(|((rd, tag, esi), label)| {
        let payload = EvpnPayload {
            esi,
            label,
            ..none()
        };
        (EvpnNlri::AutoDiscovery { rd, esi, tag }, payload)
    });
    let three = (ids(), address()).prop_map(|((rd, tag, _), originator)| {
        (
            EvpnNlri::InclusiveMulticast {
                rd,
                tag,
                originator,
            },
            none(),
        )
    });
    let four = (ids(), address()).prop_map(|((rd, _, esi), originator)| {
        let payload = EvpnPayload { esi, ..none() };
        (
            EvpnNlri::EthernetSegment {
                rd,
                esi,
                originator,
            },
            payload,
        )
    });
    let five =
        (ids(), label(), ip_prefix()).prop_map(|((rd, tag, esi), label, (prefix, gateway))| {
            let payload = EvpnPayload {
                esi,
                label,
                gateway,
                ..none()
            };
            (EvpnNlri::IpPrefix { rd, tag, prefix }, payload)
        });
    prop_oneof![one, mac_ip(), three, four, five, selective_multicast()]
}

fn mac_ip() -> impl Strategy<Value = (EvpnNlri, EvpnPayload)> {
    let mac = any::<[u8; 6]>().prop_map(Mac);
    (
        ids(),
        mac,
        option::of(address()),
        label(),
        option::of(label()),
    )
        .prop_map(|((rd, tag, esi), mac, ip, label, label2)| {
            let payload = EvpnPayload {
                esi,
                label,
                label2,
                ..none()
            };
            (EvpnNlri::MacIp { rd, tag, mac, ip }, payload)
        })
}

fn selective_multicast() -> impl Strategy<Value = (EvpnNlri, EvpnPayload)> {
    let pair = (option::of(address()), option::of(address()));
    (ids(), pair, address(), any::<u8>()).prop_map(
        |((rd, tag, _), (source, group), originator, flags)| {
            let payload = EvpnPayload { flags, ..none() };
            let nlri = EvpnNlri::SelectiveMulticast {
                rd,
                tag,
                source,
                group,
                originator,
            };
            (nlri, payload)
        },
    )
}

/// A prefix and a gateway of its family.
fn ip_prefix() -> impl Strategy<Value = (IpNet, Option<IpAddr>)> {
    prop_oneof![
        (ipv4_net(), option::of(1..u32::MAX)).prop_map(|(net, gateway)| {
            (
                net.into(),
                gateway.map(|gateway| Ipv4Addr::from(gateway).into()),
            )
        }),
        (ipv6_net(), option::of(1..u128::MAX)).prop_map(|(net, gateway)| {
            (
                net.into(),
                gateway.map(|gateway| Ipv6Addr::from(gateway).into()),
            )
        }),
    ]
}

pub(crate) fn membership() -> impl Strategy<Value = RtMembership> {
    let target = (
        any::<u32>(),
        any::<[u8; 8]>().prop_map(RouteTarget),
        0..=64u8,
    )
        .prop_map(|(origin, target, bits)| RtMembership::target(origin, target, bits));
    prop_oneof![1 => Just(RtMembership::Default), 9 => target]
}

/// A route of a family; its path id is 0.
pub(crate) fn route(family: Family) -> BoxedStrategy<Route> {
    let plain = |nlri| (nlri, Payload::None);
    let labeled = |(nlri, label)| (nlri, Payload::Label(label));
    let parts = match family {
        Family::Ipv4Unicast => ipv4_net().prop_map(Nlri::Ipv4).prop_map(plain).boxed(),
        Family::Ipv6Unicast => ipv6_net().prop_map(Nlri::Ipv6).prop_map(plain).boxed(),
        Family::Ipv4Labeled => (ipv4_net().prop_map(Nlri::LabeledIpv4), label())
            .prop_map(labeled)
            .boxed(),
        Family::Ipv6Labeled => (ipv6_net().prop_map(Nlri::LabeledIpv6), label())
            .prop_map(labeled)
            .boxed(),
        Family::Vpnv4 => (
            (rd(), ipv4_net()).prop_map(|(rd, net)| Nlri::Vpnv4(rd, net)),
            label(),
        )
            .prop_map(labeled)
            .boxed(),
        Family::Vpnv6 => (
            (rd(), ipv6_net()).prop_map(|(rd, net)| Nlri::Vpnv6(rd, net)),
            label(),
        )
            .prop_map(labeled)
            .boxed(),
        Family::Evpn => evpn()
            .prop_map(|(nlri, payload)| (Nlri::Evpn(nlri), Payload::Evpn(payload)))
            .boxed(),
        Family::RouteTarget => membership()
            .prop_map(Nlri::RouteTarget)
            .prop_map(plain)
            .boxed(),
    };
    parts
        .prop_map(|(nlri, payload)| Route {
            nlri,
            path_id: 0,
            payload,
        })
        .boxed()
}

/// Routes of one family, with path ids if asked for.
pub(crate) fn routes(most: usize) -> impl Strategy<Value = (Family, bool, Vec<Route>)> {
    (family(), any::<bool>()).prop_flat_map(move |(family, add_path)| {
        let one = (route(family), any::<u32>()).prop_map(move |(mut route, id)| {
            route.path_id = if add_path { id } else { 0 };
            route
        });
        (Just(family), Just(add_path), vec(one, 1..most))
    })
}

/// A next hop that the family can carry as it is.
pub(crate) fn next_hop(family: Family) -> BoxedStrategy<NextHop> {
    let ipv4 = (1..0xe000_0000u32).prop_map(|address| NextHop::Ipv4(address.into()));
    let global = (1..0xfe00u128 << 112).prop_map(Ipv6Addr::from);
    let link_local = any::<u64>().prop_map(|id| Ipv6Addr::from(0xfe80u128 << 112 | u128::from(id)));
    let one = global.clone().prop_map(|global| NextHop::Ipv6 {
        global,
        link_local: None,
    });
    let two = (global, option::of(link_local))
        .prop_map(|(global, link_local)| NextHop::Ipv6 { global, link_local });
    match family {
        Family::Ipv4Unicast | Family::Ipv4Labeled | Family::Vpnv4 => prop_oneof![ipv4, two].boxed(),
        Family::Ipv6Unicast | Family::Ipv6Labeled | Family::Vpnv6 => two.boxed(),
        Family::Evpn | Family::RouteTarget => prop_oneof![ipv4, one].boxed(),
    }
}

/// Paths of every kind of segment, AS numbers of both sizes.
pub(crate) fn as_path() -> impl Strategy<Value = AsPath> {
    let asn = prop_oneof![1..65536u32, 1..=u32::MAX];
    let segment = (1..=4u8, vec(asn, 1..8)).prop_map(|(kind, asns)| {
        let mut octets = vec![kind, u8::try_from(asns.len()).expect("at most 7")];
        asns.iter()
            .for_each(|asn| octets.extend_from_slice(&asn.to_be_bytes()));
        octets
    });
    vec(segment, 0..4).prop_map(|segments| {
        AsPath::from_segments(&segments.concat()).expect("well-formed by construction")
    })
}

pub(crate) fn extended() -> impl Strategy<Value = ExtendedCommunity> {
    let named = (
        proptest::sample::select(vec![
            [0, 2],
            [1, 2],
            [2, 2],
            [0, 3],
            [1, 3],
            [3, 0x0b],
            [3, 0x0c],
            [3, 0x0d],
            [0x40, 4],
            [0, 4],
            [6, 0],
            [6, 1],
            [6, 2],
            [6, 3],
            [6, 4],
            [6, 5],
            [6, 6],
            [6, 9],
            [0x80, 0x71],
        ]),
        prop_oneof![
            any::<[u8; 6]>(),
            (0..20u8).prop_map(|low| [0, 0, 0, 0, 0, low])
        ],
    )
        .prop_map(|([high, low], [a, b, c, d, e, f])| {
            ExtendedCommunity([high, low, a, b, c, d, e, f])
        });
    prop_oneof![named, any::<[u8; 8]>().prop_map(ExtendedCommunity)]
}

fn pmsi() -> impl Strategy<Value = Pmsi> {
    prop_oneof![
        (address(), 0..1u32 << 24)
            .prop_map(|(address, vni)| Pmsi::ingress_replication(address, vni)),
        (any::<u8>(), 0..1u32 << 24, vec(any::<u8>(), 12)).prop_map(|(flags, label, tunnel)| {
            Pmsi {
                flags,
                tunnel_type: 1,
                label,
                tunnel: tunnel.into(),
            }
        }),
    ]
}

fn rare() -> impl Strategy<Value = Rare> {
    let unknown =
        (100..=200u8, vec(any::<u8>(), 0..300)).prop_map(|(code, value)| UnknownAttribute {
            flags: 0xe0,
            code,
            value: value.into(),
        });
    let aggregator = (1..=u32::MAX, any::<u32>()).prop_map(|(asn, address)| Aggregator {
        asn,
        address: address.into(),
    });
    let lists = (
        vec(any::<u32>().prop_map(Ipv4Addr::from), 0..4),
        option::of(pmsi()),
        vec(any::<[u8; 20]>().prop_map(Ipv6ExtendedCommunity), 0..3),
        vec(unknown, 0..3),
    );
    (
        option::of(aggregator),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        lists,
    )
        .prop_map(
            |(aggregator, originator, customer, (clusters, pmsi, ipv6, mut unknown))| {
                unknown.sort_by_key(|one| one.code);
                unknown.dedup_by_key(|one| one.code);
                let mut rare = Rare::default();
                rare.aggregator = aggregator;
                rare.originator_id = originator.map(Ipv4Addr::from);
                rare.only_to_customer = customer;
                rare.cluster_list = clusters.into();
                rare.pmsi = pmsi.map(Box::new);
                rare.ipv6_extended = ipv6.into();
                rare.unknown = unknown.into();
                rare
            },
        )
}

/// Any attributes, with a next hop for `family`.
pub(crate) fn attributes(family: Family) -> impl Strategy<Value = Attributes> {
    let origin = proptest::sample::select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete]);
    let large = any::<(u32, u32, u32)>().prop_map(|(global, local1, local2)| LargeCommunity {
        global,
        local1,
        local2,
    });
    let lists = (
        vec(any::<u32>().prop_map(Community), 0..100),
        vec(extended(), 0..8),
        vec(large, 0..6),
    );
    (
        (origin, any::<bool>(), next_hop(family)),
        (option::of(any::<u32>()), option::of(any::<u32>())),
        as_path(),
        lists,
        prop_oneof![Just(Rare::default()), rare()],
    )
        .prop_map(
            |((origin, atomic, next_hop), (med, local_pref), as_path, lists, rare)| {
                let mut attributes = Attributes::new(origin, Some(next_hop));
                attributes.atomic_aggregate = atomic;
                attributes.med = med;
                attributes.local_pref = local_pref;
                attributes.as_path = as_path;
                attributes.communities = lists.0.into();
                attributes.extended = lists.1.into();
                attributes.large = lists.2.into();
                attributes.rare = rare;
                attributes
            },
        )
}

/// An iBGP session of everything, and its two directions.
pub(crate) fn contexts(as4: bool, add_path: bool) -> (EncodeContext, CodecContext) {
    let add_path = if add_path {
        FamilySet::ALL
    } else {
        FamilySet::EMPTY
    };
    let encode = EncodeContext {
        as4,
        add_path_tx: add_path,
        ..EncodeContext::default()
    };
    let decode = CodecContext {
        as4,
        extended_message: false,
        ebgp: false,
        families: FamilySet::ALL,
        add_path_rx: add_path,
        extended_next_hop: FamilySet::ALL,
    };
    (encode, decode)
}

/// Failures are not kept in files: a bug gets a test named after its symptom.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
