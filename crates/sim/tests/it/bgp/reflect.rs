//! Route reflection (RFC 4456) and several paths of a prefix (RFC 7911), towards peers and from them.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::{Neighbor, Site, Software};
use std::net::Ipv4Addr;

const V4: &[Family] = &[Family::Ipv4Unicast];
const CLUSTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

/// What a client announces reaches a client with originator and cluster; what a non-client announces reaches clients only.
fn reflected_to(software: Software, originator: &str, cluster: &str) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [from_client, from_other] = [Site::source(0), Site::source(1)];
    let neighbors = vec![
        client(Site::router(1), V4),
        Neighbor::new(Site::router(2), ASN, V4),
        passive(client(from_client, V4)),
        passive(Neighbor::new(from_other, ASN, V4)),
    ];
    let router = world.router(0, ours(), ASN, neighbors, |config| {
        config.cluster_id = Some(CLUSTER);
    });
    let toward = || vec![Neighbor::new(Site::router(0), ASN, V4)];
    let reached = world.router(1, software, ASN, toward(), |_| {});
    let other = world.router(2, software, ASN, toward(), |_| {});
    for number in [1, 2] {
        world.session(&router, Site::router(number), true);
    }
    let sessions = [0, 1].map(|_| world.script(0, ASN, V4));
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    let known = [
        format!("{originator}{from_client}"),
        format!("{cluster}{CLUSTER}"),
    ];
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    world.send(sessions[0], sample.announce(from_client, None));
    for peer in [&reached, &other] {
        world.told(peer, sample.family, sample.shown, &known);
    }
    world.send(sessions[0], sample.withdraw());
    for peer in [&reached, &other] {
        world.route(peer, sample.family, sample.shown, false);
    }

    let fresh = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(sessions[1], fresh.announce(from_other, None));
    world.route(&reached, fresh.family, fresh.shown, true);
    // A later route of a client arrives there, so the one of the non-client was not merely on its way.
    world.send(
        sessions[0],
        super::samples::numbered(from_client).announce(0..1, 0),
    );
    world.until("the later route", || {
        other
            .routes(Family::Ipv4Unicast)
            .is_ok_and(|r| !r.is_empty())
    });
    world.route(&other, fresh.family, fresh.shown, false);
}

#[test]
fn frr_is_reflected_to() {
    reflected_to(Software::Frr, "\"originatorId\":\"", "\"list\":[\"");
}

#[test]
fn bird_is_reflected_to() {
    reflected_to(Software::Bird, "BGP.originator_id: ", "BGP.cluster_list: ");
}

#[test]
fn gobgp_is_reflected_to() {
    reflected_to(Software::Gobgp, "\"value\":\"", "\"value\":[\"");
}

/// Two paths of one prefix, given to the first router, reach the second one.
fn both_paths(one: Software, other: Software) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let with_paths = |neighbor: Neighbor| Neighbor {
        add_path: true,
        ..neighbor
    };
    let mut neighbors: Vec<Neighbor> = (0..2)
        .map(|number| passive(client(Site::source(number), V4)))
        .collect();
    neighbors.insert(0, with_paths(client(Site::router(1), V4)));
    let router = world.router(0, one, ASN, neighbors, |_| {});
    let toward = vec![with_paths(client(Site::router(0), V4))];
    let peer = world.router(1, other, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    for number in 0..2 {
        let session = world.script(0, ASN, V4);
        world.send(session, sample.announce(Site::source(number), None));
    }
    let hops = [0, 1].map(|number| Site::source(number).to_string());
    world.told(&peer, sample.family, sample.shown, &[&hops[0], &hops[1]]);
}

#[test]
fn frr_is_given_all_paths() {
    both_paths(ours(), Software::Frr);
}

#[test]
fn bird_is_given_all_paths() {
    both_paths(ours(), Software::Bird);
}

#[test]
fn gobgp_is_given_all_paths() {
    both_paths(ours(), Software::Gobgp);
}

#[test]
fn frr_gives_all_paths() {
    both_paths(Software::Frr, ours());
}

#[test]
fn bird_gives_all_paths() {
    both_paths(Software::Bird, ours());
}

#[test]
fn gobgp_gives_all_paths() {
    both_paths(Software::Gobgp, ours());
}
