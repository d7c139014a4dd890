//! What happens on the way to and at the end of a session: passwords, large AS numbers, IPv4 over IPv6 next hops, shutdown texts,
//! BFD.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, logged, ours, passive};
use serde_json::Value;
use sim::bgp::messages::NOTIFICATION;
use sim::bgp::{Neighbor, Router, Site, Software};
use std::net::IpAddr;

const V4: &[Family] = &[Family::Ipv4Unicast];
/// Cease (RFC 4271 6.7) with its subcodes (RFC 4486).
const CEASE: u8 = 6;

/// Two routers of AS 65000 that have only each other.
fn pair(world: &World, software: Software, adjust: impl Fn(&mut Neighbor)) -> [Router; 2] {
    [(0, ours()), (1, software)].map(|(number, software)| {
        let mut neighbor = client(Site::router(1 - number), V4);
        adjust(&mut neighbor);
        world.router(number, software, ASN, vec![neighbor], |_| {})
    })
}

/// The same password brings the session up; with another one, segments are dropped (RFC 2385 2).
fn password_with(software: Software) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let routers = pair(&world, software, |neighbor| {
        neighbor.password = Some("s3cret".to_owned());
    });
    for (number, router) in routers.iter().enumerate() {
        world.session(router, Site::router(1 - number as u8), true);
    }
    drop(routers);

    let mut world = World::new();
    let passwords = std::cell::Cell::new("one");
    let routers = pair(&world, software, |neighbor| {
        neighbor.password = Some(passwords.replace("another").to_owned());
    });
    let failures = |router: &Router| -> u64 {
        let counters = router.namespace().run("cat", &["/proc/net/netstat"]);
        counter(&counters.expect("counters"), "TCPMD5Failure")
    };
    world.until("a segment with a wrong digest", || {
        routers.iter().map(failures).sum::<u64>() > 0
    });
    for router in &routers {
        assert!(router.established().expect("told").is_empty());
    }
}

/// A counter of /proc/net/netstat, which has names and values on lines of their own.
fn counter(text: &str, name: &str) -> u64 {
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.chunks(2).find_map(|pair| {
        let at = pair[0].split_whitespace().position(|word| word == name)?;
        pair.get(1)?.split_whitespace().nth(at)?.parse().ok()
    });
    found.unwrap_or_default()
}

#[test]
fn password_with_frr() {
    password_with(Software::Frr);
}

#[test]
fn password_with_bird() {
    password_with(Software::Bird);
}

#[test]
fn password_with_gobgp() {
    password_with(Software::Gobgp);
}

/// AS numbers of four octets, communities of all three kinds, over external sessions.
fn attributes_to(software: Software, wanted: &[&str]) {
    if !is_root() {
        return;
    }
    const OURS: u32 = 4_200_000_001;
    const PEERS: u32 = 4_200_000_002;
    const SCRIPT: u32 = 4_200_000_003;
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![
        Neighbor::new(Site::router(1), PEERS, V4),
        passive(Neighbor::new(script, SCRIPT, V4)),
    ];
    let router = world.router(0, ours(), OURS, neighbors, |_| {});
    let toward = vec![Neighbor::new(Site::router(0), OURS, V4)];
    let peer = world.router(1, software, PEERS, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let session = world.script(0, SCRIPT, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    let further = super::samples::communities();
    let message = sample.announce_with(script, Some(SCRIPT), &further);
    world.send(session, message);
    let path = [OURS.to_string(), SCRIPT.to_string()];
    let mut all = vec![path[0].as_str(), path[1].as_str()];
    all.extend(wanted);
    world.told(&peer, sample.family, sample.shown, &all);
}

#[test]
fn attributes_reach_frr() {
    attributes_to(
        Software::Frr,
        &["65010:77", "4200000009:1:2", "RT:65000:99"],
    );
}

#[test]
fn attributes_reach_bird() {
    attributes_to(
        Software::Bird,
        &["(65010,77)", "(4200000009, 1, 2)", "(rt, 65000, 99)"],
    );
}

#[test]
fn attributes_reach_gobgp() {
    let standard = (65010_u32 << 16 | 77).to_string();
    attributes_to(Software::Gobgp, &[&standard, "4200000009", "65000:99"]);
}

/// IPv4 routes over an IPv6 session, with IPv6 next hops (RFC 8950): the peer's own, and ours.
fn ipv4_over_ipv6_with(software: Software, originate: &str) {
    if !is_root() {
        return;
    }
    const PEERS: u32 = 65001;
    let mut world = World::new();
    let script = world.next_source();
    let over6 = |number: u8, asn: u32| Neighbor {
        extended_next_hop: true,
        ..Neighbor::new(Site::router6(number), asn, V4)
    };
    let neighbors = vec![over6(1, PEERS), passive(Neighbor::new(script, 65002, V4))];
    let router = world.router(0, ours(), ASN, neighbors, |_| {});
    let peer = world.router(1, software, PEERS, vec![over6(0, ASN)], |config| {
        config.extra = originate.to_owned();
        // FRR takes a link-local next hop only if zebra tells it the interface.
        config.kernel = software == Software::Frr;
    });
    world.session(&router, Site::router6(1), true);
    let session = world.script(0, 65002, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(script, Some(65002)));
    let own = Site::router6(0).to_string();
    world.told(&peer, sample.family, sample.shown, &[&own]);
    let peers = Site::router6(1).to_string();
    world.told(&router, sample.family, "10.66.0.0/24", &[&peers]);
}

#[test]
fn ipv4_over_ipv6_with_frr() {
    ipv4_over_ipv6_with(
        Software::Frr,
        "router bgp 65001\n address-family ipv4 unicast\n  network 10.66.0.0/24\n",
    );
}

#[test]
fn ipv4_over_ipv6_with_bird() {
    ipv4_over_ipv6_with(
        Software::Bird,
        "protocol static { ipv4; route 10.66.0.0/24 blackhole; }\n",
    );
}

const REASON: &str = "moved to rack 12";
const ADMINISTRATIVE_SHUTDOWN: u8 = 2;

/// What the operator says when a session is shut down is told to the neighbour (RFC 9003), and the session stays down until enabled.
fn is_told_why_it_is_shut_down(software: Software, ask: &[&str]) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![client(Site::router(1), V4), passive(client(script, V4))];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |_| {});
    let toward = vec![client(Site::router(0), V4)];
    let peer = world.router(1, software, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let session = world.script(0, ASN, V4);
    for neighbor in [Site::router(1), script] {
        let neighbor = neighbor.to_string();
        router
            .control(&["neighbor", "shutdown", &neighbor, "--message", REASON])
            .expect("shut down");
    }
    world.heard(session, "the reason", |kind, body| {
        let told = body.starts_with(&[CEASE, ADMINISTRATIVE_SHUTDOWN, REASON.len() as u8]);
        (kind == NOTIFICATION && told && body.ends_with(REASON.as_bytes())).then_some(())
    });
    world.until("the peer to tell the reason", || {
        peer.control(ask).is_ok_and(|told| told.contains(REASON))
    });
    world.session(&router, Site::router(1), false);
    let neighbor = Site::router(1).to_string();
    router
        .control(&["neighbor", "enable", &neighbor])
        .expect("enabled");
    world.session(&router, Site::router(1), true);
}

#[test]
fn frr_is_told_why_it_is_shut_down() {
    is_told_why_it_is_shut_down(Software::Frr, &["show bgp neighbors json"]);
}

#[test]
fn bird_is_told_why_it_is_shut_down() {
    is_told_why_it_is_shut_down(Software::Bird, &["show", "protocols", "all", "p0"]);
}

/// And the other way around: the peer's operator says why.
fn we_are_told_why(software: Software, shutdown: &[&str]) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [router, peer] = pair(&world, software, |_| {});
    world.session(&router, Site::router(1), true);
    peer.control(shutdown).expect("shut down");
    world.until("ours to tell the reason", || {
        logged(&router).contains(REASON)
    });
}

#[test]
fn we_are_told_why_frr_shuts_down() {
    let shutdown = format!("neighbor {} shutdown message {REASON}", Site::router(0));
    let router = format!("router bgp {ASN}");
    let lines = ["configure terminal", "-c", &router, "-c", &shutdown];
    we_are_told_why(Software::Frr, &lines);
}

#[test]
fn we_are_told_why_bird_shuts_down() {
    let reason = format!("\"{REASON}\"");
    we_are_told_why(Software::Bird, &["disable", "p0", &reason]);
}

#[test]
fn we_are_told_why_gobgp_shuts_down() {
    let neighbor = Site::router(0).to_string();
    let words = ["neighbor", &neighbor, "shutdown", "--reason", REASON];
    we_are_told_why(Software::Gobgp, &words);
}

/// The peer's BFD falls silent: the session ends long before its hold time, and comes back when it is heard again.
fn bfd_with(software: Software, process: &str) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let [router, peer] = [(0, Software::Netwright), (1, software)].map(|(number, software)| {
        let neighbor = Neighbor {
            bfd: true,
            ..client(Site::router(1 - number), V4)
        };
        world.router(number, software, ASN, vec![neighbor], |config| {
            config.kernel = software == Software::Frr;
        })
    });
    world.session(&router, Site::router(1), true);
    // One end is up a packet before the other one; silence means something only to an end that is.
    world.until("BFD to be up at both ends", || {
        bfd_is_up(&peer) && of_peer(&router, "bfd") == "up"
    });
    let flaps = of_peer(&router, "flaps").as_u64();
    peer.signal(process, nix::sys::signal::Signal::SIGSTOP)
        .expect("stopped");
    // The peer's BGP may be alive and the session back at once: what counts is that it ended, and why.
    world.until("the session to end for BFD", || {
        let told = of_peer(&router, "session_ended").to_string().to_lowercase();
        of_peer(&router, "flaps").as_u64() > flaps && told.contains("bfd")
    });
    peer.signal(process, nix::sys::signal::Signal::SIGCONT)
        .expect("continued");
    world.until("the session with BFD", || {
        of_peer(&router, "state") == "established" && of_peer(&router, "bfd") == "up"
    });
}

/// What ours says of the other router.
fn of_peer(router: &Router, key: &str) -> Value {
    let neighbor = Site::router(1).to_string();
    let told = router.control(&["neighbors", &neighbor, "-o", "json"]);
    let told: Value = serde_json::from_str(&told.expect("told")).expect("JSON");
    told[key].clone()
}

fn bfd_is_up(peer: &Router) -> bool {
    let neighbor: IpAddr = Site::router(0).into();
    let told = match peer.software() {
        Software::Frr => peer.control(&["show bfd peers json"]),
        _ => peer.control(&["show", "bfd", "sessions"]),
    };
    told.is_ok_and(|told| {
        let told = told.to_lowercase();
        let here = told.contains(&neighbor.to_string());
        here && (told.contains("\"status\":\"up\"") || told.contains(" up "))
    })
}

#[test]
fn bfd_with_frr() {
    bfd_with(Software::Frr, "bfdd");
}

#[test]
fn bfd_with_bird() {
    bfd_with(Software::Bird, "bird");
}
