//! Neighbors that are whoever calls from a prefix: over a restart of ours, and what is remembered of them.

use super::config;
use crate::world::World;
use bgp::session::State;
use bgp::speaker::{Clear, ConnId, ConnInfo, Direction, EventKind, Refused, Start, Swept};
use bgp::{Family, FamilySet};

/// Node 0, with these lines for its range, and two that call it, with these.
fn star(range: &str, callers: [&str; 2], more: [&str; 3]) -> World {
    let range = format!(
        "[[neighbors]]\nrange = \"10.0.0.0/24\"\nremote-as = \"external\"\n{range}\n{}",
        more[0]
    );
    let called = config(0, 65001, &[]) + &range;
    let one = config(1, 65002, &[(0, 65001, callers[0])]) + more[1];
    let other = config(2, 65003, &[(0, 65001, callers[1])]) + more[2];
    World::started(1, vec![called, one, other])
}

fn networks(count: usize) -> String {
    let one = |index: usize| format!("[[networks]]\nprefix = \"203.0.{index}.0/24\"\n");
    (0..count).map(one).collect()
}

/// What a node holds of another: all, and stale ones.
fn routes(world: &World, node: usize, of: usize) -> (u32, u32) {
    let families = world
        .report(node, of)
        .map_or(Vec::new(), |report| report.families);
    let mut unicast = families
        .iter()
        .filter(|family| family.family == Family::Ipv4Unicast);
    let counts = unicast.next().map(|family| family.counts);
    counts.map_or((0, 0), |counts| (counts.received, counts.stale))
}

/// The second takes a minute to call again: after the first has.
const SLOW: &str = "connect-retry = 60";

#[test]
fn a_restart_is_graceful_for_neighbors_of_ranges() {
    let mut world = star("", ["", SLOW], ["", "", &networks(1)]);
    world.until(120_000, "the route", |world| routes(world, 1, 0) == (1, 0));
    world.crash(0, false);
    world.run(1_000);
    assert_eq!(routes(&world, 1, 0), (1, 1), "stale");
    let forwarding = FamilySet::ALL;
    let end = world.now + 200_000;
    world.start(0, Start::Restarted { forwarding });
    while world.speaker(0).is_deferring() || routes(&world, 1, 0) != (1, 0) {
        let there = routes(&world, 1, 0).0 == 1;
        assert!(there, "it was missing for a moment\n{}", world.history());
        assert!(world.step(end), "{}", world.history());
    }
    let late = |kind: &EventKind| matches!(kind, EventKind::SelectionStarts { timed_out: true });
    assert_eq!(world.count(0, late), 0);
}

#[test]
fn one_that_comes_back_last_still_trusts_our_forwarding() {
    let short = "graceful-restart = { restart-time = 100, selection-deferral = 5 }";
    let mut world = star(short, ["", SLOW], [&networks(1), "", ""]);
    world.until(120_000, "the routes", |world| {
        routes(world, 1, 0) == (1, 0) && routes(world, 2, 0) == (1, 0)
    });
    world.crash(0, false);
    let forwarding = FamilySet::ALL;
    world.start(0, Start::Restarted { forwarding });
    world.until(20_000, "selection", |world| {
        !world.speaker(0).is_deferring()
    });
    assert_eq!(routes(&world, 2, 0), (1, 1), "it has not called yet");
    world.until(100_000, "it is back", |world| routes(world, 2, 0) == (1, 0));
    let mistrust = |kind: &EventKind| {
        let why = Swept::NotPreserved;
        matches!(kind, EventKind::Swept { why: given, .. } if *given == why)
    };
    assert_eq!(world.count(2, mistrust), 0, "{}", world.history());
}

#[test]
fn a_prefix_limit_holds_until_it_is_cleared() {
    let limit = "families.ipv4-unicast.max-prefix.limit = 2";
    let mut world = star(limit, ["", SLOW], ["", &networks(3), ""]);
    let ended =
        |world: &World| world.count(0, |kind| matches!(kind, EventKind::PrefixLimit { .. }));
    world.until(60_000, "the limit", |world| ended(world) == 1);
    world.run(1_000_000);
    assert_eq!((ended(&world), world.state(0, 1)), (1, State::Idle));
    let peer = world.peer(0, 1);
    world
        .tell(0, |speaker, now| speaker.clear(now, peer, Clear::Hard))
        .expect("it exists");
    assert!(world.report(0, 1).is_none(), "nothing is left of it");
    world.configure(1, config(1, 65002, &[(0, 65001, "")]) + &networks(2));
    world.until(300_000, "its routes", |world| routes(world, 0, 1) == (2, 0));
}

#[test]
fn one_that_fails_again_and_again_must_wait() {
    let off = "graceful-restart.mode = \"off\"";
    let mut world = star(off, [off, SLOW], ["", "", ""]);
    for _ in 0..6 {
        world.until(600_000, "a session", |world| world.is_up(0, 1));
        for wire in world.wires_between(0, 1) {
            world.cut(wire);
        }
    }
    let report = world.report(0, 1).expect("it is remembered");
    assert_eq!(report.state, State::Idle);
    assert!(report.next_attempt.is_some());
    world.until(600_000, "a session", |world| world.is_up(0, 1));
}

fn call(world: &mut World, number: u64, remote: [u8; 4]) {
    let info = ConnInfo {
        local: "10.0.0.1:179".parse().expect("an address"),
        remote: (remote, 5000).into(),
        direction: Direction::Incoming,
        interface: None,
        local_other: None,
        local_link_local: None,
        shared_subnet: None,
    };
    world.tell(0, |speaker, now| {
        speaker.connected(now, ConnId(1_000_000 + number), info)
    });
}

#[test]
fn many_callers_lock_no_neighbor_out() {
    let range = "[[neighbors]]\nrange = \"172.16.0.0/16\"\nremote-as = \"external\"\nlimit = 10\n";
    let node = config(0, 65001, &[(1, 65002, "passive = true")]) + range;
    let mut world = World::started(1, vec![node]);
    let refused = |world: &World, which: Refused| {
        world.count(
            0,
            |kind| matches!(kind, EventKind::Refused { why, .. } if *why == which),
        )
    };
    let numbered = |number: u64| {
        let [.., high, low] = number.to_be_bytes();
        (number, [high, low])
    };
    for (number, [high, low]) in (0..5_000).map(numbered) {
        call(&mut world, number, [192, 168, high, low]);
    }
    assert_eq!(refused(&world, Refused::Unknown), 5_000);
    for (number, [high, low]) in (5_000..10_000).map(numbered) {
        call(&mut world, number, [172, 16, high, low]);
    }
    assert_eq!(refused(&world, Refused::Limit(10)), 4_096 - 10);
    call(&mut world, 10_000, [10, 0, 0, 2]);
    assert_eq!(world.state(0, 1), State::OpenSent, "{}", world.history());
}
