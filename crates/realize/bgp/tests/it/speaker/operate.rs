//! What operators do: shut down, clear, limit, change the configuration; and BFD.

use super::config;
use crate::world::World;
use bgp::bfd::BfdState;
use bgp::message::{NotificationCode, ShutdownText};
use bgp::session::{Down, State};
use bgp::speaker::{Action, Clear, EventKind};
use bgp::{Family, FamilySet};

fn pair(more: [&str; 2], rest: [&str; 2]) -> World {
    let first = config(0, 65001, &[(1, 65002, more[0])]) + rest[0];
    let second = config(1, 65002, &[(0, 65001, more[1])]) + rest[1];
    let mut world = World::started(1, vec![first, second]);
    world.until(60_000, "a session", |world| world.is_up(0, 1));
    world.run(1_000);
    world
}

fn networks(count: usize) -> String {
    let one = |index: usize| format!("[[networks]]\nprefix = \"203.0.{index}.0/24\"\n");
    (0..count).map(one).collect()
}

fn received(world: &World) -> u32 {
    let report = world.report(0, 1).expect("a neighbor");
    report
        .families
        .iter()
        .map(|family| family.counts.received)
        .sum()
}

fn downs(world: &World, node: usize) -> usize {
    world.count(node, |kind| matches!(kind, EventKind::Down(_)))
}

#[test]
fn a_shutdown_tells_why_and_lasts_until_it_is_taken_back() {
    let mut world = pair(["", ""], ["", &networks(1)]);
    let peer = world.peer(1, 0);
    world
        .tell(1, |speaker, now| speaker.shutdown(now, peer, "new optics"))
        .expect("it exists");
    world.run(600_000);
    let told = world.log.iter().find_map(|(_, node, _, kind)| match kind {
        EventKind::Down(Down::Received(notification)) if *node == 0 => Some(notification.clone()),
        _ => None,
    });
    let told = told.expect("a NOTIFICATION");
    assert_eq!(
        told.code,
        NotificationCode::HARD_RESET,
        "nothing is to be kept (RFC 8538)"
    );
    assert_eq!(
        told.shutdown_text(),
        ShutdownText::Text("new optics".to_owned())
    );
    assert_eq!(received(&world), 0);
    assert_eq!(world.state(1, 0), State::Idle);
    world
        .tell(1, |speaker, now| speaker.enable(now, peer))
        .expect("it exists");
    world.until(130_000, "a session again", |world| world.is_up(0, 1));
}

#[test]
fn a_hard_clear_begins_anew_and_soft_ones_cost_no_session() {
    let mut world = pair(["", ""], ["", &networks(3)]);
    let peer = world.peer(0, 1);
    for clear in [
        Clear::SoftIn(FamilySet::ALL),
        Clear::SoftOut(FamilySet::ALL),
    ] {
        world
            .tell(0, |speaker, now| speaker.clear(now, peer, clear))
            .expect("it exists");
        world.run(5_000);
    }
    let refreshes = world
        .report(0, 1)
        .and_then(|report| report.session)
        .map(|up| up.sent.refreshes);
    assert_eq!(
        refreshes,
        Some(3),
        "a request, and the two marks around what is sent again"
    );
    assert_eq!((downs(&world, 0), received(&world)), (0, 3));
    world
        .tell(0, |speaker, now| speaker.clear(now, peer, Clear::Hard))
        .expect("it exists");
    assert_eq!(downs(&world, 0), 1);
    world.until(60_000, "a session again", |world| world.is_up(0, 1));
    world.until(60_000, "its routes", |world| received(world) == 3);
}

#[test]
fn a_prefix_limit_warns_then_ends_the_session_and_lets_it_come_back_in_time() {
    let limit = "families.ipv4-unicast.max-prefix = { limit = 4, warning = 50, restart = 2 }";
    let mut world = pair([limit, ""], ["", &networks(3)]);
    let warned = |world: &World| {
        world.count(0, |kind| {
            matches!(kind, EventKind::PrefixWarning { limit: 4, .. })
        })
    };
    world.until(5_000, "a warning", |world| warned(world) == 1);
    let more = config(1, 65002, &[(0, 65001, "")]) + &networks(5);
    world.configure(1, more);
    world.until(5_000, "the end", |world| downs(world, 0) == 1);
    assert_eq!(received(&world), 0, "nothing is kept of it");
    world.run(100_000);
    assert_eq!(world.state(0, 1), State::Idle);
    let fewer = config(1, 65002, &[(0, 65001, "")]) + &networks(2);
    world.configure(1, fewer);
    world.until(200_000, "it is tried again", |world| world.is_up(0, 1));
    world.until(5_000, "its routes", |world| received(world) == 2);
}

#[test]
fn a_limit_that_only_warns_ends_nothing() {
    let limit = "families.ipv4-unicast.max-prefix = { limit = 2, warning-only = true }";
    let mut world = pair([limit, ""], ["", &networks(5)]);
    world.until(5_000, "all of them", |world| received(world) == 5);
    assert_eq!(downs(&world, 0), 0);
}

#[test]
fn a_new_configuration_resets_no_session_that_it_need_not() {
    let mut world = pair(["", ""], ["", &networks(2)]);
    let live = "description = \"x\"\nhold-time = 30\nnext-hop = \"self\"\npassive = true\nallow-own-as = 1\nfamilies.ipv4-unicast.max-prefix.limit = 100";
    let diff = world.configure(0, config(0, 65001, &[(1, 65002, live)]));
    assert!(!diff.is_empty());
    world.run(10_000);
    assert_eq!((downs(&world, 0), received(&world)), (0, 2));
    world.configure(
        0,
        config(
            0,
            65001,
            &[(1, 65002, "families = [\"ipv4-unicast\", \"evpn\"]")],
        ),
    );
    world.until(60_000, "a session again", |world| world.is_up(0, 1));
    assert_eq!(downs(&world, 0), 1);
    world.configure(0, config(0, 65001, &[]));
    world.run(1_000);
    assert_eq!(world.speaker(0).peers().count(), 0);
    world.configure(0, config(0, 65001, &[(1, 65002, "")]));
    world.until(130_000, "a session once more", |world| world.is_up(0, 1));
    world.until(5_000, "its routes", |world| received(world) == 2);
}

#[test]
fn a_new_identity_begins_everything_anew() {
    let mut world = pair(["", ""], ["", &networks(2)]);
    let other = config(0, 65001, &[(1, 65002, "")]).replace("\"10.0.0.1\"", "\"10.9.9.9\"");
    world.configure(0, other);
    world.until(60_000, "a session again", |world| world.is_up(0, 1));
    world.until(5_000, "its routes", |world| received(world) == 2);
    let report = world.report(1, 0).and_then(|report| report.session);
    assert_eq!(
        report.map(|up| up.negotiated.router_id),
        Some([10, 9, 9, 9].into())
    );
}

#[test]
fn bfd_finds_a_dead_neighbor_long_before_the_hold_timer() {
    let bfd = "bfd = { interval = 100, multiplier = 3 }";
    let mut world = pair([bfd, bfd], ["", &networks(1)]);
    let state = |world: &World| world.report(0, 1).and_then(|report| report.bfd);
    world.until(10_000, "BFD up", |world| state(world) == Some(BfdState::Up));
    world.lose(0, 1, true);
    let cut = world.now;
    world.until(1_000, "BFD down", |world| downs(world, 0) == 1);
    assert!(world.now - cut < 500, "after {} ms", world.now - cut);
    assert_eq!(
        received(&world),
        1,
        "its control plane may be all that failed (RFC 5882 4.3)"
    );
    world.lose(0, 1, false);
    world.until(130_000, "a session again", |world| world.is_up(0, 1));
}

#[test]
fn a_neighbor_without_bfd_is_no_failure() {
    let mut world = pair(["bfd = { interval = 100, multiplier = 3 }", ""], ["", ""]);
    world.run(600_000);
    assert_eq!(downs(&world, 0), 0);
}

/// RFC 8212: nothing in, nothing out.
#[test]
fn without_a_policy_an_external_neighbor_gives_and_gets_nothing() {
    let mut world = pair(
        ["ebgp-requires-policy = true", ""],
        [&networks(1), &networks(2)],
    );
    world.run(5_000);
    let report = world.report(0, 1).expect("a neighbor");
    let counts = report.families[0].counts;
    assert_eq!(report.families[0].family, Family::Ipv4Unicast);
    assert_eq!(
        (counts.received, counts.accepted, counts.advertised),
        (2, 0, 0)
    );
}

/// Found by the simulation, seed 255.
#[test]
fn a_policy_that_is_taken_away_leaves_no_mark_with_add_path_either() {
    for add_path in ["", "families.ipv4-unicast.add-path = \"both\"\n"] {
        let policy = "[policies.mark]\nrules = [{ set = [{ add-communities = [\"1:2\"] }], then = \"accept\" }]\n";
        let marked = format!("{add_path}export = \"mark\"");
        let more = networks(2) + policy;
        let mut world = World::new(
            1,
            vec![
                config(0, 65001, &[(1, 65002, add_path)]),
                config(1, 65002, &[(0, 65001, &marked)]) + &more,
            ],
        );
        let table = bgp::rib::TableId::Global(Family::Ipv4Unicast);
        world.follow(vec![table]);
        world.start(0, bgp::speaker::Start::Fresh);
        world.start(1, bgp::speaker::Start::Fresh);
        world.run(60_000);
        let marks = |world: &mut World| {
            world.drain(0);
            let table = world.table(0, table);
            assert_eq!(table.len(), 2);
            table
                .values()
                .filter(|best| !best.attributes.communities.is_empty())
                .count()
        };
        assert_eq!(marks(&mut world), 2);
        world.configure(1, config(1, 65002, &[(0, 65001, add_path)]) + &more);
        world.run(5_000);
        assert_eq!(marks(&mut world), 0, "{add_path}");
    }
}

/// A route of an L2 domain, with the domain's distinguisher and targets.
#[test]
fn networks_of_a_mac_vrf_are_originated() {
    let families = "families = [\"evpn\"]";
    let domain = "[mac-vrfs.lan]\nrd = \"10.0.0.2:7\"\ntargets = [\"65000:7\"]\nvni = 7\n\
        [[networks]]\nvrf = \"lan\"\nevpn = \"1:1:[3]:[0]:[32]:[192.0.2.1]\"\nvni = 7\n";
    let second = config(1, 65002, &[(0, 65001, families)]) + domain;
    let mut world = World::new(1, vec![config(0, 65001, &[(1, 65002, families)]), second]);
    let table = bgp::rib::TableId::Global(Family::Evpn);
    world.follow(vec![table]);
    (0..2).for_each(|node| world.start(node, bgp::speaker::Start::Fresh));
    world.run(60_000);
    world.drain(0);
    let told: Vec<_> = world.table(0, table).into_iter().collect();
    let [(nlri, best)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(nlri.to_string(), "10.0.0.2:7:[3]:[0]:[32]:[192.0.2.1]");
    assert_eq!(best.attributes.route_targets().count(), 1);
}

/// RFC 8538 3: a Cease that is no hard reset keeps the routes on both sides, if both said so.
#[test]
fn a_change_of_the_connection_keeps_the_routes() {
    for (more, kept) in [("", 1), ("graceful-restart.notification = false", 0)] {
        let mut world = pair([more, ""], ["", &networks(1)]);
        let changed = format!("{more}\nttl-security = 1");
        world.configure(0, config(0, 65001, &[(1, 65002, &changed)]));
        assert_eq!((downs(&world, 0), received(&world)), (1, kept), "{more}");
        world.until(60_000, "a session again", |world| world.is_up(0, 1));
        world.until(5_000, "its routes", |world| received(world) == 1);
    }
}

#[test]
fn a_new_password_ends_nothing() {
    let password = |secret: &str| {
        let line = format!("password = \"{secret}\"");
        config(0, 65001, &[(1, 65002, &line)])
    };
    let mut world = World::started(1, vec![password("x"), config(1, 65002, &[(0, 65001, "")])]);
    world.until(60_000, "a session", |world| world.is_up(0, 1));
    let mut config = bgp::config::Config::parse(&password("y")).expect("right");
    let actions = world.tell(0, |speaker, now| {
        config.global.seed = speaker.config().global.seed;
        speaker.configure(now, config);
        speaker.take_actions()
    });
    let [Action::Authenticate { password, .. }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert!(password.is_some(), "never without one");
    world.run(1_000);
    assert_eq!(downs(&world, 0), 0);
}
