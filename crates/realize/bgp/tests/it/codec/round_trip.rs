//! What was encoded decodes to the same.

use super::generate::{attributes, contexts, routes};
use bgp::Family;
use bgp::attribute::{AsPath, Attributes};
use bgp::message::{
    EncodedAttributes, MessageKind, Section, UpdateBuilder, UpdateParts, frame, split,
};
use bgp::nlri::{Payload, Route, RouteIter};
use proptest::collection::vec;
use proptest::prelude::*;

/// The bodies of the UPDATEs in a buffer.
pub(crate) fn updates(mut buffer: &[u8], max: usize) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Some(frame) = frame(buffer, max).expect("our own messages are framed") {
        assert_eq!(frame.kind, MessageKind::Update);
        bodies.push(frame.body);
        buffer = &buffer[frame.bytes.len()..];
    }
    assert!(buffer.is_empty(), "octets behind the last message");
    bodies
}

/// The announced routes of an UPDATE, wherever they are.
fn announced(parts: &UpdateParts<'_>) -> (Section, Vec<Route>) {
    match parts.mp_reach {
        Some(reach) => (Section::Multiprotocol, reach.routes().collect()),
        None => (Section::Classic, parts.announced().collect()),
    }
}

fn withdrawn(parts: &UpdateParts<'_>) -> Vec<Route> {
    match parts.mp_unreach {
        Some(unreach) => unreach.routes().collect(),
        None => parts.withdrawn().collect(),
    }
}

fn with_attributes() -> impl Strategy<Value = (Attributes, (Family, bool, Vec<Route>))> {
    routes(400).prop_flat_map(|routes| (attributes(routes.0), Just(routes)))
}

proptest! {
    #![proptest_config(super::generate::cases(128))]

    #[test]
    fn announcements_come_back(
        (attributes, (family, add_path, routes)) in with_attributes(),
        max in prop_oneof![Just(4096usize), Just(65535)],
    ) {
        let (mut encode, mut decode) = contexts(true, add_path);
        encode.max_message = max;
        decode.extended_message = max > 4096;
        let encoded = EncodedAttributes::new(&attributes, &encode);
        let mut out = Vec::new();
        let mut builder = UpdateBuilder::announce(family, &encoded, &encode, &mut out);
        for route in &routes {
            builder.push(route).expect("attributes of the generator leave room");
        }
        let messages = builder.finish();
        let bodies = updates(&out, max);
        prop_assert_eq!(bodies.len(), messages);
        let mut back = Vec::new();
        for body in bodies {
            let parts = split(body, &decode).expect("valid");
            prop_assert_eq!(parts.end_of_rib(), None);
            let (section, routes) = announced(&parts);
            let decoded = parts.decode_attributes(section, &decode);
            prop_assert_eq!(&decoded.faults, &[]);
            prop_assert_eq!(decoded.attributes.as_ref(), Some(&attributes));
            let key = parts.key(section);
            prop_assert!(key.matches(&key.to_bytes()));
            back.extend(routes);
        }
        prop_assert_eq!(back, routes);
    }

    #[test]
    fn messages_are_packed_full((family, add_path, routes) in routes(1500)) {
        let (encode, decode) = contexts(true, add_path);
        let mut out = Vec::new();
        let mut builder = UpdateBuilder::withdraw(family, &encode, &mut out);
        for route in &routes {
            builder.push(route).expect("a withdraw always has room");
        }
        builder.finish();
        let bodies = updates(&out, 4096);
        let longest = 4 + 2 + 8 + 4 + 3 * 17 + 1;
        for body in &bodies[..bodies.len() - 1] {
            prop_assert!(19 + body.len() + longest > 4096, "room was left");
        }
        let mut back = Vec::new();
        for body in bodies {
            back.extend(withdrawn(&split(body, &decode).expect("valid")));
        }
        let keys = |routes: &[Route]| routes.iter().map(|route| (route.nlri, route.path_id)).collect::<Vec<_>>();
        prop_assert_eq!(keys(&back), keys(&routes));
        // RFC 8277 2.4.
        for route in &back {
            if let Payload::Label(label) = route.payload {
                prop_assert_eq!(label.field(), 0x80_0000);
            }
        }
    }

    #[test]
    fn a_two_octet_speaker_loses_nothing(attributes in attributes(Family::Ipv4Unicast)) {
        let (encode, decode) = contexts(false, false);
        let encoded = EncodedAttributes::new(&attributes, &encode);
        let mut out = Vec::new();
        let mut builder = UpdateBuilder::announce(Family::Ipv4Unicast, &encoded, &encode, &mut out);
        let route = "192.0.2.0/24".parse().map(bgp::nlri::Nlri::Ipv4).map(Route::bare);
        builder.push(&route.expect("a prefix")).expect("room");
        builder.finish();
        let parts = split(updates(&out, 4096)[0], &decode).expect("valid");
        let section = announced(&parts).0;
        let decoded = parts.decode_attributes(section, &decode);
        prop_assert_eq!(&decoded.faults, &[]);
        let mut back = decoded.attributes.expect("no fault");
        // RFC 6793 4.2.2 drops confederation segments from AS4_PATH: what is between or behind others is lost there by design.
        prop_assert_eq!(
            back.as_path.without_confederations(),
            attributes.as_path.without_confederations()
        );
        back.as_path = attributes.as_path.clone();
        prop_assert_eq!(back, attributes);
    }

    #[test]
    fn the_head_of_a_field_decides_nothing_about_its_tail((family, add_path, routes) in routes(20)) {
        let mut field = Vec::new();
        let mut ends = vec![0];
        for route in &routes {
            route.encode(add_path, false, &mut field);
            ends.push(field.len());
        }
        for cut in 0..field.len() {
            let read: Vec<_> = RouteIter::new(family, add_path, &field[..cut]).collect();
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let good: Vec<Route> = read.iter().filter_map(|route| route.ok()).collect();
            prop_assert_eq!(&good[..], &routes[..whole]);
            prop_assert_eq!(read.len() > good.len(), !ends.contains(&cut));
        }
    }

    #[test]
    fn prepending_keeps_the_rest(path in super::generate::as_path(), asn in 1..=u32::MAX, count in 0usize..600) {
        let longer = path.prepended(asn, count);
        prop_assert_eq!(longer.hops(), path.hops() + count);
        let expected: Vec<u32> = std::iter::repeat_n(asn, count).chain(path.asns()).collect();
        prop_assert_eq!(longer.asns().collect::<Vec<_>>(), expected);
        prop_assert_eq!(AsPath::from_segments(longer.as_bytes()), Some(longer.clone()));
        if count > 0 {
            prop_assert_eq!(longer.first_as(), Some(asn));
        }
        prop_assert_eq!(longer.occurrences(asn), path.occurrences(asn) + count);
    }

    #[test]
    fn mapping_a_path_touches_only_what_it_names(path in super::generate::as_path(), asns in vec(1..=u32::MAX, 2)) {
        let first = path.asns().next().unwrap_or(1);
        let replaced = path.replaced(first, asns[0]);
        let expected: Vec<u32> = path.asns().map(|asn| if asn == first { asns[0] } else { asn }).collect();
        prop_assert_eq!(replaced.asns().collect::<Vec<_>>(), expected);
        let public = path.without_private();
        prop_assert!(!public.asns().any(bgp::attribute::is_private));
        prop_assert_eq!(AsPath::from_segments(public.as_bytes()), Some(public.clone()));
    }
}

/// Attributes that fill a message but for `left` octets beside a route of 4 (10.0.0.0/24).
fn filling(left: usize) -> Attributes {
    let mut attributes = Attributes::new(
        bgp::attribute::Origin::Igp,
        Some(bgp::attribute::NextHop::Ipv4([192, 0, 2, 1].into())),
    );
    // Header and two lengths 23, ORIGIN 4, AS_PATH 3, NEXT_HOP 7, the unknown attribute's header 4, the route 4.
    let value = vec![7; 4096 - 23 - 4 - 3 - 7 - 4 - 4 - left];
    attributes.rare.unknown = [bgp::attribute::UnknownAttribute {
        flags: 0xe0,
        code: 99,
        value: value.into(),
    }]
    .into();
    attributes
}

#[test]
fn a_route_that_fits_to_the_octet_is_sent_and_one_that_does_not_leaves_nothing() {
    let (encode, decode) = contexts(true, false);
    let route = |text: &str| {
        Route::bare(bgp::nlri::Nlri::parse(Family::Ipv4Unicast, text).expect("a route"))
    };
    let encoded = EncodedAttributes::new(&filling(0), &encode);
    let mut out = vec![1, 2, 3];
    let mut builder = UpdateBuilder::announce(Family::Ipv4Unicast, &encoded, &encode, &mut out);
    builder
        .push(&route("10.0.0.0/24"))
        .expect("it fits to the octet");
    let error = builder
        .push(&route("10.0.0.1/32"))
        .expect_err("one octet too long");
    assert_eq!(error.max_message, 4096);
    builder
        .push(&route("10.0.1.0/24"))
        .expect("the builder goes on");
    assert_eq!(builder.finish(), 2);
    assert_eq!(out[..3], [1, 2, 3]);
    let bodies = updates(&out[3..], 4096);
    let sent: Vec<String> = bodies
        .iter()
        .flat_map(|body| {
            split(body, &decode)
                .expect("valid")
                .announced()
                .collect::<Vec<_>>()
        })
        .map(|route| route.nlri.to_string())
        .collect();
    assert_eq!(sent, ["10.0.0.0/24", "10.0.1.0/24"]);
    assert!(bodies.iter().all(|body| body.len() == 4096 - 19));
}

#[test]
fn attributes_longer_than_a_message_are_refused_in_both_layouts() {
    let (encode, _) = contexts(true, false);
    for family in [Family::Ipv4Unicast, Family::Vpnv4] {
        let mut attributes = filling(0);
        let unknown = attributes.rare.unknown[0].clone();
        let more = bgp::attribute::UnknownAttribute {
            code: 98,
            ..unknown.clone()
        };
        attributes.rare.unknown = [unknown, more].into();
        let encoded = EncodedAttributes::new(&attributes, &encode);
        let text = if family == Family::Vpnv4 {
            "1:1:10.0.0.0/8"
        } else {
            "10.0.0.0/8"
        };
        let route = Route::bare(bgp::nlri::Nlri::parse(family, text).expect("a route"));
        let mut out = Vec::new();
        let mut builder = UpdateBuilder::announce(family, &encoded, &encode, &mut out);
        assert!(builder.push(&route).is_err());
        assert_eq!(builder.finish(), 0);
        assert!(out.is_empty());
    }
}
