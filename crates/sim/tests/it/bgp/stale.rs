//! Long-lived graceful restart (RFC 9494): the routes of one that dies for longer than its restart time stay, marked and less
//! preferred, and are what they were when it is back.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, end_of_rib, is_root, ours, passive};
use sim::bgp::messages::UPDATE;
use sim::bgp::{Neighbor, Router, Site, Software};

const V4: &[Family] = &[Family::Ipv4Unicast];
/// A second of graceful restart, then an hour of long-lived stale routes.
const TIMES: (u16, u32) = (1, 3600);
/// LLGR_STALE (RFC 9494 4.6) as a community: 65535:6.
const MARK: u32 = 0xffff_0006;

/// What a neighbour says that takes such routes: graceful restart without families, long-lived for IPv4 unicast.
const TAKES_STALE: [u8; 13] = [64, 2, 0, 120, 71, 7, 0, 1, 1, 0, 0, 0x0e, 0x10];

struct Pair {
    world: World,
    keeper: Router,
    dying: Router,
    script: usize,
}

impl Pair {
    /// The scripted neighbour gives `dying` a route, which reaches `keeper`.
    fn new(keeper: Software, dying: Software) -> Self {
        let mut world = World::new();
        let script = world.next_source();
        let with_times = |neighbor: Neighbor| Neighbor {
            stale: Some(TIMES),
            ..neighbor
        };
        let toward = vec![
            with_times(client(Site::router(1), V4)),
            passive(client(Site::source(1), V4)),
        ];
        let keeper = world.router(0, keeper, ASN, toward, |_| {});
        let toward = vec![
            with_times(client(Site::router(0), V4)),
            passive(Neighbor::new(script, ASN, V4)),
        ];
        let dying = world.router(1, dying, ASN, toward, |_| {});
        let script = announced(&mut world);
        let sample = &Sample::of(Family::Ipv4Unicast)[0];
        world.route(&keeper, sample.family, sample.shown, true);
        world.session(&keeper, Site::router(1), true);
        Self {
            world,
            keeper,
            dying,
            script,
        }
    }

    fn returns(&mut self) {
        self.world.load.close(self.script);
        self.dying.launch().expect("started again");
        self.script = announced(&mut self.world);
        self.world.session(&self.keeper, Site::router(1), true);
    }
}

fn announced(world: &mut World) -> usize {
    let source = world.next_source();
    let session = world.script_again(1, ASN, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(source, None));
    world.send(session, end_of_rib(Family::Ipv4Unicast));
    session
}

/// The peer dies: its routes stay with us, and a neighbour who takes such hears them with the mark; when it is back, without.
fn routes_of(software: Software) {
    if !is_root() {
        return;
    }
    let mut pair = Pair::new(ours(), software);
    let observer = pair.world.script_with(0, ASN, V4, &TAKES_STALE);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    let heard = |marked: bool| {
        move |kind: u8, body: &[u8]| {
            let mark = MARK.to_be_bytes();
            let has = body.windows(mark.len()).any(|window| window == mark);
            kind == UPDATE && sample.is_in(body, None) && has == marked
        }
    };
    let world = &mut pair.world;
    world.until_heard(observer, "the route", 1, heard(false));
    pair.dying.kill();
    let world = &mut pair.world;
    world.until_heard(observer, "the route, long-lived stale", 1, heard(true));
    let before = world.count(observer, heard(false));
    pair.returns();
    let world = &mut pair.world;
    world.until_heard(observer, "the route again", before + 1, heard(false));
}

/// We die: the peer keeps our routes; `mark` is how it shows LLGR_STALE.
fn ours_with(software: Software, mark: &str) {
    if !is_root() {
        return;
    }
    let mut pair = Pair::new(software, ours());
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    pair.dying.kill();
    pair.world
        .told(&pair.keeper, sample.family, sample.shown, &[mark]);
    pair.returns();
    let keeper = &pair.keeper;
    pair.world.until("the route without its mark", || {
        let routes = keeper.routes(sample.family).unwrap_or_default();
        let name = routes.keys().find(|name| name.contains(sample.shown));
        let told = name.and_then(|name| keeper.detail(sample.family, name).ok());
        told.is_some_and(|told| !told.contains(mark))
    });
}

#[test]
fn the_routes_of_frr_stay_for_long() {
    routes_of(Software::Frr);
}

#[test]
fn the_routes_of_bird_stay_for_long() {
    routes_of(Software::Bird);
}

#[test]
fn the_routes_of_gobgp_stay_for_long() {
    routes_of(Software::Gobgp);
}

#[test]
fn frr_keeps_our_routes_for_long() {
    ours_with(Software::Frr, "llgr-stale");
}

#[test]
fn bird_keeps_our_routes_for_long() {
    ours_with(Software::Bird, "(65535,6)");
}

#[test]
fn gobgp_keeps_our_routes_for_long() {
    ours_with(Software::Gobgp, &MARK.to_string());
}
