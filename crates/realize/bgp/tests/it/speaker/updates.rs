//! UPDATEs that are wrong, watched, or of a family that must be given up (RFC 7606); refreshes that never end.

use super::config;
use crate::world::World;
use bgp::message::{RefreshKind, RouteRefresh};
use bgp::session::State;
use bgp::speaker::{EventKind, Malformed, Start, Swept};
use bgp::{Family, FamilySet, Time};

const BOTH: &str = "families = [\"ipv4-unicast\", \"ipv6-unicast\"]";

/// Two neighbors, of which the second has a route of each family.
fn pair() -> World {
    let networks =
        "[[networks]]\nprefix = \"203.0.113.0/24\"\n[[networks]]\nprefix = \"2001:db8:1::/48\"\n";
    let second = config(1, 65002, &[(0, 65001, BOTH)]) + networks;
    let mut world = World::started(1, vec![config(0, 65001, &[(1, 65002, BOTH)]), second]);
    world.until(60_000, "the routes", |world| received(world) == [1, 1]);
    world
}

fn received(world: &World) -> [u32; 2] {
    let families = world
        .report(0, 1)
        .map_or(Vec::new(), |report| report.families);
    [Family::Ipv4Unicast, Family::Ipv6Unicast].map(|wanted| {
        let found = families.iter().find(|family| family.family == wanted);
        found.map_or(0, |family| family.counts.received)
    })
}

/// As if node 1 had sent it.
fn inject(world: &mut World, message: &[u8]) {
    let session = world.report(0, 1).and_then(|report| report.session);
    let conn = session.expect("a session").conn;
    world.tell(0, |speaker, now| speaker.received(now, conn, message));
}

fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in [withdrawn, attributes] {
        body.extend_from_slice(&u16::try_from(part.len()).expect("short").to_be_bytes());
        body.extend_from_slice(part);
    }
    body.extend_from_slice(nlri);
    let mut message = vec![0xff; 16];
    let length = u16::try_from(body.len() + 19).expect("short");
    message.extend_from_slice(&length.to_be_bytes());
    message.push(2);
    message.extend_from_slice(&body);
    message
}

/// ORIGIN of 7, which there is not; the rest is right.
fn bad_origin(last: u8) -> Vec<u8> {
    let attributes = [
        0x40, 1, 1, 7, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 10, 0, 0, 2,
    ];
    update(&[], &attributes, &[24, 198, 51, last])
}

fn malformed(world: &World) -> Vec<Malformed> {
    let events = world
        .log
        .iter()
        .filter_map(|(_, node, _, kind)| match kind {
            EventKind::Malformed(malformed) if *node == 0 => Some(malformed.clone()),
            _ => None,
        });
    events.collect()
}

#[test]
fn a_faulty_update_is_told_with_its_bytes_and_resets_nothing() {
    let mut world = pair();
    let message = bad_origin(100);
    inject(&mut world, &message);
    let told = malformed(&world);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].bytes, message[19..]);
    assert!(told[0].fault.contains("ORIGIN"), "{}", told[0].fault);
    assert_eq!(
        (world.state(0, 1), received(&world)),
        (State::Established, [1, 1])
    );
}

#[test]
fn a_flood_of_faulty_updates_is_not_one_of_events() {
    let mut world = pair();
    for _ in 0..1_000 {
        inject(&mut world, &bad_origin(100));
    }
    assert_eq!(malformed(&world).len(), 20);
    let count = world.report(0, 1).map(|report| report.malformed);
    assert_eq!(count, Some(1_000));
    world.run(61_000);
    inject(&mut world, &bad_origin(100));
    let last = malformed(&world).pop().expect("one more");
    assert_eq!(last.suppressed, 980);
}

#[test]
fn routes_that_cannot_be_told_cost_their_family_and_not_the_session() {
    let mut world = pair();
    let reach = unreadable_v6();
    inject(&mut world, &update(&[], &reach, &[]));
    let disabled = |kind: &EventKind| *kind == EventKind::FamilyDisabled(Family::Ipv6Unicast);
    assert_eq!(world.count(0, disabled), 1, "{}", world.history());
    assert_eq!(received(&world), [1, 0]);
    // What comes of it later is ignored, and the other family goes on.
    inject(&mut world, &update(&[], &reach, &[]));
    world.run(200_000);
    assert_eq!(world.count(0, disabled), 1);
    assert_eq!(
        (world.state(0, 1), received(&world)),
        (State::Established, [1, 0])
    );
}

/// MP_REACH_NLRI of IPv4 unicast with a prefix of 33 bits.
const UNREADABLE: [u8; 18] = [0x80, 14, 15, 0, 1, 1, 4, 10, 0, 0, 2, 0, 33, 1, 2, 3, 4, 5];

#[test]
fn a_family_given_up_is_given_up_in_the_classic_fields_too() {
    let mut world = pair();
    inject(&mut world, &update(&[], &UNREADABLE, &[]));
    assert_eq!(received(&world), [0, 1], "{}", world.history());
    let good = [
        0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 10, 0, 0, 2,
    ];
    inject(&mut world, &update(&[], &good, &[24, 198, 51, 100]));
    assert_eq!(
        (world.state(0, 1), received(&world)),
        (State::Established, [0, 1])
    );
}

#[test]
fn a_session_that_loses_its_only_family_is_reset_and_comes_back_with_its_routes() {
    let network = "[[networks]]\nprefix = \"203.0.113.0/24\"\n";
    let second = config(1, 65002, &[(0, 65001, "")]) + network;
    let mut world = World::started(1, vec![config(0, 65001, &[(1, 65002, "")]), second]);
    world.until(60_000, "the route", |world| received(world) == [1, 0]);
    inject(&mut world, &update(&[], &UNREADABLE, &[]));
    // Optional attribute error.
    let told = |kind: &EventKind| format!("{kind:?}").contains("code: 3, subcode: 9");
    assert_eq!(world.count(0, told), 1, "{}", world.history());
    world.until(60_000, "the route again", |world| {
        world.state(0, 1) == State::Established && received(world) == [1, 0]
    });
}

#[test]
fn updates_are_mirrored_only_while_somebody_looks() {
    let mirrored = |world: &World| world.count(0, |kind| matches!(kind, EventKind::Mirror(_)));
    let mut world = pair();
    assert_eq!(mirrored(&world), 0);
    world.tell(0, |speaker, _| speaker.set_mirroring(true));
    inject(&mut world, &bad_origin(100));
    assert_eq!(mirrored(&world), 1);
    world.tell(0, |speaker, _| speaker.set_mirroring(false));
    inject(&mut world, &bad_origin(100));
    assert_eq!(mirrored(&world), 1);
}

/// RFC 7313 4: what was to be sent again and was not goes in the end.
#[test]
fn a_refresh_that_never_ends_is_ended() {
    let mut world = pair();
    let mut begin = Vec::new();
    let (family, kind) = (Family::Ipv4Unicast.into(), RefreshKind::Begin);
    RouteRefresh { family, kind }.encode(&mut begin);
    inject(&mut world, &begin);
    world.run(350_000);
    assert_eq!(received(&world), [1, 1]);
    world.until(20_000, "the end of the wait", |world| {
        received(world) == [0, 1]
    });
    let swept = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Swept {
                family: Family::Ipv4Unicast,
                why: Swept::Time
            }
        )
    };
    assert_eq!(world.count(0, swept), 1);
}

#[test]
fn nothing_is_said_to_connections_that_do_not_exist() {
    let mut world = pair();
    let nobody = bgp::speaker::ConnId(u64::MAX);
    world.tell(0, |speaker, now| {
        speaker.received(now, nobody, &[0; 100]);
        speaker.closed(now, nobody, "");
        speaker.connect_failed(now, bgp::PeerId(99), "");
        assert_eq!(speaker.transmit(Time(now.0 + 1), nobody), None);
    });
    assert!(world.is_up(0, 1));
}

/// MP_REACH_NLRI of IPv6 unicast with a prefix of 129 bits.
fn unreadable_v6() -> Vec<u8> {
    let mut reach = vec![0x80, 14, 26, 0, 2, 1, 16];
    let next_hop: std::net::Ipv6Addr = "2001:db8::2".parse().expect("an address");
    reach.extend_from_slice(&next_hop.octets());
    reach.extend_from_slice(&[0, 129, 1, 2, 3, 4]);
    reach
}

#[test]
fn a_family_given_up_is_not_sent_any_more() {
    let mut world = pair();
    inject(&mut world, &update(&[], &unreadable_v6(), &[]));
    let networks =
        "[[networks]]\nprefix = \"192.0.2.0/24\"\n[[networks]]\nprefix = \"2001:db8:9::/48\"\n";
    world.configure(0, config(0, 65001, &[(1, 65002, BOTH)]) + networks);
    world.run(20_000);
    let report = world.report(1, 0).expect("a neighbor");
    let counts = report.families.iter();
    let counts: Vec<_> = counts
        .map(|family| (family.family, family.counts.received))
        .collect();
    assert_eq!(counts, [(Family::Ipv4Unicast, 1), (Family::Ipv6Unicast, 0)]);
}

#[test]
fn a_family_given_up_is_not_waited_for() {
    let second = config(1, 65002, &[(0, 65001, BOTH)]);
    let mut world = World::new(1, vec![config(0, 65001, &[(1, 65002, BOTH)]), second]);
    world.start(1, Start::Fresh);
    let forwarding = FamilySet::ALL;
    world.start(0, Start::Restarted { forwarding });
    world.until(60_000, "the session", |world| {
        world.state(0, 1) == State::Established
    });
    // What the other side has sent does not come.
    for wire in world.wires_between(0, 1) {
        (0..2).for_each(|side| world.stall(wire, side, 60_000));
    }
    inject(&mut world, &update(&[], &[], &[]));
    assert!(world.speaker(0).is_deferring());
    inject(&mut world, &update(&[], &unreadable_v6(), &[]));
    assert!(!world.speaker(0).is_deferring(), "{}", world.history());
}
