//! Every family both sides speak: announced, seen, withdrawn, gone; in both directions.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, passive};
use sim::bgp::{Site, Software};

/// A scripted neighbour gives routes to the first router, the second must see them, and lose them; and the other way around.
/// All sessions are internal, both routers reflect.
fn exchange(one: Software, other: Software, families: &[Family]) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let scripts = [Site::source(0), Site::source(1)];
    let router = |number: u8, software| {
        let peer = client(Site::router(1 - number), families);
        let script = passive(client(scripts[usize::from(number)], families));
        world.router(number, software, ASN, vec![peer, script], |_| {})
    };
    let routers = [router(0, one), router(1, other)];
    world.session(&routers[0], Site::router(1), true);
    for from in [0, 1] {
        let (sender, receiver) = (&routers[from], &routers[1 - from]);
        let session = world.script(from as u8, ASN, families);
        let samples: Vec<Sample> = families.iter().flat_map(|f| Sample::of(*f)).collect();
        for sample in &samples {
            world.send(session, sample.announce(scripts[from], None));
        }
        for sample in &samples {
            world.route(sender, sample.family, sample.shown, true);
            world.route(receiver, sample.family, sample.shown, true);
        }
        for sample in &samples {
            world.send(session, sample.withdraw());
        }
        for sample in &samples {
            world.route(receiver, sample.family, sample.shown, false);
        }
    }
}

use Family::{Evpn, Ipv4Labeled, Ipv4Unicast, Ipv6Labeled, Ipv6Unicast, Vpnv4, Vpnv6};

#[test]
fn frr_and_bird_prove_the_lab() {
    exchange(
        Software::Frr,
        Software::Bird,
        &[Ipv4Unicast, Ipv6Unicast, Vpnv4, Vpnv6],
    );
}

#[test]
fn gobgp_and_frr_prove_the_lab() {
    exchange(Software::Gobgp, Software::Frr, &[Ipv4Unicast, Vpnv4, Evpn]);
}

#[test]
fn labelled_unicast_with_gobgp_and_frr_proves_the_lab() {
    exchange(Software::Gobgp, Software::Frr, &[Ipv4Labeled, Ipv6Labeled]);
}
