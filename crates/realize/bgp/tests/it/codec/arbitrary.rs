//! Octets of a stranger: whatever they are, decoding ends, within their length, and in bounds.

use super::generate::{contexts, family};
use bgp::attribute::Attributes;
use bgp::message::{CodecContext, Message, Section, frame, split};
use bgp::nlri::RouteIter;
use proptest::collection::vec;
use proptest::prelude::*;

fn context() -> impl Strategy<Value = CodecContext> {
    any::<[bool; 5]>().prop_map(|[as4, add_path, ebgp, extended_message, next_hop]| {
        let (_, mut context) = contexts(as4, add_path);
        context.ebgp = ebgp;
        context.extended_message = extended_message;
        if !next_hop {
            context.extended_next_hop = bgp::FamilySet::EMPTY;
        }
        context
    })
}

/// Octets that look like an UPDATE often enough to get past its first checks.
fn update_like() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (
        proptest::sample::select(vec![0x40u8, 0x80, 0xc0, 0xe0, 0x90, 0xd0, 0x00]),
        prop_oneof![0..40u8, any::<u8>()],
        vec(prop_oneof![0..5u8, any::<u8>()], 0..60),
        proptest::bool::weighted(0.9),
    )
        .prop_map(|(flags, code, value, honest)| {
            let mut octets = vec![flags, code];
            let length = value.len() + usize::from(!honest);
            if flags & 0x10 != 0 {
                octets.push(0);
            }
            octets.push(u8::try_from(length).expect("at most 60"));
            octets.extend(value);
            octets
        });
    (
        vec(any::<u8>(), 0..12),
        vec(attribute, 0..10),
        vec(any::<u8>(), 0..24),
    )
        .prop_map(|(withdrawn, attributes, nlri)| {
            let attributes = attributes.concat();
            let mut body = Vec::new();
            for field in [&withdrawn, &attributes] {
                let length = u16::try_from(field.len()).expect("small");
                body.extend_from_slice(&length.to_be_bytes());
                body.extend_from_slice(field);
            }
            body.extend(nlri);
            body
        })
}

/// What a set of attributes takes beside its fixed size.
fn octets(attributes: &Attributes) -> usize {
    let rare = &attributes.rare;
    attributes.as_path.as_bytes().len()
        + size_of_val(&*attributes.communities)
        + size_of_val(&*attributes.extended)
        + size_of_val(&*attributes.large)
        + size_of_val(&*rare.cluster_list)
        + size_of_val(&*rare.ipv6_extended)
        + rare.pmsi.as_ref().map_or(0, |pmsi| pmsi.tunnel.len())
        + size_of_val(&*rare.unknown)
        + rare
            .unknown
            .iter()
            .map(|one| one.value.len())
            .sum::<usize>()
}

fn exercise(body: &[u8], context: &CodecContext) {
    let Ok(parts) = split(body, context) else {
        return;
    };
    let mut routes = parts.withdrawn().count() + parts.announced().count();
    routes += parts.mp_reach.map_or(0, |reach| reach.routes().count());
    routes += parts
        .mp_unreach
        .map_or(0, |unreach| unreach.routes().count());
    assert!(routes <= body.len());
    for section in [Section::Classic, Section::Multiprotocol] {
        let decoded = parts.decode_attributes(section, context);
        let kept = decoded.attributes.as_ref().map_or(0, octets);
        // 2-octet AS numbers become 4; an unknown attribute of no octets is an entry of a few words.
        assert!(
            kept <= 12 * body.len(),
            "{kept} octets kept of {}",
            body.len()
        );
        assert!(decoded.faults.len() <= 64);
        for fault in &decoded.faults {
            assert!(!fault.to_string().is_empty());
            assert!(fault.bytes.len() <= 256);
        }
        let key = parts.key(section);
        assert!(key.matches(&key.to_bytes()));
    }
}

proptest! {
    #![proptest_config(super::generate::cases(2000))]

    #[test]
    fn updates(body in update_like(), context in context()) {
        exercise(&body, &context);
    }

    #[test]
    fn noise(body in vec(any::<u8>(), 0..200), context in context()) {
        exercise(&body, &context);
    }

    #[test]
    fn streams(bytes in vec(any::<u8>(), 0..80), kind in 1..=6u8, honest in any::<bool>()) {
        let mut message = vec![0xff; 16];
        let length = u16::try_from(19 + bytes.len()).expect("small") + u16::from(!honest);
        message.extend_from_slice(&length.to_be_bytes());
        message.push(kind);
        message.extend(bytes);
        if let Ok(Some(frame)) = frame(&message, 4096) {
            prop_assert_eq!(frame.bytes, &message[..usize::from(length)]);
            match Message::decode(frame) {
                Ok(Message::Notification(notification)) => {
                    prop_assert!(!notification.to_string().is_empty());
                }
                Ok(Message::Open(open)) => {
                    let mut again = Vec::new();
                    open.encode(&mut again);
                    prop_assert!(again.len() <= 4096);
                }
                Ok(_) => {}
                Err(notification) => prop_assert!(notification.code.code <= 7),
            }
        }
    }

    #[test]
    fn routes(family in family(), add_path in any::<bool>(), field in vec(any::<u8>(), 0..120)) {
        let mut routes = RouteIter::new(family, add_path, &field);
        let count = routes.by_ref().count();
        prop_assert!(count + routes.skipped() as usize <= field.len());
        prop_assert!(routes.rest().is_empty());
        // What was read encodes again to what can be read.
        for route in RouteIter::new(family, add_path, &field).flatten() {
            let mut again = Vec::new();
            route.encode(add_path, false, &mut again);
            let back: Vec<_> = RouteIter::new(family, add_path, &again).collect();
            prop_assert_eq!(back, vec![Ok(route)]);
        }
    }
}

#[test]
fn a_thousand_faults_are_told_in_sixty_four() {
    let (_, context) = contexts(true, false);
    // ORIGIN a thousand times, then a COMMUNITIES of a wrong length: the discards are many, the withdraw is one.
    let mut attributes = [0x40, 1, 1, 0].repeat(1000);
    attributes.extend_from_slice(&[0xc0, 8, 1, 0]);
    let mut body = vec![0, 0];
    body.extend_from_slice(
        &u16::try_from(attributes.len())
            .expect("small")
            .to_be_bytes(),
    );
    body.extend(attributes);
    body.extend_from_slice(&[8, 10]);
    let parts = split(&body, &context).expect("the routes can be told");
    let decoded = parts.decode_attributes(Section::Classic, &context);
    assert_eq!(decoded.faults.len(), 64);
    assert_eq!(decoded.attributes, None);
}

#[test]
fn repeated_large_communities_are_removed_in_silence() {
    let (_, context) = contexts(true, false);
    let one = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let two = [0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3];
    let mut attributes = vec![
        0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 192, 0, 2, 1, 0xc0, 32, 48,
    ];
    for community in [two, one, two, one] {
        attributes.extend_from_slice(&community);
    }
    let mut body = vec![0, 0, 0, u8::try_from(attributes.len()).expect("small")];
    body.extend(attributes);
    body.extend_from_slice(&[8, 10]);
    let parts = split(&body, &context).expect("valid");
    let decoded = parts.decode_attributes(Section::Classic, &context);
    assert_eq!(decoded.faults, []);
    let large = decoded.attributes.expect("valid").large;
    assert_eq!(format!("{large:?}"), "[9:2:3, 1:2:3]");
}
