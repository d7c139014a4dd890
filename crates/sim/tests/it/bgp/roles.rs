//! Roles and only-to-customer (RFC 9234), with the peers that have them: FRR from 8.4 on, BIRD from 2.0.11 on.

use super::samples::Sample;
use super::world::{ASN, Family, World, is_root, passive};
use sim::bgp::{Neighbor, Router, Site, Software};

const V4: &[Family] = &[Family::Ipv4Unicast];
const PEERS: u32 = 65_001;
const SCRIPT: u32 = 65_002;
const OTHER: u32 = 65_003;

/// How a program is told its own role towards a neighbour.
fn role(software: Software, neighbor: Neighbor, role: &str) -> Neighbor {
    let extra = match software {
        Software::Frr => format!(" neighbor {} local-role {role}\n", neighbor.address),
        Software::Bird => format!("  local role {role};\n"),
        _ => format!("role = \"{role}\"\n"),
    };
    Neighbor { extra, ..neighbor }
}

/// Ours with a role towards a peer that has another one, and two scripted neighbours: one whose provider we are, who gives us
/// routes, and one that is our peer, who must not hear what came from above.
fn pair(world: &World, software: Software, own: &str, theirs: &str) -> [Router; 2] {
    let toward_peer = Neighbor::new(Site::router(1), PEERS, V4);
    let neighbors = vec![
        role(Software::Netwright, toward_peer, own),
        role(
            Software::Netwright,
            passive(Neighbor::new(Site::source(0), SCRIPT, V4)),
            "provider",
        ),
        role(
            Software::Netwright,
            passive(Neighbor::new(Site::source(1), OTHER, V4)),
            "peer",
        ),
    ];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |_| {});
    let toward_us = Neighbor::new(Site::router(0), ASN, V4);
    let peer = world.router(
        1,
        software,
        PEERS,
        vec![role(software, toward_us, theirs)],
        |config| {
            config.extra = match software {
                Software::Frr => format!(
                    "router bgp {PEERS}\n address-family ipv4 unicast\n  network 10.66.0.0/24\n"
                ),
                _ => "protocol static { ipv4; route 10.66.0.0/24 blackhole; }\n".to_owned(),
            };
        },
    );
    [router, peer]
}

/// We are its provider: what we give it is marked as for customers only, with our AS.
fn marks(software: Software, mark: &str) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [router, peer] = pair(&world, software, "provider", "customer");
    world.session(&router, Site::router(1), true);
    let session = world.script(0, SCRIPT, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(Site::source(0), Some(SCRIPT)));
    world.told(&peer, sample.family, sample.shown, &[mark]);
    // And what it gives us as a customer has no mark, so a peer of ours is given it.
    world.script(0, OTHER, V4);
    told_of(&mut world, &router, "yes");
}

/// It is our provider: what it gives us is for our customers, and for nobody else.
fn is_kept_from_peers(software: Software) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [router, _peer] = pair(&world, software, "customer", "provider");
    world.session(&router, Site::router(1), true);
    for asn in [SCRIPT, OTHER] {
        world.script(0, asn, V4);
    }
    told_of(&mut world, &router, "no");
    let customer = Site::source(0).to_string();
    let words = ["route", "10.66.0.0/24", "--to", &customer];
    assert!(router.control(&words).is_ok(), "a customer is given it");
}

/// Whether the scripted peer is given the route of the program under test.
fn told_of(world: &mut World, router: &Router, wanted: &str) {
    let other = Site::source(1).to_string();
    world.route(router, Family::Ipv4Unicast, "10.66.0.0", true);
    world.until(&format!("{other} to be given the route: {wanted}"), || {
        // Exit code 3 says no.
        let answer = router.control(&["route", "10.66.0.0/24", "--to", &other]);
        match (&answer, wanted) {
            (Ok(_), "yes") => true,
            (Err(error), "no") => error.to_string().contains("ONLY_TO_CUSTOMER"),
            _ => false,
        }
    });
}

/// Two providers of each other are a mistake that no session survives (RFC 9234 4.2).
fn contradiction(software: Software) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [router, peer] = pair(&world, software, "provider", "provider");
    world.until("the contradiction to be told", || {
        let told = router.control(&["neighbors", "-o", "json"]);
        told.is_ok_and(|told| told.to_lowercase().contains("role"))
    });
    for router in [&router, &peer] {
        assert!(router.established().expect("told").is_empty());
    }
}

#[test]
fn frr_as_a_customer_gets_marked_routes() {
    marks(Software::Frr, "\"otc\":65000");
}

#[test]
fn bird_as_a_customer_gets_marked_routes() {
    marks(Software::Bird, "BGP.otc: 65000");
}

#[test]
fn frr_as_a_provider_is_for_customers_only() {
    is_kept_from_peers(Software::Frr);
}

#[test]
fn bird_as_a_provider_is_for_customers_only() {
    is_kept_from_peers(Software::Bird);
}

#[test]
fn frr_and_we_cannot_both_be_providers() {
    contradiction(Software::Frr);
}

#[test]
fn bird_and_we_cannot_both_be_providers() {
    contradiction(Software::Bird);
}
