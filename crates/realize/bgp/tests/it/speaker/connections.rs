//! How sessions come to be, and how often they are tried.

use super::config;
use crate::world::World;
use bgp::session::{Down, State};
use bgp::speaker::{EventKind, Refused};

fn pair(seed: u64, more: [&str; 2]) -> World {
    World::started(
        seed,
        vec![
            config(0, 65001, &[(1, 65002, more[0])]),
            config(1, 65002, &[(0, 65001, more[1])]),
        ],
    )
}

/// Both call each other: whatever the order, one session is left, and it stays.
#[test]
fn neighbors_that_call_each_other_end_with_one_session() {
    for seed in 0..200 {
        let mut world = pair(seed, ["", ""]);
        world.delay = (1, 40);
        world.until(60_000, "a session", |world| world.is_up(0, 1));
        world.run(60_000);
        assert!(world.is_up(0, 1), "seed {seed}\n{}", world.history());
        assert_eq!(world.wires_between(0, 1).len(), 1, "seed {seed}");
        let lost = world.count(0, |kind| matches!(kind, EventKind::Down(_)));
        assert_eq!(lost, 0, "seed {seed}\n{}", world.history());
    }
}

#[test]
fn a_passive_neighbor_waits_and_two_passive_ones_never_meet() {
    let mut world = pair(1, ["passive = true", ""]);
    world.until(10_000, "a session", |world| world.is_up(0, 1));
    let mut world = pair(1, ["passive = true", "passive = true"]);
    world.run(600_000);
    assert_eq!(
        (world.state(0, 1), world.state(1, 0)),
        (State::Active, State::Active)
    );
}

#[test]
fn a_stranger_is_turned_away() {
    let mut world = World::started(
        1,
        vec![config(0, 65001, &[(1, 65002, "")]), config(1, 65002, &[])],
    );
    world.run(30_000);
    let unknown = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Refused {
                why: Refused::Unknown,
                ..
            }
        )
    };
    assert!(world.count(1, unknown) > 0);
    assert_eq!(
        world.count(0, |kind| matches!(kind, EventKind::Up { .. })),
        0
    );
}

/// Attempts become rarer, and a neighbor that comes up is found all the same.
#[test]
fn a_neighbor_that_is_away_is_tried_ever_more_rarely() {
    let mut world = pair(1, ["", "passive = true"]);
    world.crash(1, false);
    world.run(3_600_000);
    let failures = world.count(0, |kind| matches!(kind, EventKind::ConnectFailed(_)));
    assert!(
        (25..60).contains(&failures),
        "{failures} attempts in an hour"
    );
    world.start(1, bgp::speaker::Start::Fresh);
    world.until(130_000, "a session", |world| world.is_up(0, 1));
}

/// A wrong AS number is a mistake that stays: the two must not keep each other busy.
#[test]
fn neighbors_that_refuse_each_other_are_damped() {
    let mut world = World::started(
        3,
        vec![
            config(0, 65001, &[(1, 65099, "")]),
            config(1, 65002, &[(0, 65001, "")]),
        ],
    );
    world.run(3_600_000);
    let failures = world.count(0, |kind| matches!(kind, EventKind::Failed(_)));
    assert!((10..200).contains(&failures), "{failures} in an hour");
    let damped = world.count(0, |kind| {
        matches!(
            kind,
            EventKind::State {
                to: State::Idle,
                ..
            }
        )
    });
    assert!(damped > 0);
}

#[test]
fn callers_from_a_range_are_neighbors_up_to_its_limit() {
    let range = "[global]\nasn = 65001\nrouter-id = \"10.0.0.1\"\n[[neighbors]]\nrange = \"10.0.0.0/24\"\nlimit = 2\nremote-as = \"external\"\n";
    let mut configs = vec![range.to_owned()];
    for node in 1..4 {
        configs.push(config(
            node,
            65001 + u32::try_from(node).expect("small"),
            &[(0, 65001, "graceful-restart.mode = \"off\"")],
        ));
    }
    let mut world = World::started(5, configs);
    let up = |world: &World| (1..4).filter(|node| world.is_up(0, *node)).count();
    world.until(60_000, "two sessions", |world| up(world) == 2);
    world.run(60_000);
    assert_eq!(up(&world), 2);
    let full = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Refused {
                why: Refused::Limit(2),
                ..
            }
        )
    };
    assert!(world.count(0, full) > 0);
    // One goes, and the third has its place.
    let gone = (1..4)
        .find(|node| world.is_up(0, *node))
        .expect("one of them");
    world.crash(gone, false);
    world.until(300_000, "the third", |world| up(world) == 2);
    assert_eq!(world.count(0, |kind| matches!(kind, EventKind::Removed)), 1);
}

#[test]
fn neighbors_find_each_other_by_their_interfaces() {
    let config = |node: usize, asn: u32| {
        format!(
            "[global]\nasn = {asn}\nrouter-id = \"10.0.0.{}\"\n[[neighbors]]\ninterface = \"eth{node}\"\nremote-as = \"external\"\n",
            node + 1
        )
    };
    let mut world = World::new(1, vec![config(0, 65001), config(1, 65002)]);
    world.cable((0, "eth0"), (1, "eth1"));
    world.start(0, bgp::speaker::Start::Fresh);
    world.start(1, bgp::speaker::Start::Fresh);
    world.run(60_000);
    for node in 0..2 {
        let states: Vec<_> = world.speaker(node).peers().map(|peer| peer.state).collect();
        assert_eq!(states, [State::Established], "{}", world.history());
    }
}

/// A caller that opens connections as fast as it can is ignored, and then heard again.
#[test]
fn a_flood_of_calls_is_turned_away() {
    use bgp::Time;
    use bgp::speaker::{ConnId, ConnInfo, Direction};
    let mut world = World::started(1, vec![config(0, 65001, &[(1, 65002, "passive = true")])]);
    let info = ConnInfo {
        local: "10.0.0.1:179".parse().expect("an address"),
        remote: "10.0.0.2:5000".parse().expect("an address"),
        direction: Direction::Incoming,
        interface: None,
        local_other: None,
        local_link_local: None,
        shared_subnet: None,
    };
    for call in 0..1_000 {
        world.tell(0, |speaker, now| {
            speaker.connected(now, ConnId(10_000 + call), info.clone())
        });
    }
    let rate = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Refused {
                why: Refused::Rate,
                ..
            }
        )
    };
    assert_eq!(world.count(0, rate), 1_000 - 60);
    let replaced = |kind: &EventKind| matches!(kind, EventKind::Failed(Down::Lost(_)));
    assert_eq!(
        world.count(0, replaced),
        59,
        "one connection of each direction is kept"
    );
    let later = Time(world.now + 61_000);
    world.tell(0, |speaker, _| {
        speaker.connected(later, ConnId(20_000), info.clone())
    });
    assert_eq!(world.count(0, rate), 1_000 - 60);
}

/// Both have failed often, and each turned the other's calls away for ever. Found by the simulation.
#[test]
fn neighbors_that_are_both_damped_find_each_other_again() {
    let mut world = pair(7, ["", ""]);
    for _ in 0..12 {
        world.until(600_000, "a session", |world| world.is_up(0, 1));
        for wire in world.wires_between(0, 1) {
            world.cut(wire);
        }
    }
    let turned_away = |world: &World, node| {
        world.count(node, |kind| {
            matches!(
                kind,
                EventKind::Refused {
                    why: Refused::Damped,
                    ..
                }
            )
        })
    };
    assert!(
        turned_away(&world, 0) + turned_away(&world, 1) > 0,
        "{}",
        world.history()
    );
    world.until(400_000, "a session that is left alone", |world| {
        world.is_up(0, 1)
    });
    world.run(600_000);
    assert!(world.is_up(0, 1));
}
