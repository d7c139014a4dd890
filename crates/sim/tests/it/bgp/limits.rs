//! Prefix limits, both ways: we close on a peer that gives too much, and a peer closes on us. Both sides say why (RFC 4486).

use super::world::{ASN, Family, World, client, is_root, logged, ours, passive};
use sim::bgp::messages::NOTIFICATION;
use sim::bgp::{Neighbor, Router, Site, Software};

const V4: &[Family] = &[Family::Ipv4Unicast];
/// Cease (RFC 4271 6.7) with its subcode (RFC 4486).
const CEASE: u8 = 6;
const MAXIMUM_PREFIXES: u8 = 1;
const MOST: u32 = 5;

fn limited(neighbor: Neighbor) -> Neighbor {
    Neighbor {
        max_prefixes: Some(MOST),
        ..neighbor
    }
}

/// The scripted neighbour gives more than it may and hears why it is closed.
#[test]
fn too_many_prefixes_end_the_session() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = world.next_source();
    let neighbor = limited(passive(client(script, V4)));
    let router = world.router(0, ours(), ASN, vec![neighbor], |_| {});
    let session = world.script(0, ASN, V4);
    let source = super::samples::numbered(script);
    world.send(session, source.announce(0..MOST, 0));
    world.until("as many routes as may be", || {
        let routes = router.routes(Family::Ipv4Unicast);
        routes.is_ok_and(|routes| routes.len() == MOST as usize)
    });
    world.send(session, source.announce(MOST..MOST + 1, 0));
    world.heard(
        session,
        "a NOTIFICATION of too many prefixes",
        |kind, body| {
            (kind == NOTIFICATION && body.starts_with(&[CEASE, MAXIMUM_PREFIXES])).then_some(())
        },
    );
    world.session(&router, script, false);
}

/// A scripted neighbour of the first router gives it one route more than the second one takes: `closes` ends the session, and
/// both tell why. When there are fewer again and an operator says so, it comes back.
struct Overfull {
    world: World,
    routers: [Router; 2],
    script: usize,
}

impl Overfull {
    fn new(gives: Software, takes: Software) -> Self {
        let mut world = World::new();
        let script = world.next_source();
        let toward = vec![client(Site::router(1), V4), passive(client(script, V4))];
        let gives = world.router(0, gives, ASN, toward, |_| {});
        let toward = vec![limited(client(Site::router(0), V4))];
        let takes = world.router(1, takes, ASN, toward, |_| {});
        world.session(&takes, Site::router(0), true);
        let session = world.script(0, ASN, V4);
        let source = super::samples::numbered(script);
        world.send(session, source.announce(0..MOST, 0));
        world.until("as many routes as may be", || {
            let routes = takes.routes(Family::Ipv4Unicast);
            routes.is_ok_and(|routes| routes.len() == MOST as usize)
        });
        world.send(session, source.announce(MOST..MOST + 1, 0));
        Self {
            world,
            routers: [gives, takes],
            script: session,
        }
    }

    /// A router tells why the session ended: FRR when asked, ours in its log.
    fn until_told(&mut self, number: usize, words: &str) {
        let router = &self.routers[number];
        let mut told = String::new();
        self.world.until(words, || {
            told = match router.software() {
                Software::Frr => router
                    .control(&["show bgp neighbors json"])
                    .unwrap_or_default(),
                _ => logged(router),
            };
            told.to_lowercase().contains(words)
        });
    }

    /// The surplus goes, `clear` is said to the router that closed, and the session is back with what is left.
    fn recovers(mut self, clear: &[&str]) {
        let source = super::samples::numbered(Site::source(0));
        self.world
            .send(self.script, source.withdraw(MOST - 1..MOST + 1));
        let [gives, takes] = &self.routers;
        self.world.until("the surplus to go", || {
            let routes = gives.routes(Family::Ipv4Unicast);
            routes.is_ok_and(|routes| routes.len() == MOST as usize - 1)
        });
        takes.control(clear).expect("cleared");
        self.world.session(takes, Site::router(0), true);
        self.world.until("what is left", || {
            let routes = takes.routes(Family::Ipv4Unicast);
            routes.is_ok_and(|routes| routes.len() == MOST as usize - 1)
        });
    }
}

#[test]
fn frr_gives_too_much() {
    if !is_root() {
        return;
    }
    let mut pair = Overfull::new(Software::Frr, ours());
    let [router, frr] = [1, 0];
    pair.until_told(router, "6 prefixes of ipv4-unicast");
    pair.until_told(frr, "maximum number of prefixes");
    let neighbor = Site::router(0).to_string();
    pair.recovers(&["neighbor", "clear", &neighbor, "hard"]);
}

#[test]
fn bird_takes_no_more() {
    if !is_root() {
        return;
    }
    let mut pair = Overfull::new(ours(), Software::Bird);
    pair.until_told(0, "maximum number of prefixes");
    pair.recovers(&["enable", "p0"]);
}
