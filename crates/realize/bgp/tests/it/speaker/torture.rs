//! The corpus of malformed messages through whole speakers: what one sends, another makes of it, and a third one sees.

use super::config;
use crate::world::{World, address};
use bgp::rib::TableId;
use bgp::session::State;
use bgp::speaker::Start;
use bgp::torture::{Session, corpus};
use bgp::{Family, FamilySet};

const TABLE: TableId = TableId::Global(Family::Ipv4Unicast);

/// The speaker under test, the one that sends the corpus, and the one that sees what comes of it.
fn chain() -> World {
    let configs = vec![
        config(0, 65001, &[(1, 65002, ""), (2, 65003, "")]),
        config(1, 65002, &[(0, 65001, "")]),
        config(2, 65003, &[(0, 65001, "")]),
    ];
    let mut world = World::new(1, configs);
    world.follow(vec![TABLE]);
    for node in 0..3 {
        world.start(node, Start::Fresh);
    }
    world
}

fn until_up(world: &mut World) {
    // A neighbour that failed often is tried ever less often.
    world.until(24 * 3_600_000, "the sessions", |world| {
        [1, 2]
            .iter()
            .all(|neighbor| world.state(0, *neighbor) == State::Established)
    });
}

#[test]
fn every_message_ends_as_the_rfcs_ask() {
    let mut world = chain();
    let session = Session {
        // Our speakers agree on it with each other.
        extended_next_hop: FamilySet::from_iter([Family::Ipv4Unicast]),
        ..Session::external(65002, address(1))
    };
    let mut wrong = Vec::new();
    for case in corpus(&session) {
        until_up(&mut world);
        let report = world.report(0, 1).and_then(|report| report.session);
        let conn = report.expect("a session").conn;
        for message in [&case.good, &case.message] {
            world.tell(0, |speaker, now| speaker.received(now, conn, message));
        }
        let lives = world
            .report(0, 1)
            .and_then(|report| report.session)
            .is_some_and(|session| session.conn == conn);
        world.run(100);
        world.drain(2);
        let route = case.route.expect("each is about a route");
        let there = world.table(2, TABLE).contains_key(&route);
        if !case.passes(lives, there) {
            wrong.push(format!(
                "{}: expected {:?} ({}), but the session lives: {lives}, the route is there: {there}",
                case.name, case.expected, case.source
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
