//! Graceful restart (RFC 4724) of VPN and EVPN routes. Nothing here forwards them, so a third router looks on: while one side
//! is killed and comes back, the other one never tells it that a route is gone.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, end_of_rib, is_root, ours, passive};
use bgp::FamilySet;
use bgp::message::{CodecContext, split};
use sim::bgp::messages::{TRANSITIVE, UPDATE, attribute};
use sim::bgp::{Router, Site, Software};
use sim::lab::ip;

struct Trio {
    world: World,
    family: Family,
    keeper: Router,
    dying: Router,
    /// Gives `dying` its routes.
    script: usize,
    /// Is given them by `keeper`.
    observer: usize,
}

impl Trio {
    fn new(family: Family, keeper: Software, dying: Software) -> Self {
        let mut world = World::new();
        let families = &[family];
        let script = world.next_source();
        let toward = vec![
            client(Site::router(1), families),
            passive(client(Site::source(1), families)),
        ];
        let keeper = world.router(0, keeper, ASN, toward, |_| {});
        let toward = vec![
            client(Site::router(0), families),
            passive(client(script, families)),
        ];
        let dying = world.router(1, dying, ASN, toward, |_| {});
        let script = announced(&mut world, family);
        for sample in Sample::of(family) {
            world.route(&keeper, family, sample.shown, true);
        }
        let observer = world.script(0, ASN, families);
        let mut trio = Self {
            world,
            family,
            keeper,
            dying,
            script,
            observer,
        };
        trio.mark(1);
        trio
    }

    /// The first route with another community, which has to come through both routers.
    fn mark(&mut self, number: u8) {
        let community = [0xfd, 0xe8, 0x77, number];
        let mark = attribute(TRANSITIVE, 8, &community);
        let sample = &Sample::of(self.family)[0];
        let update = sample.announce_with(Site::source(0), None, &mark);
        self.world.send(self.script, update);
        let is_marked = |kind: u8, body: &[u8]| {
            kind == UPDATE && body.windows(mark.len()).any(|window| window == mark)
        };
        let what = format!("mark {number}");
        self.world.until_heard(self.observer, &what, 1, is_marked);
    }

    fn route_of_dying(&self, verb: &str, route: &str) {
        let script = format!("route {verb} {route}");
        ip(Some(self.dying.namespace()), &script).expect("a route");
    }

    fn survives(mut self) {
        self.dying.kill();
        self.world.session(&self.keeper, Site::router(1), false);
        for sample in Sample::of(self.family) {
            self.world
                .route(&self.keeper, self.family, sample.shown, true);
        }
        // Ours has the patience to hear its own neighbours out before it says that it has sent all (RFC 4724 4.1). Others are
        // let through to the keeper when they have their routes.
        let is_patient = self.dying.software() == Software::Netwright;
        let barrier = format!("blackhole {}/32\n", Site::router(0));
        if !is_patient {
            self.route_of_dying("add", &barrier);
        }
        self.dying.launch().expect("started again");
        self.world.load.close(self.script);
        self.script = announced(&mut self.world, self.family);
        if !is_patient {
            for sample in Sample::of(self.family) {
                self.world
                    .route(&self.dying, self.family, sample.shown, true);
            }
            self.route_of_dying("del", &barrier);
        }
        self.world.session(&self.keeper, Site::router(1), true);
        // The second one comes after the table, whose end decides what is still stale.
        self.mark(2);
        self.mark(3);
        let family = self.family;
        let gone = |kind: u8, body: &[u8]| kind == UPDATE && withdraws(family, body);
        let recorded = self.world.load.sessions()[self.observer].recorded();
        let lost = recorded.iter().find(|(kind, body)| gone(*kind, body));
        assert_eq!(lost, None, "a route was lost among {recorded:02x?}");
        for sample in Sample::of(self.family) {
            self.world
                .route(&self.keeper, self.family, sample.shown, true);
        }
    }
}

/// Opens the scripted session and announces every route of the family, all there is.
fn announced(world: &mut World, family: Family) -> usize {
    let session = world.script_again(1, ASN, &[family]);
    for sample in Sample::of(family) {
        world.send(session, sample.announce(Site::source(0), None));
    }
    world.send(session, end_of_rib(family));
    session
}

fn withdraws(family: Family, body: &[u8]) -> bool {
    let context = CodecContext {
        as4: true,
        extended_message: true,
        ebgp: false,
        families: [family].into_iter().collect(),
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    };
    let parts = split(body, &context).expect("an UPDATE");
    parts
        .mp_unreach
        .iter()
        .any(|gone| gone.routes().next().is_some())
}

fn over_a_restart(families: &[Family], keeper: Software, dying: Software) {
    if !is_root() {
        return;
    }
    for family in families {
        Trio::new(*family, keeper, dying).survives();
    }
}

const VPN: &[Family] = &[Family::Vpnv4];
const BOTH: &[Family] = &[Family::Vpnv4, Family::Evpn];

/// FRR 8.4 and GoBGP 3.10 come back saying that forwarding in these families did not go on, so that their routes go at once
/// (RFC 4724 4.2); `restart.rs` has them with IPv4.
#[test]
fn the_routes_of_bird_outlive_its_restart() {
    over_a_restart(VPN, ours(), Software::Bird);
}

#[test]
fn our_routes_outlive_our_restart_with_us() {
    over_a_restart(BOTH, Software::Netwright, ours());
}

/// FRR 8.4 keeps no EVPN routes of a neighbour that restarts (its helper's families end with VPN).
#[test]
fn our_routes_outlive_our_restart_with_frr() {
    over_a_restart(VPN, Software::Frr, ours());
}

#[test]
fn our_routes_outlive_our_restart_with_bird() {
    over_a_restart(VPN, Software::Bird, ours());
}

#[test]
fn our_routes_outlive_our_restart_with_gobgp() {
    over_a_restart(BOTH, Software::Gobgp, ours());
}
