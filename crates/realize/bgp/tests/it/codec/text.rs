//! Every text form reads back.

use super::generate::{as_path, attributes, evpn, extended, membership, next_hop, rd, route};
use bgp::Family;
use bgp::attribute::{AsPath, Community, ExtendedCommunity, LargeCommunity, NextHop, Origin};
use bgp::nlri::{Esi, EvpnNlri, Mac, Nlri, RouteDistinguisher, RouteTarget, RtMembership};
use proptest::prelude::*;
use std::fmt::{Debug, Display};
use std::str::FromStr;

fn reads_back<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Display + FromStr + PartialEq + Debug,
    T::Err: Debug,
{
    let text = value.to_string();
    let back = text.parse::<T>();
    prop_assert_eq!(back.as_ref().ok(), Some(value), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(super::generate::cases(400))]

    #[test]
    fn small_ones(octets in any::<[u8; 20]>(), numbers in any::<(u32, u32, u32)>(), rd in rd()) {
        let [a, b, c, d, e, f, g, h, i, j, ..] = octets;
        reads_back(&Mac([a, b, c, d, e, f]))?;
        reads_back(&Esi([a, b, c, d, e, f, g, h, i, j]))?;
        reads_back(&rd)?;
        for origin in [Origin::Igp, Origin::Egp, Origin::Incomplete] {
            reads_back(&origin)?;
        }
        reads_back(&RouteTarget([a, b, c, d, e, f, g, h]))?;
        reads_back(&RouteTarget([a % 3, 2, c, d, e, f, g, h]))?;
        reads_back(&Community(numbers.0))?;
        reads_back(&Community(0xffff_0000 | numbers.0 & 0xf))?;
        let (global, local1, local2) = numbers;
        reads_back(&LargeCommunity { global, local1, local2 })?;
    }

    #[test]
    fn paths(path in as_path()) {
        // Neighbouring segments of one kind print as two, but sequences as one.
        let back: AsPath = path.to_string().parse().expect("readable");
        prop_assert_eq!(back.asns().collect::<Vec<_>>(), path.asns().collect::<Vec<_>>());
        prop_assert_eq!(back.hops(), path.hops());
        reads_back(&back)?;
    }

    #[test]
    fn extended_communities(community in extended()) {
        reads_back(&community)?;
    }

    #[test]
    fn evpn_routes((nlri, _) in evpn()) {
        reads_back(&nlri)?;
    }

    #[test]
    fn memberships(membership in membership()) {
        reads_back(&membership)?;
    }

    #[test]
    fn routes_of_every_family(route in super::generate::family().prop_flat_map(route)) {
        let text = route.nlri.to_string();
        prop_assert_eq!(Nlri::parse(route.nlri.family(), &text), Ok(route.nlri));
    }

    #[test]
    fn next_hops(next_hop in next_hop(Family::Vpnv4)) {
        reads_back(&next_hop)?;
    }

    #[test]
    fn strange_words_are_refused_not_fatal(text in ".{0,40}") {
        let _ = text.parse::<AsPath>();
        let _ = text.parse::<Community>();
        let _ = text.parse::<LargeCommunity>();
        let _ = text.parse::<NextHop>();
        let _ = text.parse::<Mac>();
        let _ = text.parse::<Esi>();
        let _ = text.parse::<EvpnNlri>();
        let _ = text.parse::<RtMembership>();
        let _ = text.parse::<RouteDistinguisher>();
        for family in Family::ALL {
            let _ = Nlri::parse(family, &text);
        }
        if let Ok(community) = text.parse::<ExtendedCommunity>() {
            reads_back(&community)?;
        }
    }

    #[test]
    fn equal_attributes_hash_alike(mut attributes in attributes(Family::Evpn)) {
        use std::hash::BuildHasher;
        let hasher = std::hash::RandomState::new();
        let copy = attributes.clone();
        // A write that changes nothing allocates what was absent; that must not show.
        let _: &mut bgp::attribute::RareAttributes = &mut attributes.rare;
        prop_assert_eq!(&attributes, &copy);
        prop_assert_eq!(hasher.hash_one(&attributes), hasher.hash_one(&copy));
    }
}

#[test]
fn the_forms_an_operator_knows() {
    let target = |text: &str| text.parse::<RouteTarget>().map(|target| target.0);
    assert_eq!(target("65000:1"), Ok([0, 2, 0xfd, 0xe8, 0, 0, 0, 1]));
    assert_eq!(target("target:65000:1"), target("65000:1"));
    assert_eq!(target("192.0.2.1:7"), Ok([1, 2, 192, 0, 2, 1, 0, 7]));
    assert_eq!(
        target("4200000000:1"),
        Ok([2, 2, 0xfa, 0x56, 0xea, 0, 0, 1])
    );
    assert_eq!(target("65000L:1"), Ok([2, 2, 0, 0, 0xfd, 0xe8, 0, 1]));
    assert!(target("65000:4294967296").is_err());
    assert!(target("4200000000:65536").is_err());
    assert_eq!("no-export".parse::<Community>(), Ok(Community::NO_EXPORT));
    assert_eq!("65535:666".parse::<Community>(), Ok(Community::BLACKHOLE));
    assert_eq!(Community::BLACKHOLE.to_string(), "blackhole");
    let route = "65000:1:[2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[192.0.2.9]";
    let parsed = Nlri::parse(Family::Evpn, route).expect("a route of type 2");
    assert_eq!(parsed.to_string(), route);
    let path: AsPath = "65001 65002 {65003,65004}".parse().expect("a path");
    assert_eq!(
        (path.hops(), path.first_as(), path.origin_as()),
        (3, Some(65001), None)
    );
    assert_eq!(
        "encapsulation:vxlan"
            .parse::<ExtendedCommunity>()
            .map(|one| one.0),
        Ok([3, 0x0c, 0, 0, 0, 0, 0, 8])
    );
    let error = "10.0.0.1/24 "
        .parse::<RouteDistinguisher>()
        .expect_err("no distinguisher");
    assert!(error.to_string().contains("10.0.0.1/24 "));
    assert!(
        Nlri::parse(Family::Ipv4Unicast, "10.0.0.1/24").is_err(),
        "host bits"
    );
}
