//! Neighbors that die and come back: what is kept, for how long, and what makes it go (RFC 4724, RFC 8538, RFC 9494).

use super::config;
use crate::world::World;
use bgp::message::NotificationCode;
use bgp::session::{Down, State};
use bgp::speaker::{EventKind, Start, Swept};
use bgp::{Family, FamilySet};

const NETWORK: &str = "[[networks]]\nprefix = \"203.0.113.0/24\"\n";
const SHORT: &str =
    "graceful-restart.restart-time = 10\nlong-lived-graceful-restart.stale-time = 60";

/// Two neighbors, the second of which has a route.
fn pair(more: [&str; 2]) -> World {
    let second = config(1, 65002, &[(0, 65001, more[1])]) + NETWORK;
    let mut world = World::started(1, vec![config(0, 65001, &[(1, 65002, more[0])]), second]);
    world.until(60_000, "the route", |world| routes(world).0 == 1);
    world
}

/// What node 0 holds of node 1: all, and stale ones.
fn routes(world: &World) -> (u32, u32) {
    let report = world.report(0, 1).expect("a neighbor");
    let of_family = report
        .families
        .iter()
        .filter(|family| family.family == Family::Ipv4Unicast);
    of_family.fold((0, 0), |(received, stale), family| {
        (
            received + family.counts.received,
            stale + family.counts.stale,
        )
    })
}

fn swept(world: &World, why: Swept) -> usize {
    let is =
        |kind: &EventKind| matches!(kind, EventKind::Swept { why: given, .. } if *given == why);
    world.count(0, is)
}

fn kept(world: &World) -> usize {
    world.count(0, |kind| matches!(kind, EventKind::Kept(_)))
}

fn all() -> FamilySet {
    [Family::Ipv4Unicast].into_iter().collect()
}

#[test]
fn routes_of_a_neighbor_that_restarts_are_never_missing() {
    let mut world = pair([SHORT, SHORT]);
    world.crash(1, false);
    world.run(5_000);
    assert_eq!(routes(&world), (1, 1), "stale");
    assert_eq!(kept(&world), 1);
    world.start(1, Start::Restarted { forwarding: all() });
    while routes(&world) != (1, 0) {
        assert_eq!(
            routes(&world).0,
            1,
            "it was missing for a moment\n{}",
            world.history()
        );
        assert!(world.step(60_000), "{}", world.history());
    }
    world.run(120_000);
    assert_eq!(
        (routes(&world), swept(&world, Swept::EndOfRib)),
        ((1, 0), 1)
    );
    assert_eq!(
        world.count(0, |kind| matches!(kind, EventKind::LongLived(_))),
        0
    );
}

#[test]
fn what_did_not_come_back_goes_at_the_end_of_rib() {
    let mut world = pair([SHORT, SHORT]);
    world.crash(1, false);
    world.nodes[1].config = config(1, 65002, &[(0, 65001, SHORT)]);
    world.start(1, Start::Restarted { forwarding: all() });
    world.until(60_000, "the end of the RIB", |world| {
        swept(world, Swept::EndOfRib) == 1
    });
    assert_eq!(routes(&world), (0, 0));
}

#[test]
fn routes_of_a_neighbor_that_stays_away_are_long_lived_and_then_gone() {
    let mut world = pair([SHORT, SHORT]);
    world.crash(1, false);
    world.until(11_000, "long-lived", |world| {
        world.count(0, |kind| matches!(kind, EventKind::LongLived(_))) == 1
    });
    assert_eq!(routes(&world), (1, 1));
    world.run(58_000);
    assert_eq!(routes(&world), (1, 1), "not before the stale time is over");
    world.until(4_000, "gone", |world| swept(world, Swept::Time) == 1);
    assert_eq!(routes(&world), (0, 0));
}

#[test]
fn without_long_lived_staleness_the_restart_time_is_all() {
    let off = "graceful-restart.restart-time = 10\nlong-lived-graceful-restart.enabled = false";
    let mut world = pair([SHORT, off]);
    world.crash(1, false);
    world.until(11_000, "gone", |world| swept(world, Swept::Time) == 1);
    assert_eq!(routes(&world), (0, 0));
}

/// It comes back with an empty forwarding table, so traffic must not go to it.
#[test]
fn a_neighbor_that_lost_its_forwarding_is_not_trusted() {
    let mut world = pair([SHORT, SHORT]);
    world.crash(1, false);
    world.run(1_000);
    world.start(1, Start::Fresh);
    world.until(60_000, "swept", |world| {
        swept(world, Swept::NotPreserved) == 1
    });
    world.until(60_000, "its routes again", |world| routes(world) == (1, 0));
}

/// RFC 4724 4.2: a restart faster than TCP notices it.
#[test]
fn a_new_connection_of_a_neighbor_that_has_restarted_replaces_the_old_one() {
    let mut world = pair(["passive = true", ""]);
    world.crash(1, true);
    world.start(1, Start::Restarted { forwarding: all() });
    world.until(60_000, "the new session", |world| world.is_up(0, 1));
    let replaced = |kind: &EventKind| matches!(kind, EventKind::Down(Down::Lost(why)) if why.contains("opened a new one"));
    assert_eq!((world.count(0, replaced), kept(&world)), (1, 1));
    world.until(60_000, "fresh routes", |world| routes(world) == (1, 0));
}

#[test]
fn without_graceful_restart_nothing_is_kept_and_an_old_session_wins() {
    let off = "graceful-restart.mode = \"off\"";
    let mut world = pair([&format!("{off}\npassive = true"), off]);
    world.crash(1, true);
    world.start(1, Start::Fresh);
    world.run(20_000);
    let collision = |kind: &EventKind| matches!(kind, EventKind::Failed(Down::Sent { notification, .. }) if notification.code == NotificationCode::COLLISION);
    assert!(world.count(0, collision) > 0, "{}", world.history());
    assert_eq!(kept(&world), 0);
    // The hold timer finds out.
    world.until(200_000, "the session", |world| world.is_up(0, 1));
}

#[test]
fn silence_keeps_routes_if_both_sides_say_so_and_else_does_not() {
    for (more, expected) in [("", 1), ("graceful-restart.notification = false", 0)] {
        let mut world = pair([more, "passive = true"]);
        world.crash(1, true);
        world.until(100_000, "the hold timer", |world| {
            world.count(0, |kind| matches!(kind, EventKind::Down(Down::Sent { .. }))) == 1
        });
        assert_eq!(kept(&world), expected, "{more}");
        assert_eq!(routes(&world).0, u32::try_from(expected).expect("small"));
    }
}

/// RFC 4724 4.2: what was stale when the neighbor goes again is not kept a second time.
#[test]
fn what_was_stale_before_a_second_loss_goes() {
    let off = "graceful-restart.restart-time = 100\nlong-lived-graceful-restart.enabled = false";
    let mut world = pair([off, off]);
    world.crash(1, false);
    world.nodes[1].config = config(1, 65002, &[(0, 65001, off)]);
    world.start(1, Start::Restarted { forwarding: all() });
    world.until(60_000, "back", |world| world.is_up(0, 1));
    assert_eq!(routes(&world), (1, 1), "no end of the RIB yet");
    world.crash(1, false);
    world.until(1_000, "the loss", |world| swept(world, Swept::Again) == 1);
    assert_eq!(routes(&world), (0, 0));
}

/// After a restart of ours nothing is sent before the neighbors have sent what they have.
#[test]
fn selection_waits_for_the_neighbors_routes() {
    let mut world = pair(["", ""]);
    world.crash(1, false);
    world.start(1, Start::Restarted { forwarding: all() });
    assert!(world.speaker(1).is_deferring());
    world.until(60_000, "selection", |world| {
        !world.speaker(1).is_deferring()
    });
    let in_time =
        |kind: &EventKind| matches!(kind, EventKind::SelectionStarts { timed_out: false });
    assert_eq!(world.count(1, in_time), 1);
    assert!(world.is_up(0, 1));
}

#[test]
fn selection_does_not_wait_for_ever() {
    let neighbors = [
        (0, 65001, "graceful-restart.selection-deferral = 60"),
        (2, 65003, ""),
    ];
    let lonely = config(1, 65002, &neighbors).replace(
        "[global]\n",
        "[global]\ngraceful-restart.selection-deferral = 60\n",
    );
    let mut world = World::new(
        1,
        vec![config(0, 65001, &[(1, 65002, "")]), lonely, String::new()],
    );
    world.start(0, Start::Fresh);
    world.start(1, Start::Restarted { forwarding: all() });
    world.run(59_000);
    assert!(world.speaker(1).is_deferring(), "node 2 is not there");
    world.until(3_000, "selection", |world| !world.speaker(1).is_deferring());
    let late = |kind: &EventKind| matches!(kind, EventKind::SelectionStarts { timed_out: true });
    assert_eq!(world.count(1, late), 1);
}

/// Nothing is configured but the families: graceful and long-lived graceful restart are on for each.
#[test]
fn restarts_are_graceful_for_all_families_by_default() {
    let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
    let families = format!("families = {names:?}");
    let toward = |node, asn| config(node, asn, &[(1 - node, 130_003 - asn, &families)]);
    let mut world = World::started(1, vec![toward(0, 65001), toward(1, 65002)]);
    world.until(60_000, "the session", |world| {
        world.state(0, 1) == State::Established
    });
    let report = world.report(0, 1).and_then(|report| report.session);
    let agreed = report.expect("a session").negotiated;
    let all = FamilySet::from_iter(Family::ALL);
    assert_eq!(agreed.families, all);
    assert_eq!(
        agreed.graceful.map(|graceful| graceful.preserved),
        Some(all)
    );
    let long_lived: FamilySet = agreed.long_lived.keys().copied().collect();
    assert_eq!(long_lived, all);
}

/// Also RFC 4684 6: neighbors send VPN routes once they have heard who asks for what, from us.
#[test]
fn a_reflector_that_restarts_loses_no_route_of_a_vpn() {
    for (families, of) in [
        ("[\"vpnv4\"]", Family::Vpnv4),
        ("[\"vpnv4\", \"route-target\"]", Family::Vpnv4),
        ("[\"evpn\"]", Family::Evpn),
        ("[\"evpn\", \"route-target\"]", Family::Evpn),
    ] {
        restart_of_a_reflector(&format!("families = {families}"), of);
    }
}

fn restart_of_a_reflector(families: &str, of: Family) {
    let vrf = |node: u8, target: u8, network: &str| {
        let rd = format!("[vrfs.v]\nrd = \"10.0.0.{node}:1\"\nlabel = 2000\nvni = 20\n");
        format!(
            "{rd}export = [\"64500:{target}\"]\nimport = [\"64500:{}\"]\n{network}",
            3 - target
        )
    };
    let network = "[[networks]]\nprefix = \"10.1.0.0/16\"\nvrf = \"v\"\n";
    let client = format!("{families}\nrr-client = true");
    let reflector = config(0, 65001, &[(1, 65001, &client), (2, 65001, &client)]);
    let asking = config(1, 65001, &[(0, 65001, families)]) + &vrf(2, 1, "");
    // It comes back after the other.
    let late = format!("{families}\nconnect-retry = 20");
    let source = config(2, 65001, &[(0, 65001, &late)]) + &vrf(3, 2, network);
    let mut world = World::started(1, vec![reflector, asking, source]);
    let known = |world: &World| {
        let report = world.report(1, 0);
        let families = report.map_or(Vec::new(), |report| report.families);
        let mut vpn = families.iter().filter(|family| family.family == of);
        vpn.next()
            .map(|family| (family.counts.received, family.counts.stale))
    };
    world.until(60_000, "the route", |world| known(world) == Some((1, 0)));
    world.crash(0, false);
    world.run(1_000);
    assert_eq!(known(&world), Some((1, 1)), "stale");
    let restarted = world.now;
    let forwarding = FamilySet::ALL;
    world.start(0, Start::Restarted { forwarding });
    while world.speaker(0).is_deferring() || known(&world) != Some((1, 0)) {
        let there = known(&world).is_some_and(|(received, _)| received == 1);
        assert!(there, "it was missing for a moment\n{}", world.history());
        assert!(world.step(restarted + 29_000), "{}", world.history());
    }
    let late = |kind: &EventKind| matches!(kind, EventKind::SelectionStarts { timed_out: true });
    assert_eq!(world.count(0, late), 0);
}
