//! Graceful restart (RFC 4724) under traffic: one side is killed and comes back, and no packet that goes by the routes between them
//! is lost.

use super::samples::{Sample, far_prefix};
use super::world::{ASN, Family, World, client, end_of_rib, is_root, ours, passive};
use sim::bgp::{Neighbor, Router, Site, Software};
use sim::lab::{Flow, Namespace};
use std::net::Ipv4Addr;

const V4: &[Family] = &[Family::Ipv4Unicast];
const RATE: u32 = 500;
/// In the far prefix.
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 1);

/// Two routers with kernel tables; a scripted neighbour of the second gives it a prefix whose target is where the load is. Traffic
/// goes from the first router's namespace by the route it learnt from the second.
struct Path {
    world: World,
    routers: [Router; 2],
    script: usize,
}

impl Path {
    fn new(first: Software, second: Software) -> Self {
        let mut world = World::new();
        let source = world.next_source();
        let load = world.site.load();
        load.run("ip", &["addr", "add", &format!("{TARGET}/32"), "dev", "lo"])
            .expect("a target");
        // Echoes must come from where the packets went.
        let back = format!("route add {} dev br0 src {TARGET}\n", Site::router(0));
        sim::lab::ip(Some(load), &back).expect("a route back");
        let neighbors = [
            vec![client(Site::router(1), V4)],
            vec![
                client(Site::router(0), V4),
                passive(Neighbor::new(source, ASN, V4)),
            ],
        ];
        let mut neighbors = neighbors.into_iter();
        let routers = [(0, first), (1, second)].map(|(number, software)| {
            let neighbors = neighbors.next().unwrap_or_default();
            world.router(number, software, ASN, neighbors, |config| {
                config.kernel = true;
            })
        });
        let script = announced(&mut world);
        world.route(&routers[0], Family::Ipv4Unicast, far_prefix(), true);
        let mut path = Self {
            world,
            routers,
            script,
        };
        path.until_in_kernel(0);
        path
    }

    fn until_in_kernel(&mut self, router: usize) {
        let namespace = self.routers[router].namespace();
        self.world
            .until("the route in the kernel", || in_kernel(namespace));
    }

    /// Kills a router, starts it again and waits until it has its routes again; returns what was lost on the way.
    fn lost_over_restart(mut self, killed: usize) -> u64 {
        let from = self.routers[0].namespace();
        let flow = Flow::start(from, self.world.site.load(), TARGET.into(), RATE).expect("a flow");
        self.world.until("the flow", || flow.returned() > 100);
        self.routers[killed].kill();
        let passed = flow.returned();
        self.world
            .until("traffic without it", || flow.returned() > passed + 200);
        self.routers[killed].launch().expect("started again");
        if killed == 1 {
            self.world.load.close(self.script);
            self.script = announced(&mut self.world);
        }
        let other = Site::router(1 - killed as u8);
        self.world.session(&self.routers[killed], other, true);
        for router in [1, 0] {
            let name = far_prefix();
            self.world
                .route(&self.routers[router], Family::Ipv4Unicast, name, true);
        }
        self.until_in_kernel(0);
        let passed = flow.returned();
        self.world
            .until("traffic after it", || flow.returned() > passed + 200);
        flow.finish().lost()
    }
}

/// Opens the scripted session and announces the far prefix, all there is.
fn announced(world: &mut World) -> usize {
    let source = world.next_source();
    let session = world.script_again(1, ASN, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(source, None));
    world.send(session, end_of_rib(Family::Ipv4Unicast));
    session
}

fn in_kernel(namespace: &Namespace) -> bool {
    let shown = namespace.run("ip", &["route", "show", far_prefix()]);
    shown.is_ok_and(|shown| shown.contains("via"))
}

#[test]
fn frr_restarts() {
    if is_root() {
        assert_eq!(Path::new(ours(), Software::Frr).lost_over_restart(1), 0);
    }
}

#[test]
fn bird_restarts() {
    if is_root() {
        assert_eq!(Path::new(ours(), Software::Bird).lost_over_restart(1), 0);
    }
}

#[test]
fn gobgp_restarts() {
    if is_root() {
        assert_eq!(Path::new(ours(), Software::Gobgp).lost_over_restart(1), 0);
    }
}

#[test]
fn we_restart_and_frr_keeps_our_routes() {
    if is_root() {
        assert_eq!(Path::new(Software::Frr, ours()).lost_over_restart(1), 0);
    }
}

#[test]
fn we_restart_and_bird_keeps_our_routes() {
    if is_root() {
        assert_eq!(Path::new(Software::Bird, ours()).lost_over_restart(1), 0);
    }
}

#[test]
fn we_restart_and_the_kernel_keeps_our_routes() {
    if is_root() {
        assert_eq!(Path::new(ours(), Software::Frr).lost_over_restart(0), 0);
    }
}
