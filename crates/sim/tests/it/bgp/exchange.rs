//! Every family both sides speak: announced, seen, withdrawn, gone; in both directions.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::{Neighbor, Router, Site, Software};
use std::net::Ipv4Addr;

use Family::{Evpn, Ipv4Labeled, Ipv4Unicast, Ipv6Labeled, Ipv6Unicast, Vpnv4, Vpnv6};

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

#[test]
fn every_family_with_frr() {
    let families = [Ipv4Unicast, Ipv6Unicast, Vpnv4, Vpnv6, Evpn];
    exchange(ours(), Software::Frr, &families);
}

#[test]
fn labelled_unicast_with_frr() {
    exchange(ours(), Software::Frr, &[Ipv4Labeled, Ipv6Labeled]);
}

#[test]
fn every_family_with_bird() {
    let families = [Ipv4Unicast, Ipv6Unicast, Vpnv4, Vpnv6];
    exchange(ours(), Software::Bird, &families);
}

#[test]
fn every_family_with_gobgp() {
    let families = [Ipv4Unicast, Ipv6Unicast, Vpnv4, Vpnv6, Evpn];
    exchange(ours(), Software::Gobgp, &families);
}

#[test]
fn labelled_unicast_with_gobgp() {
    exchange(ours(), Software::Gobgp, &[Ipv4Labeled, Ipv6Labeled]);
}

/// ExaBGP has no RIB: it says what it is told to say and tells what it hears.
#[test]
fn every_family_with_exabgp() {
    if !is_root() {
        return;
    }
    let families = [
        Ipv4Unicast,
        Ipv6Unicast,
        Ipv4Labeled,
        Ipv6Labeled,
        Vpnv4,
        Vpnv6,
        Evpn,
    ];
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![
        client(Site::router(1), &families),
        passive(client(script, &families)),
    ];
    let router = world.router(0, ours(), ASN, neighbors, |_| {});
    let toward = vec![Neighbor::new(Site::router(0), ASN, &families)];
    let exabgp = world.router(1, Software::Exabgp, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);

    exabgp_says(&mut world, &router, &exabgp);
    exabgp_hears(&mut world, &exabgp, script, &families);
}

/// All it can be told to say; EVPN it only understands.
fn exabgp_says(world: &mut World, router: &Router, exabgp: &Router) {
    let said = [
        (Ipv4Unicast, "10.21.0.0/24", "10.21.0.0/24 next-hop self"),
        (
            Ipv6Unicast,
            "2001:db8:21::/48",
            "2001:db8:21::/48 next-hop fd00:18::1",
        ),
        (
            Ipv4Labeled,
            "10.23.0.0/24",
            "10.23.0.0/24 next-hop 198.18.0.1 label 200",
        ),
        (
            Ipv6Labeled,
            "2001:db8:23::/48",
            "2001:db8:23::/48 next-hop fd00:18::1 label 200",
        ),
        (
            Vpnv4,
            "10.22.0.0/24",
            "10.22.0.0/24 next-hop 198.18.0.1 rd 65000:2 label 200 extended-community [ target:65000:2 ]",
        ),
        (
            Vpnv6,
            "2001:db8:22::/48",
            "2001:db8:22::/48 next-hop fd00:18::1 rd 65000:2 label 200 extended-community [ target:65000:2 ]",
        ),
    ];
    for (_, _, route) in &said {
        exabgp
            .tell(&format!("announce route {route}"))
            .expect("told");
    }
    for (family, shown, _) in &said {
        world.route(router, *family, shown, true);
    }
    for (_, _, route) in &said {
        exabgp
            .tell(&format!("withdraw route {route}"))
            .expect("told");
    }
    for (family, shown, _) in &said {
        world.route(router, *family, shown, false);
    }
}

fn exabgp_hears(world: &mut World, exabgp: &Router, script: Ipv4Addr, families: &[Family]) {
    let session = world.script(0, ASN, families);
    let samples: Vec<Sample> = families.iter().flat_map(|f| Sample::of(*f)).collect();
    for sample in &samples {
        world.send(session, sample.announce(script, None));
    }
    // ExaBGP writes an ESI and a route type as numbers of its own; these two are only passed on.
    let named = |sample: &&Sample| !sample.shown.starts_with("01:02");
    for sample in samples.iter().filter(named) {
        world.route(exabgp, sample.family, sample.shown, true);
    }
    for sample in &samples {
        world.send(session, sample.withdraw());
    }
    for sample in samples.iter().filter(named) {
        world.route(exabgp, sample.family, sample.shown, false);
    }
}
