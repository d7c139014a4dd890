//! Route refresh (RFC 2918) and enhanced route refresh (RFC 7313), asked of us and by us.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, ours, passive, refresh};
use sim::bgp::messages::{HEADER, UPDATE};
use sim::bgp::{Router, Site, Software};

const ROUTE_REFRESH: u8 = 5;
const ENHANCED: [u8; 2] = [70, 0];

#[test]
fn a_refresh_is_answered_between_its_marks() {
    if !is_root() {
        return;
    }
    let families = [Family::Ipv4Unicast, Family::Vpnv4, Family::Evpn];
    let mut world = World::new();
    let neighbors = (0..2)
        .map(|n| passive(client(Site::source(n), &families)))
        .collect();
    let _router = world.router(0, ours(), ASN, neighbors, |_| {});
    let source = world.next_source();
    let sender = world.script(0, ASN, &families);
    let asker = world.script_with(0, ASN, &families, &ENHANCED);
    let samples: Vec<Sample> = families.iter().flat_map(|f| Sample::of(*f)).collect();
    for sample in &samples {
        world.send(sender, sample.announce(source, None));
    }
    let told = |sample: &Sample| {
        let sample = sample.clone();
        move |kind: u8, body: &[u8]| kind == UPDATE && sample.is_in(body, None)
    };
    for sample in &samples {
        world.until_heard(asker, sample.shown, 1, told(sample));
    }
    for family in families {
        world.send(asker, refresh(family, 0));
        let [begin, end] = [1, 2].map(|subtype| refresh(family, subtype)[HEADER..].to_vec());
        for mark in [&begin, &end] {
            world.heard(asker, "a mark of enhanced refresh", |kind, body| {
                (kind == ROUTE_REFRESH && body == mark).then_some(())
            });
        }
        for sample in &samples {
            let times = if sample.family == family { 2 } else { 1 };
            let heard = world.count(asker, told(sample));
            assert!(
                heard >= times,
                "{family}: {} heard {heard} times",
                sample.shown
            );
        }
    }
}

/// Routes vanish from a peer's import and come back by its asking for them.
///
/// FRR and BIRD both have enhanced refresh, so that our answer stands between two marks.
fn asked_by(software: Software, ask: impl Fn(&Router)) {
    if !is_root() {
        return;
    }
    let families = [Family::Ipv4Unicast];
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![
        client(Site::router(1), &families),
        passive(client(script, &families)),
    ];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |_| {});
    let toward = vec![client(Site::router(0), &families)];
    let peer = world.router(1, software, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let session = world.script(0, ASN, &families);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(script, None));
    world.route(&peer, sample.family, sample.shown, true);
    let before = received(&peer);
    let marks = refreshes(&router, "messages_sent");
    ask(&peer);
    world.until("the routes to be sent again", || received(&peer) > before);
    world.until("both marks of our answer", || {
        refreshes(&router, "messages_sent") == marks + 2
    });
    world.route(&peer, sample.family, sample.shown, true);
    world.session(&router, Site::router(1), true);
}

/// How many UPDATEs or routes a peer has received in all.
fn received(peer: &Router) -> u64 {
    let neighbor = Site::router(0).to_string();
    match peer.software() {
        Software::Frr => {
            let text = peer.control(&["show bgp neighbors json"]).expect("told");
            let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let received = &told[&neighbor]["messageStats"]["updatesRecv"];
            received.as_u64().expect("a number")
        }
        // GoBGP is not here: its soft reset looks at what it has kept and asks for nothing.
        _ => {
            // "Import updates:  received rejected filtered ignored accepted"
            let text = peer
                .control(&["show", "protocols", "all", "p0"])
                .expect("told");
            let line = text.lines().find(|line| line.contains("Import updates:"));
            let number = line.and_then(|line| line.split_whitespace().nth(2));
            number
                .and_then(|number| number.parse().ok())
                .expect("a number")
        }
    }
}

#[test]
fn frr_asks_for_a_refresh() {
    asked_by(Software::Frr, |peer| {
        let clear = format!("clear bgp ipv4 unicast {} soft in", Site::router(0));
        peer.control(&[&clear]).expect("cleared");
    });
}

#[test]
fn bird_asks_for_a_refresh() {
    asked_by(Software::Bird, |peer| {
        peer.control(&["reload", "in", "p0"]).expect("reloaded");
    });
}

/// ROUTE-REFRESH messages exchanged with the first router's neighbour.
fn refreshes(router: &Router, direction: &str) -> u64 {
    counted(router, direction, "refreshes")
}

fn counted(router: &Router, direction: &str, kind: &str) -> u64 {
    let neighbor = Site::router(1).to_string();
    let text = router.control(&["neighbors", &neighbor, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&text.expect("told")).expect("JSON");
    told[direction][kind].as_u64().expect("a number")
}

/// We ask: the peer sends its routes again, and none is lost. So many `marks` (RFC 7313) stand around its answer.
fn asked_of(software: Software, marks: u64) {
    if !is_root() {
        return;
    }
    let families = [Family::Ipv4Unicast];
    let mut world = World::new();
    let script = world.next_source();
    let router = world.router(
        0,
        Software::Netwright,
        ASN,
        vec![client(Site::router(1), &families)],
        |_| {},
    );
    let toward = vec![
        client(Site::router(0), &families),
        passive(client(script, &families)),
    ];
    let _peer = world.router(1, software, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let session = world.script(1, ASN, &families);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(script, None));
    world.route(&router, sample.family, sample.shown, true);
    let neighbor = Site::router(1).to_string();
    let updates = || counted(&router, "messages_received", "updates");
    let before = updates();
    router
        .control(&["neighbor", "clear", &neighbor, "soft"])
        .expect("cleared");
    world.until("the routes to be sent again", || updates() > before);
    world.until("the marks of its answer", || {
        refreshes(&router, "messages_received") == marks
    });
    world.route(&router, sample.family, sample.shown, true);
    world.session(&router, Site::router(1), true);
}

#[test]
fn frr_is_asked_for_a_refresh() {
    asked_of(Software::Frr, 2);
}

#[test]
fn bird_is_asked_for_a_refresh() {
    asked_of(Software::Bird, 2);
}

#[test]
fn gobgp_is_asked_for_a_refresh() {
    asked_of(Software::Gobgp, 0);
}
